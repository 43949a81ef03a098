"""From a plan to the children of a supervisor.

Rules:
- A server that the plan replaces by an address is no child; that address must answer before anything is started.
- The service comes last: it needs all others that are there.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from stella.runtime import egress, nats_server, postgres_server, seaweed_server, valkey_server
from stella.runtime.nats_server import Nats
from stella.runtime.postgres_server import Postgres
from stella.runtime.processes import listens, ports_of
from stella.runtime.seaweed_server import Seaweed
from stella.runtime.supervise import Endpoints, Service, WillNotStart
from stella.runtime.valkey_server import Valkey
from stella.stack.layout import Layout
from stella.stack.model import Plan

NATS_PORT = 4222  # where an address names none
ANSWER_PATIENCE = 5.0  # seconds
GOOD = 200
SERVICE = "service"


def postgres_of(layout: Layout) -> Postgres:
    """The embedded PostgreSQL of a stack."""
    return Postgres(layout.postgres, layout.sockets, layout.secret("postgres-super"))


def nats_of(layout: Layout, port: int) -> Nats:
    """The embedded NATS of a stack."""
    return Nats(layout.folder("nats"), layout.secret("nats"), port)


def valkey_of(layout: Layout) -> Valkey:
    """The embedded Valkey of a stack."""
    return Valkey(layout.folder("valkey"), layout.sockets)


def seaweed_of(layout: Layout, port: int) -> Seaweed:
    """The embedded SeaweedFS of a stack."""
    keys = layout.secret("s3-access-key"), layout.secret("s3-secret-key")
    return Seaweed(layout.folder("s3"), layout.sockets, *keys, port)


def services(layout: Layout, plan: Plan) -> list[Service]:
    """The children, in the order in which they are started and against which they are stopped."""
    found: list[Service] = []
    if not plan.postgres_dsn:
        found.append(
            postgres_server.service(postgres_of(layout), layout.log("postgres"), lambda it: _settle(layout, it))
        )
    if not plan.nats_url:
        found.append(nats_server.service(nats_of(layout, plan.nats_port), layout.log("nats")))
    if plan.profile == "full":
        found.append(valkey_server.service(valkey_of(layout), layout.log("valkey")))
        found.append(seaweed_server.service(seaweed_of(layout, plan.s3_port), layout.log("s3")))
    found.append(own_service(layout, plan, tuple(service.name for service in found)))
    return found


def _settle(layout: Layout, server: Postgres) -> Endpoints:
    from stella.stack import roles  # noqa: PLC0415  # psycopg loads while the server starts

    return roles.settle(layout, server)


def own_service(layout: Layout, plan: Plan, needs: tuple[str, ...]) -> Service:
    """`stella serve` as a child; it is ready when a port of its own says so."""

    def ready(pid: int) -> Endpoints | None:
        for port in ports_of(pid):
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_PATIENCE)
            try:
                line.request("GET", "/readyz")
                if line.getresponse().status == GOOD:
                    return {SERVICE: f"http://127.0.0.1:{port}"}
            except (OSError, http.client.HTTPException):
                continue
            finally:
                line.close()
        return None

    command = [sys.executable, "-m", "stella", "serve", "--data", str(layout.data)]
    env = {name: value for name, value in os.environ.items() if name != "STELLA_STACK_DATA"} | _database(layout, plan)
    try:
        place = Path.cwd()  # settings are found from the folder that `up` was called in
    except FileNotFoundError:
        place = layout.data
    return Service(SERVICE, layout.log(SERVICE), place, lambda _: command, ready, needs, env=env, stop_patience=60.0)


def _database(layout: Layout, plan: Plan) -> dict[str, str]:
    """The settings that lead the service to its database; the passwords stay in their files."""
    if plan.postgres_dsn:
        return {"STELLA_DATABASE_DSN": plan.postgres_dsn}
    from stella.stack import roles  # noqa: PLC0415  # psycopg is heavy

    server = postgres_of(layout)
    return {
        "STELLA_DATABASE_DSN": server.dsn(roles.DATABASE, roles.APP),
        "STELLA_DATABASE_PASSWORD": layout.reference("postgres-app"),
        "STELLA_DATABASE_OWNER_DSN": server.dsn(roles.DATABASE, roles.OWNER),
        "STELLA_DATABASE_OWNER_PASSWORD": layout.reference("postgres-owner"),
    }


def external(plan: Plan) -> dict[str, str]:
    """Endpoints of the servers that somebody else runs; raises WillNotStart when one does not answer."""
    found: dict[str, str] = {}
    if plan.postgres_dsn:
        ask_postgres(plan.postgres_dsn)
        found |= {"postgres": plan.postgres_dsn, "postgres-owner": plan.postgres_dsn}
    if plan.nats_url:
        ask_nats(plan.nats_url)
        found["nats"] = plan.nats_url
    return found


def far(plan: Plan) -> str:
    """The first server of a plan that may be on another machine, in words; empty when all are on this one."""
    if plan.postgres_dsn:
        from stella.runtime.postgres import Login  # noqa: PLC0415  # psycopg is heavy

        into = Login(plan.postgres_dsn)
        if not into.on_this_machine:
            return into.where
    for url in filter(None, plan.nats_url.split(",")):
        if not egress.on_this_machine(urlsplit(url).hostname):
            return url
    return ""


def ask_postgres(dsn: str) -> None:
    """Connect once; raises WillNotStart."""
    # stella: allow STL001 until 2027-11-30: asks whether a server answers, and nothing else
    import psycopg  # noqa: PLC0415  # only where it is asked for

    try:
        # stella: allow STL003 until 2027-11-30: as above
        psycopg.connect(dsn, connect_timeout=int(ANSWER_PATIENCE)).close()
    except psycopg.Error as problem:
        raise WillNotStart(f"postgres: {' '.join(str(problem).split())}") from None


def ask_nats(urls: str) -> None:
    """Hear the greeting of the first address; raises WillNotStart."""
    where = urlsplit(urls.partition(",")[0])
    try:
        with socket.create_connection((where.hostname or "", where.port or NATS_PORT), ANSWER_PATIENCE) as line:
            line.settimeout(ANSWER_PATIENCE)
            if not line.recv(64).startswith(b"INFO "):
                raise WillNotStart(f"nats: {urls} is no NATS server")
    except (OSError, ValueError) as problem:  # ValueError: a port that is no number
        raise WillNotStart(f"nats: {urls}: {problem}") from None


def postgres_answers(layout: Layout, pid: int) -> bool:
    """Whether this process listens on the socket of the embedded PostgreSQL and lets the service in."""
    from stella.stack import roles  # noqa: PLC0415  # psycopg is heavy

    server = postgres_of(layout)
    return postgres_server.listens(server, pid) and roles.may_connect(layout, server)


def nats_answers(layout: Layout, endpoint: str, pid: int) -> bool:
    """Whether this process listens at an endpoint and takes the token."""
    port = int(endpoint.rpartition(":")[2] or 0)
    return listens(pid, port) and nats_server.answers(port, layout.secret("nats").read_text().strip())


def s3_answers(endpoint: str, pid: int) -> bool:
    """Whether this process listens at an endpoint and speaks S3."""
    port = int(endpoint.rpartition(":")[2] or 0)
    return listens(pid, port) and seaweed_server.answers(port)


def references(layout: Layout, plan: Plan) -> dict[str, str]:
    """Which secret opens which embedded endpoint."""
    found: dict[str, str] = {}
    if not plan.postgres_dsn:
        found |= {"postgres": "postgres-app", "postgres-owner": "postgres-owner"}
    if not plan.nats_url:
        found["nats"] = "nats"
    if plan.profile == "full":
        found |= {"s3-access-key": "s3-access-key", "s3-secret-key": "s3-secret-key"}
    return {name: layout.reference(secret) for name, secret in {**found, SERVICE: "admin-token"}.items()}
