"""What can go wrong between a client and a service, beside what the operation itself says."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class ServiceAway(StellaError):
    """Service {url} does not answer: {problem}.

    It is not running, still starting, or not reachable from here. Nothing is known to have been done; an operation that
    was sent already is done once at most, so the same command may be run again.
    """

    code = "CLIENT-001"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "see whether it runs: `stella status`; start it: `stella up`"


class NotAService(StellaError):
    """{url} answers, but not as a Stella service: {problem}.

    Something else listens at this address, or a proxy in between has its own answer.
    """

    code = "CLIENT-002"
    exit = Exit.USAGE
    reason = "usage"
    hint = "check the address: `--server http://127.0.0.1:PORT`"


class UnknownProblem(StellaError):
    """The service says {code_there}, which is unknown here: {detail}.

    The service knows an error that this client does not: it is of another version.
    """

    code = "CLIENT-003"
    exit = Exit.UNEXPECTED
    reason = "unexpected"
    hint = "run a client of the service's version: `stella version --server URL`"


class OnlyHere(StellaError):
    """`{command}` works on this machine alone.

    It starts, stops or looks at what runs here; a service cannot do that for another machine.
    """

    code = "CLIENT-004"
    exit = Exit.USAGE
    reason = "usage"
    hint = "leave `--server` out, and run it on the machine of the service"


class NotAFile(StellaError):
    """{path} cannot be sent: it is a {kind}.

    Files and folders of files travel to a service. Links are never followed, since they may lead anywhere.
    """

    code = "CLIENT-005"
    exit = Exit.USAGE
    reason = "usage"
    hint = "copy what it points to into the folder, or leave it out"


class TokenInTheClear(StellaError):
    """A token is not sent to {url} without TLS.

    Plain HTTP is for this machine alone; on its way to another one anybody could read the token.
    """

    code = "CLIENT-006"
    exit = Exit.USAGE
    reason = "usage"
    hint = "use an https address, or a tunnel to a port of this machine"


class BadToken(StellaError):
    """The token has characters that no token has.

    A token is a word of visible ASCII characters. It may have been copied with a line break.
    """

    code = "CLIENT-007"
    exit = Exit.USAGE
    reason = "usage"
    hint = "set it again: STELLA_TOKEN, or the setting client.token"


class NoServer(StellaError):
    """There is no service to log in to.

    A login is for one service. Commands in this process need none.
    """

    code = "CLIENT-008"
    exit = Exit.USAGE
    reason = "usage"
    hint = "name it: `stella login --server URL`, STELLA_SERVER, or the setting client.server"


class NoIssuer(StellaError):
    """The service {url} issues no tokens.

    It has no passphrase for signing keys, or its tokens come from another provider.
    """

    code = "CLIENT-009"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "set client.token to a token of the provider that the service believes"


class LoginRefused(StellaError):
    """The login was refused: {problem}.

    Name, secret or scope is not what the service knows, or too many attempts were made. It does not say more.
    """

    code = "CLIENT-010"
    exit = Exit.DENIED
    reason = "unauthenticated"
    hint = "compare with `stella principal show` or `stella client show`; after many attempts wait for some minutes"


class LoginExpired(StellaError):
    """Nobody has approved the login in time.

    A code is good for ten minutes.
    """

    code = "CLIENT-011"
    exit = Exit.DENIED
    reason = "unauthenticated"
    hint = "begin again: `stella login`"


class NotLoggedIn(StellaError):
    """There is no token for {server}.

    Neither the setting client.token nor a login that has not expired has one.
    """

    code = "CLIENT-012"
    exit = Exit.DENIED
    reason = "unauthenticated"
    hint = "log in: `stella login --server {server}`, or set STELLA_TOKEN"


class ServerOfProject(StellaError):
    """{path} names the service {server}, and there is no login for it.

    Whoever writes the settings of a folder could name a machine of his own. So no token of the environment or of the
    settings goes to a service that only such a file names.
    """

    code = "CLIENT-015"
    exit = Exit.DENIED
    reason = "unauthenticated"
    hint = "log in: `stella login --server {server}`; or name the service yourself, by `--server` or STELLA_SERVER"


class KeptTokenExposed(StellaError):
    """{path} can be read or was written by others.

    It holds a token. Whoever had it may have used it.
    """

    code = "CLIENT-013"
    exit = Exit.DENIED
    reason = "exposed"
    hint = "remove it and log in again: `stella login`"


class NotThere(StellaError):
    """`{field}` is of this machine, and no service takes it.

    A service has a database of its own. One that a request named would let whoever sends it make the service connect
    anywhere.
    """

    code = "CLIENT-014"
    exit = Exit.USAGE
    reason = "usage"
    hint = "leave `{field}` out to ask the service about its own, or `--server` to work from here"
