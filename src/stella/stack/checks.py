"""What `stella doctor` judges, pure: facts in, findings out.

Rules:
- `operational` is what a stack needs to start and to work; `production` is what it needs to be trusted with more.
- A check that does not apply is skipped and says why; a check never passes because its facts could not be had.
- `BLOCKING` are those that make a start useless; `up` makes them too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from stella.formats.view import human_bytes
from stella.runtime.run_file import Run, StackState
from stella.stack.model import Finding, Plan, Verdict

GIB = 1 << 30
NEEDED = GIB  # bytes free: less, and a checkpoint or an upload ends in the middle
COMFORTABLE = 10 * GIB  # bytes free for production: a day of bundles and write-ahead log
PRIVATE = 0o077  # mode bits that let others in
WORKS: Literal["operational"] = "operational"
TRUSTED: Literal["production"] = "production"


class Facts(NamedTuple):
    """What was seen of a stack and its machine."""

    shown: str
    plan: Plan
    root: bool
    leaves_root: Literal["namespace", "account", "none"]  # how PostgreSQL can be run by root
    folder: Literal["absent", "ours", "another's", "read-only"]
    mode: int
    free: int
    version: str | None  # of the PostgreSQL data folder
    version_wanted: str
    postmaster: int | None  # process that postmaster.pid names
    postmaster_lives: bool
    sockets: str
    sockets_problem: str
    socket_lost: str  # one that a running server has lost
    modes: dict[str, int]  # of the secrets that are there
    secrets_wanted: tuple[str, ...]
    store_problem: str  # of the NATS store
    missing: tuple[str, ...]  # programs
    strangers: dict[str, str]  # who holds a port that is configured, by setting
    holder: int | None
    run: Run | None
    problems: dict[str, str]  # what is wrong with each child that should run


Answer = tuple[Verdict, str, str]  # verdict, what was found, and the command that mends it


def _folder(facts: Facts) -> Answer:
    if facts.folder == "absent":
        return "skip", "the folder is not there yet", ""
    if facts.folder != "ours":
        return "fail", f"{facts.shown} is {facts.folder}", f"ls -ld {facts.shown}; use a folder of your own: --data DIR"
    if facts.mode & PRIVATE:
        return "warn", f"{facts.shown} has mode {facts.mode:04o}", f"chmod 0700 {facts.shown}"
    return "pass", f"{facts.shown}, mode {facts.mode:04o}", ""


def _disk(facts: Facts) -> Answer:
    found = f"{human_bytes(facts.free)} free, {human_bytes(NEEDED)} needed"
    return ("pass", found, "") if facts.free >= NEEDED else ("fail", found, f"free some space: df -h {facts.shown}")


def _disk_comfort(facts: Facts) -> Answer:
    found = f"{human_bytes(facts.free)} free, {human_bytes(COMFORTABLE)} wanted"
    return ("pass", found, "") if facts.free >= COMFORTABLE else ("warn", found, "use a larger disk: --data DIR")


def _version(facts: Facts) -> Answer:
    if facts.plan.postgres_dsn:
        return "skip", "PostgreSQL is external", ""
    if facts.version is None:
        return "skip", "no data yet", ""
    found = f"data of PostgreSQL {facts.version}, the server is {facts.version_wanted}"
    if facts.version == facts.version_wanted:
        return "pass", found, ""
    return "fail", found, f"keep it and start anew: mv {facts.shown}/postgres {facts.shown}/postgres-{facts.version}"


def _stale_pid(facts: Facts) -> Answer:
    if facts.postmaster is None:
        return "pass", "no postmaster.pid without a server" if facts.holder is None else "none", ""
    if facts.postmaster_lives:
        return "pass", f"postmaster.pid names process {facts.postmaster}, which is ours", ""
    fix = "none needed while it restarts" if facts.holder else f"stella up --data {facts.shown}"
    return "warn", f"postmaster.pid names process {facts.postmaster}, which is no server of this stack", fix


def _sockets(facts: Facts) -> Answer:
    if facts.sockets_problem:
        fix = f"ls -ld {facts.sockets}; move it away, or use a folder with a shorter path: --data DIR"
        return "fail", f"{facts.sockets}: {facts.sockets_problem}", fix
    if facts.socket_lost:
        fix = f"stella down --data {facts.shown}; stella up --data {facts.shown}"
        return "fail", f"{facts.socket_lost} was removed while its server runs: nobody new can connect", fix
    return "pass", facts.sockets, ""


def _namespace(facts: Facts) -> Answer:
    if not facts.root:
        return "skip", "not root: PostgreSQL runs as this account", ""
    fix = "sysctl -w user.max_user_namespaces=10000, or run the stack as an ordinary account"
    if facts.leaves_root == "none":
        return "fail", "not granted, and root may not become another account either", fix
    if facts.leaves_root == "account":
        return "warn", "not granted: PostgreSQL runs as the account nobody", fix
    return "pass", "granted: PostgreSQL runs as nobody inside one", ""


def _secrets(facts: Facts) -> Answer:
    open_ = sorted(name for name, mode in facts.modes.items() if mode & PRIVATE)
    lost = sorted(set(facts.secrets_wanted) - facts.modes.keys()) if facts.version else []
    if open_:
        return "fail", f"others may read {', '.join(open_)}", f"chmod 0600 {facts.shown}/secrets/*"
    if lost:
        fix = f"restore {facts.shown}/secrets from a backup; the data cannot be opened without"
        return "fail", f"missing: {', '.join(lost)}", fix
    return "pass", f"{len(facts.modes)} secrets, mode 0600", ""


def _store(facts: Facts) -> Answer:
    if facts.plan.nats_url:
        return "skip", "NATS is external", ""
    if facts.store_problem:
        fix = f"stella down --data {facts.shown}; mv {facts.shown}/nats {facts.shown}/nats.bad; stella up"
        return "fail", facts.store_problem, fix
    return "pass", "the store can be read and written", ""


def _programs(facts: Facts) -> Answer:
    if facts.missing:
        return "fail", f"not installed: {', '.join(facts.missing)}", f"pip install {' '.join(facts.missing)}"
    return "pass", "all servers of this profile are installed", ""


def _ports(facts: Facts) -> Answer:
    if facts.strangers:
        found = "; ".join(f"{setting}: {who}" for setting, who in sorted(facts.strangers.items()))
        return "fail", found, f"set it to 0, which is any free port: {', '.join(sorted(facts.strangers))}"
    return "pass", "no configured port is another program's", ""


def _lock(facts: Facts) -> Answer:
    if facts.holder is not None:
        return "pass", f"held by process {facts.holder}", ""
    if facts.run is None or facts.run.state is StackState.STOPPED:
        return "skip", "nothing runs, as it should be", f"stella up --data {facts.shown}"
    if facts.run.state is StackState.FAILED:
        return "fail", f"the stack failed: {facts.run.reason}", f"stella up --data {facts.shown}"
    pid = facts.run.supervisor.pid if facts.run.supervisor else 0
    found = f"the report says {facts.run.state}, but its supervisor (process {pid}) is gone"
    return "fail", found, f"stella up --data {facts.shown}"


def _child(name: str) -> Callable[[Facts], Answer]:
    def judge(facts: Facts) -> Answer:
        if facts.holder is None or facts.run is None:
            return "skip", "nothing runs", ""
        if name not in facts.problems:
            return "skip", "not part of this stack", ""
        problem = facts.problems[name]
        if problem:
            return "fail", problem, f"see {facts.shown}/log/{name}.log; then stella up --data {facts.shown}"
        outside = {"postgres": facts.plan.postgres_dsn, "nats": facts.plan.nats_url}.get(name)
        return "pass", "it answers from outside" if outside else "the process answers, and it is our own child", ""

    return judge


def _single(what: str, address: str, flag: str) -> Callable[[Facts], Answer]:
    def judge(facts: Facts) -> Answer:
        if getattr(facts.plan, address):
            return "pass", f"{what} is external", ""
        return "warn", f"one embedded {what} on one disk", f"stella up {flag}"

    return judge


def _account(facts: Facts) -> Answer:
    return ("warn", "root", "run it as an account of its own") if facts.root else ("pass", "not root", "")


class Check(NamedTuple):
    """A row of the table of checks."""

    id: str
    threshold: Literal["operational", "production"]
    judge: Callable[[Facts], Answer]
    why: str


_HOLDS = "Everything that is acknowledged is kept there; a stack that cannot write loses work."
_OWN = "A server that is not the supervisor's own child may be another program, with other data behind it."
CHECKS = (
    Check("check.data.folder", WORKS, _folder, _HOLDS),
    Check("check.disk.free", WORKS, _disk, "PostgreSQL stops when it cannot write its log, in the middle of work."),
    Check(
        "check.postgres.data-version", WORKS, _version, "A server reads the files of its own major version, no others."
    ),
    Check("check.postgres.stale-pid", WORKS, _stale_pid, "It is the mark of a kill; the next start recovers."),
    Check("check.postgres.process", WORKS, _child("postgres"), _OWN),
    Check("check.socket.path", WORKS, _sockets, "A socket in a folder of others could be replaced by theirs."),
    Check("check.user-namespace", WORKS, _namespace, "PostgreSQL refuses to run as root."),
    Check("check.nats.store", WORKS, _store, "JetStream keeps its streams there and starts without them otherwise."),
    Check("check.nats.process", WORKS, _child("nats"), _OWN),
    Check("check.valkey.process", WORKS, _child("valkey"), _OWN),
    Check("check.s3.process", WORKS, _child("s3"), _OWN),
    Check("check.service.process", WORKS, _child("service"), _OWN),
    Check("check.port.owner", WORKS, _ports, "A client of a port that is another program's hands it its token."),
    Check("check.programs", WORKS, _programs, "A profile needs the servers that belong to it."),
    Check("check.secrets.mode", WORKS, _secrets, "Whoever reads a secret is the service, or the superuser."),
    Check("check.lock.stale", WORKS, _lock, "A report without a supervisor misleads whoever connects by it."),
    Check("check.disk.headroom", TRUSTED, _disk_comfort, "A busy day must not fill the disk."),
    Check(
        "check.postgres.single",
        TRUSTED,
        _single("PostgreSQL", "postgres_dsn", "--postgres-dsn DSN"),
        "One disk is one failure: production has a standby and backups.",
    ),
    Check(
        "check.nats.single",
        TRUSTED,
        _single("NATS", "nats_url", "--nats-url URL"),
        "One server is one failure: production has a cluster of three.",
    ),
    Check("check.account", TRUSTED, _account, "A fault in a server that root started has root's files in reach."),
)
BLOCKING = frozenset(
    {
        "check.data.folder",
        "check.disk.free",
        "check.postgres.data-version",
        "check.socket.path",
        "check.nats.store",
        "check.port.owner",
        "check.programs",
        "check.secrets.mode",
    }
)


def examine(facts: Facts) -> tuple[Finding, ...]:
    """What every check finds."""
    return tuple(_finding(check, facts) for check in CHECKS)


def first_blocking(facts: Facts) -> Finding | None:
    """The first finding that makes a start useless."""
    found = (_finding(check, facts) for check in CHECKS if check.id in BLOCKING)
    return next((finding for finding in found if finding.verdict == "fail"), None)


def _finding(check: Check, facts: Facts) -> Finding:
    verdict, found, fix = check.judge(facts)
    return Finding(id=check.id, threshold=check.threshold, verdict=verdict, found=found, why=check.why, fix=fix)


def operational(findings: Sequence[Finding]) -> bool:
    """Whether nothing fails that a stack needs to work."""
    return all(finding.verdict != "fail" for finding in findings if finding.threshold == "operational")


def production_ready(findings: Sequence[Finding]) -> bool:
    """Whether nothing at all fails or warns."""
    return all(finding.verdict in {"pass", "skip"} for finding in findings)
