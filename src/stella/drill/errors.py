"""What keeps a drill from being run. A drill that ran and found something is a result, not an error."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class BadOutage(StellaError):
    """An outage of `{text}` cannot be drilled.

    It must be long enough to make fresh keys stale, which is a minute at least, and short enough to be waited for.
    """

    code = "DRILL-001"
    exit = Exit.USAGE
    reason = "usage"
    hint = "choose from 2m to 1h; 5m is what is promised"


class NoNamespace(StellaError):
    """This machine grants no network of its own to a drill: {problem}.

    With `--netns` the drill drops real packets. It needs a user and a network namespace (`unshare -Urn`), and nft or
    iptables in it; the network and the firewall of the machine are never touched. Some kernels and containers forbid
    such namespaces.
    """

    code = "DRILL-003"
    exit = Exit.SEALED
    reason = "network"
    hint = "run it without `--netns`, which needs nothing, or on a machine where `unshare -Urn true` works"


class NamespaceEnded(StellaError):
    """The drill in a network namespace ended without a result: {problem}.

    It was killed, or it ran out of memory or processes. Nothing of it is left on the machine.
    """

    code = "DRILL-004"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "run it again; without `--netns` a drill needs less of the machine"


class NoServerToDrill(StellaError):
    """The database of the drill does not start: {problem}.

    The drill works on a PostgreSQL of its own, from the installed package, in a folder of temporary files that goes
    away with it.
    """

    code = "DRILL-005"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "see `stella doctor`; TMPDIR names the folder of temporary files"
