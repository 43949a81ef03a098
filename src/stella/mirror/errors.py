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


class BadCategory(StellaError):
    """Source `{source}` names the unknown category `{category}`.

    Categories are advisories, vex, sbom, policies, artifacts, images, evidence, migrations, other.
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


class NothingToMirror(StellaError):
    """There is no content: {problem}.

    An empty generation would tell every site to drop what it holds.
    """

    code = "MIRROR-006"
    exit = Exit.USAGE
    reason = "usage"
    hint = "name at least one source with files: `--source artifacts=dist/`"


class ReceiptRefused(StellaError):
    """Receipt cannot be used: {problem}.

    A receipt is signed by the site that wrote it and names a generation and root of this channel. Without a usable one
    a full bundle is always possible.
    """

    code = "MIRROR-010"
    exit = Exit.NEGATIVE
    reason = "receipt"
    hint = "fetch a fresh receipt from the site, or make a full bundle by leaving out `--for`"


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
