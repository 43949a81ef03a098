"""The one place that wires: nouns to the modules of their operations, and the adapters of this machine to a Context.

Rules:
- The list of nouns is static, so that `stella --help` imports none of them.
- Nothing is imported before it is needed: this module itself costs the standard library.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from stella.operations import Context, Operation
    from stella.runtime.config import Loaded
    from stella.runtime.ports import Progress
    from stella.runtime.settings import DatabaseSettings, Settings
    from stella.runtime.transaction import Duty, TenantDatabase

Prompt = Callable[[str], str]


class Noun(NamedTuple):
    """A word of the command line: where its operations are, and one line on what they are for."""

    module: str
    help: str


NOUNS: dict[str, Noun] = {
    "mirror": Noun("stella.mirror.operations", "Cut, sign and verify bundles on the connected side."),
    "site": Noun("stella.site.operations", "Import, run and roll back bundles on the sealed side."),
    "up": Noun("stella.stack.operations", "Start PostgreSQL, NATS and the service on this machine."),
    "down": Noun("stella.stack.operations", "Stop what `up` started; the data stays."),
    "status": Noun("stella.stack.operations", "Show what runs."),
    "doctor": Noun("stella.stack.operations", "Check the stack and its machine, with a fix for each finding."),
    "serve": Noun("stella.http.operations", "Serve every operation over HTTP."),
    "demo": Noun("stella.demo.operations", "Run the main job from end to end on this machine."),
    "drill": Noun("stella.drill.operations", "Try what must hold in an outage, a flood or a rotation."),
    "migrate": Noun("stella.database.operations", "Look after the schemas of the database."),
    "tenant": Noun("stella.identity.operations", "Make, stop, export and delete tenants."),
    "principal": Noun("stella.identity.operations", "Look after the people and services of a tenant."),
    "client": Noun("stella.identity.operations", "Look after the OAuth clients of a tenant."),
    "issuer": Noun("stella.identity.operations", "Look after the keys that sign access tokens."),
    "login": Noun("stella.client.operations", "Log in to a service."),
    "logout": Noun("stella.client.operations", "Forget and revoke what `login` has kept."),
    "object": Noun("stella.objects.operations", "Keep files of a tenant by their digest."),
    "audit": Noun("stella.audit.operations", "See who did what, and prove it without a network."),
    "inventory": Noun("stella.inventory.operations", "Make snapshots of a fleet and of what is known about it."),
    "policy": Noun("stella.policy.operations", "Write, check, prove, simulate and promote policies."),
    "exception": Noun("stella.policy.operations", "Except findings from a policy, for a time."),
    "lint": Noun("stella.lint.operations", "Read code and SQL before they run."),
    "tenancy": Noun("stella.proof.operations", "Prove that tenants are apart."),
    "key": Noun("stella.key.operations", "Look after the keys that sign statements, and sign some."),
    "attest": Noun("stella.attest.operations", "Verify signed statements about what was examined."),
    "config": Noun("stella.about.operations", "Show the settings and where each value comes from."),
    "explain": Noun("stella.about.operations", "Explain an error code."),
    "version": Noun("stella.about.operations", "Show the version of Stella and of what it runs on."),
}
# Each schema of the database, and the package that ships its migrations; the guard between tenants comes first.
SCHEMAS: dict[str, str] = {
    "tenancy": "stella.tenancy",
    "audit": "stella.audit",
    "identity": "stella.identity",
    "service": "stella.http",
    "mirror": "stella.mirror",
    "site": "stella.site",
    "policy": "stella.policy",
}
# What a stack calls the secrets of its database, and the settings that name them.
SECRETS_OF_A_STACK = {
    "postgres": "database.password",
    "postgres-owner": "database.owner_password",
    "postgres-jobs": "database.jobs_password",
    "postgres-issuer": "database.issuer_password",
    "postgres-sealer": "database.sealer_password",
    "seal-key": "database.seal_key",
    "audit-key": "audit.key",
    "audit-wrap-key": "audit.wrap_key",
    "issuer-passphrase": "identity.passphrase",
}
UNCONFIGURED = frozenset({"explain", "version"})  # they must answer when the configuration itself is what is wrong


def load(noun: str) -> list[Operation[Any, Any]]:
    """The operations of a noun, in the order of their declaration; raises KeyError for a noun that is not listed."""
    # stella: allow STL005 until 2027-11-30: the names are those of the closed table above
    import_module(NOUNS[noun].module)
    from stella import operations

    return operations.of_noun(noun)


def load_all() -> list[Operation[Any, Any]]:
    """Every operation there is, noun by noun."""
    return [operation for noun in NOUNS for operation in load(noun)]


def every_scope() -> frozenset[str]:
    """Every scope that there is."""
    from stella import operations

    load_all()
    return operations.scopes()


def configure(operation: str, env: Mapping[str, str], *, always: bool = False) -> Loaded:
    """The configuration that an operation runs with; raises the errors of `config.load`.

    `always` reads it for an operation that needs none too: one that goes to a service obeys the seal.
    """
    from pathlib import Path

    from stella.runtime import config

    if operation in UNCONFIGURED and not always:
        return config.load({}, Path("/"), Path("/nonexistent"))
    try:
        folder = Path.cwd()
    except FileNotFoundError:  # the folder was removed under the shell
        folder = Path("/")
    return _with_stack(config.load(env, folder), folder)


def _with_stack(loaded: Loaded, folder: Path) -> Loaded:
    """Where the settings name no database, that of the stack that runs in `stack.data`; without one it costs a stat."""
    database, data = loaded.settings.database, folder / loaded.settings.stack.data
    if database.dsn or database.owner_dsn or not os.path.exists(data / "run.json"):  # noqa: PTH110  # Path.exists raises where a folder is closed
        return loaded
    import msgspec

    from stella.runtime import run_file
    from stella.runtime.clock import SystemClock

    run = run_file.living(data, SystemClock().read().boot_id)
    if run is None or "postgres" not in run.endpoints:
        return loaded
    found = {"database.dsn": run.endpoints["postgres"], "database.owner_dsn": run.endpoints["postgres-owner"]}
    for name, key in SECRETS_OF_A_STACK.items():
        if name in run.secrets:  # a server that somebody else runs keeps the secrets of the settings
            found[key] = run.secrets[name]
    settings = loaded.settings
    for key, value in found.items():
        section, _, name = key.partition(".")
        changed = msgspec.structs.replace(getattr(settings, section), **{name: value})
        settings = msgspec.structs.replace(settings, **{section: changed})
    origin = f"the stack that runs in {data}"
    return loaded._replace(settings=settings, origins={**loaded.origins, **dict.fromkeys(found, origin)})


def seal_if_told(loaded: Loaded) -> None:
    """Seal this process, for good, when the settings say that the machine is a sealed site."""
    if loaded.settings.site.sealed:
        from stella.runtime import egress

        egress.seal()


def make_context(loaded: Loaded, progress: Progress, env: Mapping[str, str], prompt: Prompt | None = None) -> Context:
    """A context over this machine.

    `prompt` asks a person for the passphrase of `keys.passphrase` when it is set nowhere; without it nobody is asked.
    """
    from stella.operations import EVERY_SCOPE, Context, Principal
    from stella.runtime.clock import SystemClock
    from stella.runtime.entropy import system_entropy

    secret, database = _secrets(loaded.settings, env, prompt), loaded.settings.database
    return Context(
        clock=SystemClock(),
        entropy=system_entropy,
        progress=progress,
        settings=loaded.settings,
        secret=secret,
        actor=actor(),
        sealed=loaded.settings.site.sealed,
        schemas=SCHEMAS,
        origins=loaded.origins,
        database=_database(database, secret) if database.dsn else None,
        duties=_duties(database, secret) if database.dsn else None,
        scopes=every_scope,
        principal=Principal("local", frozenset({EVERY_SCOPE}), loaded.settings.client.tenant, authenticated=None),
    )


def _database(found: DatabaseSettings, secret: Callable[[str], bytes]) -> Callable[[], TenantDatabase]:
    """The way to data of tenants, made when it is first asked for; it keeps no connection."""

    def made() -> TenantDatabase:
        from stella.runtime import postgres
        from stella.runtime.connections import Connections
        from stella.runtime.transaction import Seal, TenantDatabase

        login = postgres.service_login(found, secret)
        return TenantDatabase(Connections(login, keep=0), Seal(secret(found.seal_key)))

    return made


def _duties(found: DatabaseSettings, secret: Callable[[str], bytes]) -> Callable[[str], Duty]:
    """The way to work that spans tenants; it keeps no connection."""

    def of(role: str) -> Duty:
        from stella.runtime import postgres
        from stella.runtime.connections import Connections
        from stella.runtime.transaction import Duty

        return Duty(Connections(postgres.duty_login(found, secret, role), keep=0), role)

    return of


def actor() -> str:
    """Name of the operating-system user whose rights the process has; variables such as USER are not believed."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid-{os.geteuid()}"


def _secrets(settings: Settings, env: Mapping[str, str], prompt: Prompt | None) -> Callable[[str], bytes]:
    from stella.runtime.config import read_secret
    from stella.runtime.errors import SecretMissing

    answers: dict[str, bytes] = {}

    def secret(reference: str) -> bytes:
        try:
            return answers.get(reference) or read_secret(reference, env, settings.bao)
        except SecretMissing:
            if prompt is None or reference != settings.keys.passphrase:
                raise
            answer = prompt("Passphrase of the keys: ").encode("utf-8", "surrogateescape")
            if not answer:
                raise
            answers[reference] = answer
            return answer

    return secret
