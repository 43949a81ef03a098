"""Why a channel refuses a command."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class ChannelExists(StellaError):
    """{path} already holds the channel `{channel}`.

    A channel folder is laid once; its keys and its history would be lost otherwise.
    """

    code = "MIRROR-001"
    exit = Exit.USAGE
    reason = "usage"
    hint = "choose another folder, or use it as it is: `stella mirror status --dir {path}`"


class NoChannel(StellaError):
    """{path} is not a channel folder.

    The folder has no `channel.json`.
    """

    code = "MIRROR-002"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "lay one: `stella mirror init --dir {path} --channel stable`"


class BadCategory(StellaError):
    """Source `{source}` names the unknown category `{category}`.

    Categories are advisories, vex, sbom, policies, artifacts, images, evidence, other.
    """

    code = "MIRROR-003"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write `CATEGORY=PATH` with one of the categories, or the path alone"


class ForbiddenSource(StellaError):
    """{path} is a {kind}; a bundle takes regular files and folders only.

    Links and devices mean something else on another machine, so they are never followed or packed.
    """

    code = "MIRROR-004"
    exit = Exit.USAGE
    reason = "usage"
    hint = "replace it by the file itself, or move it out of the source"


class SourceChanged(StellaError):
    """{path} changed while it was read.

    The bundle would hold bytes that never were a file. The channel is as it was.
    """

    code = "MIRROR-005"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "wait until nothing writes to the source, then run the same command again"


class NothingToMirror(StellaError):
    """There is no content: {problem}.

    An empty generation would tell every site to drop what it holds.
    """

    code = "MIRROR-006"
    exit = Exit.USAGE
    reason = "usage"
    hint = "name at least one source with files: `--source artifacts=dist/`"


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


class ReceiptRefused(StellaError):
    """Receipt cannot be used: {problem}.

    A receipt is signed by the site that wrote it and names a generation and root of this channel. Without a usable one
    a full bundle is always possible.
    """

    code = "MIRROR-010"
    exit = Exit.NEGATIVE
    reason = "receipt"
    hint = "fetch a fresh receipt from the site, or make a full bundle by leaving out `--for`"


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


class BadReport(StellaError):
    """Report `{report}` is not of the form FORMAT=FILE with one of these formats: {formats}.

    Each report is written to a file of its own.
    """

    code = "MIRROR-013"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write for example `--report html=bundle.html`"


class SameKey(StellaError):
    """Release key {keyid} is already the one of this channel.

    Rotation replaces keys. The production key that MIRROR_SIGN_KEY_B64 holds is the one that the signer policy names.
    """

    code = "MIRROR-014"
    exit = Exit.USAGE
    reason = "usage"
    hint = "put the new key into MIRROR_SIGN_KEY_B64 first: `openssl genpkey -algorithm ed25519 | base64 -w0`"


class PassphraseShort(StellaError):
    """Passphrase has {length} characters, at least {limit} are needed.

    The passphrase is all that protects the private keys of a stolen folder.
    """

    code = "MIRROR-015"
    exit = Exit.USAGE
    reason = "usage"
    hint = "choose a longer one, for example: `openssl rand -base64 24`"


class BadThreshold(StellaError):
    """Threshold {threshold} cannot be met by {signers} release keys.

    A bundle needs at least one signature and at most as many as there are keys.
    """

    code = "MIRROR-016"
    exit = Exit.USAGE
    reason = "usage"
    hint = "choose `--threshold` between 1 and `--signers`"


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
