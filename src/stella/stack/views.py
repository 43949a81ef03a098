"""What people see of a stack."""

from __future__ import annotations

from stella.formats.view import Cell, Facts, Table, Text, Tone, View, human_bytes
from stella.kernel.instant import format_duration
from stella.stack.model import Examined, StackDown, StackShown, StackUp

_TONES: dict[str, Tone] = {
    "ready": "good",
    "external": "good",
    "failed": "bad",
    "pass": "good",
    "fail": "bad",
    "skip": "dim",
    "warn": "warn",
}


def _toned(word: str) -> Cell:
    return Cell(word, _TONES.get(word, "warn"))


def up(result: StackUp) -> View:
    """Where everything is."""
    how = "ran already" if result.already else f"ready after {result.seconds:.2f} s"
    if result.state == "stopped":
        how = "stopped, as it was told to"
    facts = Facts(
        [
            ("stack", result.data),
            ("state", Cell(how, "good")),
            ("profile", result.profile),
            *([("supervisor", f"process {result.supervisor}")] if result.supervisor else []),
        ]
    )
    rows = [(name, endpoint, result.secrets.get(name, "")) for name, endpoint in result.endpoints.items()]
    table = Table(("server", "endpoint", "secret"), rows, "Endpoints")
    return [facts, table, *_use(result)] if rows else [facts]


def _use(result: StackUp) -> View:
    """How the command line speaks to the service from now on."""
    if "service" not in result.endpoints:
        return []
    kind, _, name = result.secrets.get("service", "").partition(":")
    token = f"$(cat {name})" if kind == "file" else f"${name}"
    return [Text(f"use: export STELLA_SERVER={result.endpoints['service']} STELLA_TOKEN={token}")]


def down(result: StackDown) -> View:
    """What was stopped."""
    if not result.was_running:
        return [Text(f"{result.data}: nothing was running")]
    what = ", ".join(result.stopped) or "the supervisor"
    return [Text(f"{result.data}: stopped {what} in {result.seconds:.2f} s")]


def status(result: StackShown) -> View:
    """One line for each child."""
    facts = Facts(
        [
            ("stack", result.data),
            ("state", _toned(result.state)),
            ("profile", result.profile),
            ("supervisor", f"process {result.supervisor}, since {result.started}"),
            *([("reason", Cell(result.reason, "bad"))] if result.reason else []),
        ]
    )
    rows = [
        (
            child.name,
            _toned(child.state),
            str(child.pid or ""),
            human_bytes(child.memory_bytes) if child.pid else "",
            format_duration(child.uptime_s) if child.pid else "",
            str(child.restarts),
            child.endpoint or child.reason,
        )
        for child in result.children
    ]
    columns = ("server", "state", "pid", "memory", "uptime", "restarts", "endpoint")
    return [facts, Table(columns, rows, "Servers", right=("pid", "memory", "uptime", "restarts"))]


def examined(result: Examined) -> View:
    """Every check, then what to do."""
    rows = [(check.id, _toned(check.verdict), check.found) for check in result.checks]
    view: list[Facts | Table | Text] = [Table(("check", "verdict", "found"), rows)]
    wrong = sorted((check for check in result.checks if check.verdict in {"fail", "warn"}), key=lambda it: it.verdict)
    for check in wrong:
        fix = [("fix", check.fix)] if check.fix else []
        view.append(Facts([("why", check.why), ("found", check.found), *fix], check.id))
    verdicts = (("operational", result.operational), ("production-ready", result.production_ready))
    view.append(Facts([(name, Cell("yes", "good") if good else Cell("no", "bad")) for name, good in verdicts]))
    return view
