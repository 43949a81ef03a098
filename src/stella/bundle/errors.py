"""Why a bundle is refused. Each class of damage or attack has its own reason, so that an operator knows whom to ask."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError

FETCH_AGAIN = "do not use this file; fetch or copy it again and compare its sha256 with the sender's"


class NotABundle(StellaError):
    """{path} is not a Stella bundle: {problem}.

    A bundle is an uncompressed tar file that begins with an `oci-layout` member. This is another kind of file.
    """

    code = "BUNDLE-001"
    exit = Exit.USAGE
    reason = "not_a_bundle"
    hint = "check the path; a bundle is made by `stella mirror create`"


class Truncated(StellaError):
    """Bundle ends at byte {offset}, {missing} more are needed.

    The copy was interrupted or the medium is short of space.
    """

    code = "BUNDLE-002"
    exit = Exit.NEGATIVE
    reason = "truncated"
    hint = "copy the file again; compare its size with the sender's"


class BadHeader(StellaError):
    """Tar header at byte {offset} is not one that Stella writes: {problem}.

    Bundles have exactly one spelling: regular ustar members with fixed owner, mode and time, zero padding, two final
    zero blocks.
    """

    code = "BUNDLE-003"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = FETCH_AGAIN


class ForbiddenMember(StellaError):
    """Tar member `{name}` at byte {offset} is a {kind}; bundles hold regular files only.

    Links, devices, directories, sparse files and PAX or GNU extensions have no place in a bundle and are a known way to
    attack an unpacker.
    """

    code = "BUNDLE-004"
    exit = Exit.NEGATIVE
    reason = "forbidden_member"
    hint = FETCH_AGAIN


class DuplicateMember(StellaError):
    """Tar member `{name}` occurs twice.

    Two readers could each take another one of the two for the truth.
    """

    code = "BUNDLE-005"
    exit = Exit.NEGATIVE
    reason = "duplicate"
    hint = FETCH_AGAIN


class DigestMismatch(StellaError):
    """{what} has sha256 {found}, expected {expected}.

    The bytes are not the ones that were signed: they were damaged or altered.
    """

    code = "BUNDLE-006"
    exit = Exit.NEGATIVE
    reason = "digest_mismatch"
    hint = FETCH_AGAIN


class LayoutMismatch(StellaError):
    """{what} is not what its signed documents describe: {problem}.

    The members of the file, the OCI manifest and the signed lists must name exactly the same things.
    """

    code = "BUNDLE-007"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = FETCH_AGAIN


class BadPath(StellaError):
    """Path `{path}` is not allowed: {problem}.

    Paths are relative, in Unicode NFC, without `.`, `..`, empty parts or control characters, and no path is the folder
    of another.
    """

    code = "BUNDLE-008"
    exit = Exit.NEGATIVE
    reason = "path"
    hint = "rename the file at its source, or do not use this bundle"


class DuplicatePath(StellaError):
    """Path `{path}` occurs twice.

    Two sources give a file of the same name in the same category, or a bundle lists a path twice.
    """

    code = "BUNDLE-009"
    exit = Exit.NEGATIVE
    reason = "duplicate"
    hint = "give one of the sources another category or name"


class OverLimit(StellaError):
    """{what} is {found}, the limit is {limit}.

    Limits bound what a hostile file can cost before its signatures are checked.
    """

    code = "BUNDLE-010"
    exit = Exit.NEGATIVE
    reason = "limit"
    hint = "split the content over several channels, or do not use this bundle"


class CompressionBomb(StellaError):
    """Compressed blob {blob} claims or yields {found} bytes, its signed size is {expected}.

    Decompression stops at the signed size, so that a small blob cannot fill memory or disk.
    """

    code = "BUNDLE-011"
    exit = Exit.NEGATIVE
    reason = "zstd_bomb"
    hint = FETCH_AGAIN


class BadCompression(StellaError):
    """Compressed blob {blob} cannot be decompressed: {problem}.

    It is not a zstd frame of the allowed window.
    """

    code = "BUNDLE-012"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = FETCH_AGAIN


class PatchBomb(StellaError):
    """Patch {blob} claims to turn {old} bytes into {new}, signed are {expected_old} and {expected_new}.

    The sizes in a patch are compared with the signed sizes before the patcher runs.
    """

    code = "BUNDLE-013"
    exit = Exit.NEGATIVE
    reason = "patch_bomb"
    hint = FETCH_AGAIN


class BadPatch(StellaError):
    """Patch {blob} cannot be applied: {problem}.

    The patch is not of the expected format, or the patcher ran out of the memory it is granted.
    """

    code = "BUNDLE-014"
    exit = Exit.NEGATIVE
    reason = "patch"
    hint = FETCH_AGAIN


class BaseMissing(StellaError):
    """Bundle is thin against generation {generation}, which is not here; {held}.

    A thin bundle carries only what changed since its base. This side does not hold that base with the same root.
    """

    code = "BUNDLE-015"
    exit = Exit.NEGATIVE
    reason = "base_missing"
    hint = "import generation {generation} first, or have a bundle made for this site's receipt: `stella site receipt`"


class RootMismatch(StellaError):
    """Entries have the root {found}, signed is {expected}.

    The entry list is not the one that the release key signed.
    """

    code = "BUNDLE-016"
    exit = Exit.NEGATIVE
    reason = "root_mismatch"
    hint = FETCH_AGAIN


class WrongChannel(StellaError):
    """Bundle belongs to channel `{found}`, trusted is `{expected}`.

    Each channel has its own keys; a bundle of another channel is never accepted, whoever signed it.
    """

    code = "BUNDLE-017"
    exit = Exit.NEGATIVE
    reason = "wrong_channel"
    hint = "use the trust folder and the site of that channel"


class MixAndMatch(StellaError):
    """{what} belongs to another generation or bundle: {problem}.

    Every document is genuine by itself but they were not made for each other. Somebody put parts of several bundles
    together.
    """

    code = "BUNDLE-018"
    exit = Exit.NEGATIVE
    reason = "mix_and_match"
    hint = FETCH_AGAIN


class DevelopmentKey(StellaError):
    """Bundle is signed by a development key.

    This side accepts production signatures only (`site.require_production` or `mirror.require_prod_signing`).
    """

    code = "BUNDLE-019"
    exit = Exit.NEGATIVE
    reason = "test_key"
    hint = "have the release signed with the production key: MIRROR_SIGN_KEY_B64"


class Expired(StellaError):
    """{what} expired at {expiry}, trusted time is {now}.

    Metadata has a limited life so that an old state cannot be served for ever (freeze attack).
    """

    code = "BUNDLE-020"
    exit = Exit.NEGATIVE
    reason = "expired"
    hint = "fetch a newer generation of the channel"


class Stale(StellaError):
    """Bundle was created {age} ago, the limit is {limit}.

    The age is judged at trusted time. Old content hides new advisories.
    """

    code = "BUNDLE-021"
    exit = Exit.NEGATIVE
    reason = "stale"
    hint = "fetch a newer generation of the channel"


class ClockBehind(StellaError):
    """{what} expired at {expiry}; it looks valid only because the local clock is behind: {local}, not {now}.

    Time that a proof has shown to be past cannot come back. Expiry is judged at trusted time, not at the local clock.
    """

    code = "BUNDLE-022"
    exit = Exit.NEGATIVE
    reason = "clock_behind"
    hint = "set the clock of this machine, and fetch a newer generation of the channel"


class WorkerKilled(StellaError):
    """The process that makes and applies patches was killed.

    Somebody killed it, or the machine ran out of memory. It says nothing of the bundle, and nothing was changed.
    """

    code = "BUNDLE-023"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "see `dmesg` for the out-of-memory killer, then run the same command again"


class NoChannel(StellaError):
    """{path} is not a channel folder.

    The folder has no `channel.json`.
    """

    code = "MIRROR-002"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "lay one: `stella mirror init --dir {path} --channel stable`"


class SourceChanged(StellaError):
    """{path} changed while it was read.

    The bundle would hold bytes that never were a file. The channel is as it was.
    """

    code = "MIRROR-005"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "wait until nothing writes to the source, then run the same command again"


class ClockBehindChannel(StellaError):
    """The clock says {now}, but generation {generation} was created at {created}.

    A generation is never dated before the one it follows; sites would take it for a replay.
    """

    code = "MIRROR-007"
    exit = Exit.NEGATIVE
    reason = "clock_behind"
    hint = "set the clock of this machine (`date -u`), then run the same command again"


class ProductionKeyMissing(StellaError):
    """No production key to sign with: {problem}.

    A production key counts when the channel's signer policy knows it; `mirror.require_prod_signing`
    (REQUIRE_PROD_SIGNING=1) refuses to sign with anything else.
    """

    code = "MIRROR-008"
    exit = Exit.USAGE
    reason = "test_key"
    hint = (
        "set MIRROR_SIGN_KEY_B64 to the base64 of the Ed25519 PEM; enrol it with `stella mirror rotate --role release`"
    )


class GenerationMissing(StellaError):
    """Channel `{channel}` has no generation {generation}; it has {held}.

    The number is above the newest generation, or the generation is no longer kept.
    """

    code = "MIRROR-009"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "see what there is: `stella mirror status --dir {path}`"


class SelfCheckFailed(StellaError):
    """The new bundle does not pass the importer's checks: {problem}.

    Nothing was published: the output and the channel are as they were. This is a defect, a bad disk or bad memory.
    """

    code = "MIRROR-011"
    exit = Exit.UNEXPECTED
    reason = "validation"
    hint = "run the command again; when it repeats, check disk and memory of this machine"


class KeyFileMissing(StellaError):
    """Key {path} is not there.

    Root keys may be kept on another medium; the command needs them for this step.
    """

    code = "MIRROR-012"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "attach the medium with the key and name its folder: `--root-keys DIR`"


class GenerationRetired(StellaError):
    """Generation {generation} was cut before the packer key was replaced, and cannot be written again.

    A file is signed by the packer key that its generation names, and that key is gone. The content is still here.
    """

    code = "MIRROR-017"
    exit = Exit.NEGATIVE
    reason = "key_unknown"
    hint = "cut a new generation from the sources: `stella mirror create --dir M --source ... --out B.stella`"


class ReleaseKeysMissing(StellaError):
    """{found} of {threshold} release keys are at hand.

    The signer policy asks for more signatures than this machine has keys for.
    """

    code = "MIRROR-018"
    exit = Exit.USAGE
    reason = "key_missing"
    hint = "put the key files back into `keys/` of the channel, or set MIRROR_SIGN_KEY_B64"
