"""From a plan to children: which there are, and when the service counts as ready."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from stella.runtime.supervise import ChildState, Supervisor, WillNotStart
from stella.stack import servers
from stella.stack.layout import Layout
from stella.stack.model import Plan

CORE = Plan("core", "", "", 0, 0)
SERVICE = """
import http.server, sys, time
class Answer(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Answer.asked += 1
        self.send_response(200 if self.path == "/readyz" and Answer.asked > 2 else 503)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 0), Answer).serve_forever()
"""


def names(plan: Plan, tmp_path: Path) -> list[str]:
    return [service.name for service in servers.services(Layout(tmp_path), plan) if service.name != servers.SERVICE]


def test_a_plan_says_which_servers_there_are(tmp_path: Path) -> None:
    assert names(CORE, tmp_path) == ["postgres", "nats"]
    assert names(Plan("full", "", "", 0, 0), tmp_path) == ["postgres", "nats", "valkey", "s3"]
    assert names(Plan("core", "host=db", "", 0, 0), tmp_path) == ["nats"]
    assert names(Plan("full", "host=db", "nats://bus", 0, 0), tmp_path) == ["valkey", "s3"]


def test_secrets_are_told_of_what_is_ours_alone(tmp_path: Path) -> None:
    told = servers.references(Layout(tmp_path), CORE)
    assert told == {
        "postgres": f"file:{tmp_path}/secrets/postgres-app",
        "postgres-owner": f"file:{tmp_path}/secrets/postgres-owner",
        "nats": f"file:{tmp_path}/secrets/nats",
        "service": f"file:{tmp_path}/secrets/admin-token",
        **{name: f"file:{tmp_path}/secrets/{name}" for name in servers.GUARD},
    }
    outside = servers.references(Layout(tmp_path), Plan("core", "host=db", "nats://bus", 0, 0))
    assert outside.keys() == {"service"}


@pytest.mark.network
def test_the_service_is_ready_when_a_port_of_its_own_says_so(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    (tmp_path / "log").mkdir()
    service = replace(servers.own_service(layout, CORE, ()), command=lambda _: [sys.executable, "-c", SERVICE])
    found: list[dict[str, str]] = []

    def changed(it: Supervisor) -> None:
        (child,) = it.children
        if child.state is ChildState.READY and not it.stopping:
            found.append(dict(child.endpoints))
            os.kill(os.getpid(), signal.SIGTERM)

    assert Supervisor([service], changed).run()
    assert found[0]["service"].startswith("http://127.0.0.1:")
    assert layout.log("service").read_text().count("/readyz") == 3


@pytest.mark.network
def test_a_stranger_at_the_address_of_a_bus() -> None:
    stranger = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "
    stranger += "s.accept()[0].sendall(b'SSH-2.0-x\\r\\n')"
    with subprocess.Popen([sys.executable, "-c", stranger], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with pytest.raises(WillNotStart, match="expecting INFO"):
            servers.external(Plan("core", "", f"nats://127.0.0.1:{port}", 0, 0))
