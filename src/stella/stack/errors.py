"""Why a stack does not start, stop or answer."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class NoStack(StellaError):
    """{path} holds no stack.

    A stack is a folder that `stella up` has laid. This one has no lock file, so none was ever started in it.
    """

    code = "STACK-001"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "start one: `stella up --data {path}`, or name its folder with `--data DIR`"


class NotRunning(StellaError):
    """Nothing runs in {path}: {reason}.

    The folder holds a stack, but no supervisor has its lock. What was acknowledged is on disk.
    """

    code = "STACK-002"
    exit = Exit.NOT_FOUND
    reason = "not_running"
    hint = "start it: `stella up --data {path}`"


class OtherConfiguration(StellaError):
    """Stack in {path} runs already (process {pid}) with another configuration: {difference}.

    Two supervisors never share a folder, and a running stack is not changed under those who use it.
    """

    code = "STACK-003"
    exit = Exit.USAGE
    reason = "already_running"
    hint = "stop it first: `stella down --data {path}`; or start a second one in another folder"


class NotHealthy(StellaError):
    """Stack in {path} runs already (process {pid}) but is {state}: {reason}.

    A supervisor holds the folder. It was asked to try what failed again, and that did not help.
    """

    code = "STACK-004"
    exit = Exit.USAGE
    reason = "not_healthy"
    hint = "see `stella doctor --data {path}`; then `stella down --data {path}` and `stella up --data {path}`"


class StartFailed(StellaError):
    """Stack in {path} did not start: {reason}.

    A server ended again and again, or one that others need cannot work as it is. The reason is its own last word; the
    whole story is in its log. No process is left behind, and no data is lost.
    """

    code = "STACK-005"
    exit = Exit.TRANSIENT
    reason = "start_failed"
    hint = "see `stella doctor --data {path}` and the logs in {path}/log"


class NotFit(StellaError):
    """{check}: {found}.

    A check that `stella doctor` makes fails, and the stack could not work. Nothing was started.
    """

    code = "STACK-006"
    exit = Exit.NEGATIVE
    reason = "not_fit"
    hint = "{fix}"


class WillNotStop(StellaError):
    """Supervisor {pid} of {path} still lives {seconds} s after it was asked to stop.

    A server takes long to write what it holds, or hangs. Nothing was forced, because that could cost data.
    """

    code = "STACK-007"
    exit = Exit.TRANSIENT
    reason = "timeout"
    hint = "see the logs in {path}/log, then run the same command again"


class PasswordInAddress(StellaError):
    """Address of {what} holds a password.

    A command line is seen by every account of the machine and kept in histories, so no secret stands in it.
    """

    code = "STACK-008"
    exit = Exit.USAGE
    reason = "usage"
    hint = "leave it out and name the secret by reference: `stack.postgres_password` or `stack.nats_token`"


class PartlyUp(StellaError):
    """Stack in {path} runs without one of its servers: {reason}.

    What nothing else needs has failed; the others work, so that its cause can be mended with them.
    """

    code = "STACK-009"
    exit = Exit.TRANSIENT
    reason = "partly_up"
    hint = "mend the cause, then try it again: `stella up --data {path}`"


class StillStarting(StellaError):
    """Stack in {path} (process {pid}) is not ready after {seconds} s: {reason}.

    A server recovers or migrates what it holds, and that takes its time. Its supervisor goes on.
    """

    code = "STACK-010"
    exit = Exit.TRANSIENT
    reason = "starting"
    hint = "wait on: `stella up --data {path}`; or stop it: `stella down --data {path}`"
