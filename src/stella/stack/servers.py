"""From a plan to the children of a supervisor.

Rules:
- A server that the plan replaces by an address is no child; that address must answer before anything is started.
- The service comes last: it needs the vital ones.
"""

from __future__ import annotations

import http.client
import os
import sys
from pathlib import Path

from stella.runtime import nats_server, postgres_server, seaweed_server, valkey_server
from stella.runtime.nats_server import Nats
from stella.runtime.postgres_server import Postgres
from stella.runtime.processes import addresses_of, listens
from stella.runtime.seaweed_server import Seaweed
from stella.runtime.supervise import Endpoints, Service, WillNotStart
from stella.runtime.valkey_server import Valkey
from stella.stack import outside
from stella.stack.layout import Layout
from stella.stack.model import Plan
from stella.stack.outside import UNSAID

ANSWER_PATIENCE = 5.0  # seconds
START_PATIENCE = 3600.0  # seconds for the service to be ready: it migrates its database first
STOP_PATIENCE = 60.0  # seconds for its requests and jobs to end
GOOD = 200
SERVICE = "service"
# Secrets of the guard between tenants and of the audit log, and the settings of the service that name them.
GUARD = {
    "postgres-jobs": "STELLA_DATABASE_JOBS_PASSWORD",
    "postgres-issuer": "STELLA_DATABASE_ISSUER_PASSWORD",
    "postgres-sealer": "STELLA_DATABASE_SEALER_PASSWORD",
    "seal-key": "STELLA_DATABASE_SEAL_KEY",
    "audit-key": "STELLA_AUDIT_KEY",
    "audit-wrap-key": "STELLA_AUDIT_WRAP_KEY",
    "issuer-passphrase": "STELLA_IDENTITY_PASSPHRASE",
}


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
    # It can do without what is not vital, and must come up even where that cannot.
    found.append(own_service(layout, plan, tuple(service.name for service in found if service.vital)))
    return found


def _settle(layout: Layout, server: Postgres) -> Endpoints:
    from stella.stack import roles  # noqa: PLC0415  # psycopg loads while the server starts

    return roles.settle(layout, server)


def own_service(layout: Layout, plan: Plan, needs: tuple[str, ...]) -> Service:
    """`stella serve` as a child; it is ready when a port of its own says so."""

    def ready(pid: int) -> Endpoints | None:
        for host, port in addresses_of(pid):
            line = http.client.HTTPConnection(host, port, timeout=ANSWER_PATIENCE)
            try:
                line.request("GET", "/readyz")
                if line.getresponse().status == GOOD:
                    return {SERVICE: f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"}
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
    return Service(
        SERVICE,
        layout.log(SERVICE),
        place,
        lambda _: command,
        ready,
        needs,
        env=env,
        start_patience=START_PATIENCE,
        stop_patience=STOP_PATIENCE,
    )


def _database(layout: Layout, plan: Plan) -> dict[str, str]:
    """The settings that lead the service to its database; the passwords stay where they are."""
    if plan.postgres_dsn:
        password = {} if plan.postgres_password in UNSAID else {"STELLA_DATABASE_PASSWORD": plan.postgres_password}
        return {"STELLA_DATABASE_DSN": plan.postgres_dsn, **password}
    from stella.runtime import roles  # noqa: PLC0415  # psycopg is heavy

    server = postgres_of(layout)
    return {
        "STELLA_DATABASE_DSN": server.dsn(roles.DATABASE, roles.APP),
        "STELLA_DATABASE_PASSWORD": layout.reference("postgres-app"),
        "STELLA_DATABASE_OWNER_DSN": server.dsn(roles.DATABASE, roles.OWNER),
        "STELLA_DATABASE_OWNER_PASSWORD": layout.reference("postgres-owner"),
        **{setting: layout.reference(secret) for secret, setting in GUARD.items()},
    }


def external(plan: Plan) -> dict[str, str]:
    """Endpoints of the servers that somebody else runs; raises WillNotStart when one does not let us in."""
    for name, problem in outside.problems(plan).items():
        if problem:
            raise WillNotStart(f"{name}: {problem}")
    found: dict[str, str] = {}
    if plan.postgres_dsn:
        found |= {"postgres": plan.postgres_dsn, "postgres-owner": plan.postgres_dsn}
    if plan.nats_url:
        found["nats"] = plan.nats_url
    return found


def postgres_answers(layout: Layout, pid: int) -> bool:
    """Whether this process listens on the socket of the embedded PostgreSQL and lets the service in."""
    from stella.stack import roles  # noqa: PLC0415  # psycopg is heavy

    server = postgres_of(layout)
    postgres_server.forget_variables()
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
    """Which secret opens which endpoint."""
    own = {
        "nats": "nats",
        "postgres": "postgres-app",
        "postgres-owner": "postgres-owner",
        **{name: name for name in GUARD},
    }
    if plan.profile == "full":
        own |= {"s3-access-key": "s3-access-key", "s3-secret-key": "s3-secret-key"}
    found = {name: layout.reference(secret) for name, secret in own.items()}
    if plan.postgres_dsn:
        found |= {"postgres": plan.postgres_password, "postgres-owner": plan.postgres_password}
        found |= dict.fromkeys(GUARD, "")  # for a server of somebody else, settings name them
    if plan.nats_url:
        found["nats"] = plan.nats_token
    found[SERVICE] = plan.service_token.replace("<data>", str(layout.data))
    return {name: reference for name, reference in found.items() if reference}
