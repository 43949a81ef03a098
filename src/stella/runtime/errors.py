"""What can go wrong with files, configuration and the network guard."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class ObjectMissing(StellaError):
    """{path} does not exist.

    A file or folder that the command names, or that a channel or site needs, is not there.
    """

    code = "IO-001"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "check the path; `ls -l {path}`"


class Unreadable(StellaError):
    """{path} cannot be read: {problem}.

    The file exists but the operating system refuses to read it, or the medium fails.
    """

    code = "IO-002"
    exit = Exit.TRANSIENT
    reason = "io"
    hint = "check the owner, the mode and the medium; `ls -l {path}`"


class Unwritable(StellaError):
    """{path} cannot be written: {problem}.

    Nothing half written is left behind; what was there before is still there.
    """

    code = "IO-003"
    exit = Exit.TRANSIENT
    reason = "io"
    hint = "check the owner, the mode and the mount; `ls -ld {path}`"


class DiskFull(StellaError):
    """No space left while writing {path}.

    Nothing half written is left behind. Free some space and run the same command again: work that was done is not
    repeated.
    """

    code = "IO-004"
    exit = Exit.TRANSIENT
    reason = "disk"
    hint = "free some space (`df -h {path}`), then run the same command again"


class Busy(StellaError):
    """{path} is in use by another process{holder}.

    Only one process at a time may change a channel or a site.
    """

    code = "IO-005"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "wait for the other command to end, then run this one again"


class TooLarge(StellaError):
    """{path} has {size} bytes, the limit is {limit}.

    Limits bound the memory that a hostile file can claim.
    """

    code = "IO-006"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "this is not the file that was expected; fetch it again"


class NotAFolder(StellaError):
    """{path} is not {expected}.

    The command needs the other kind: a folder where a file was given, or the other way round.
    """

    code = "IO-007"
    exit = Exit.USAGE
    reason = "usage"
    hint = "check the path; `ls -ld {path}`"


class UnknownSetting(StellaError):
    """Unknown setting `{key}` in {origin}.

    A mistyped key would silently keep its default, so it is refused.
    """

    code = "CONF-001"
    exit = Exit.USAGE
    reason = "usage"
    hint = "{nearest}"


class BadSetting(StellaError):
    """Setting `{key}` in {origin} has the value {value}, expected {expected}.

    The value cannot be used as it is.
    """

    code = "CONF-002"
    exit = Exit.USAGE
    reason = "usage"
    hint = "change it in {origin}"


class LiteralSecret(StellaError):
    """Setting `{key}` in {origin} must refer to a secret, not contain it.

    Configuration files are copied, printed and committed; secrets stay in the environment or in a file of their own.
    """

    code = "CONF-003"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write `env:NAME` or `file:PATH`"


class SecretMissing(StellaError):
    """Secret `{reference}` is not there.

    The environment variable that a setting refers to is unset or empty.
    """

    code = "CONF-004"
    exit = Exit.USAGE
    reason = "usage"
    hint = "set it: `export {name}=...`, or point the setting at a file with `file:PATH`"


class NotToml(StellaError):
    """{path} is not TOML: {problem}.

    A settings file is TOML in UTF-8. Nothing of a damaged file is used.
    """

    code = "CONF-005"
    exit = Exit.USAGE
    reason = "usage"
    hint = "mend that line, or move the file away"


class SecretUnreadable(StellaError):
    """Secret file {path} cannot be read: {problem}.

    A setting refers to this file. It is never replaced by another secret or by none.
    """

    code = "CONF-006"
    exit = Exit.USAGE
    reason = "usage"
    hint = "check the path, the owner and the mode; `ls -l {path}`"


class EgressBlocked(StellaError):
    """Network access to {target} was blocked: this process is sealed.

    A sealed process answers every attempt to open a socket or resolve a name with this error. Verification and import
    never need a network; the command that asked for one cannot run here.
    """

    code = "AIRGAP_EGRESS_BLOCKED"
    exit = Exit.SEALED
    reason = "egress_blocked"
    hint = "run this command on the connected side"
