"""The table of operations: one typed function is one capability, and every entry is generated from it.

Rules:
- A request and a result are frozen structs; a result's tag is its public schema id, such as `stella.mirror.create@1`.
- A field says in its annotation what people and machines need: help, position, and whether it names something on this
  machine (`file_in`, `file_out`, `folder`, `folder_out`), so that the command line takes a path where a service takes
  an upload or a resource. A `file` is where the operation is done, as a `folder` is: a private key never travels. A
  `key` names an object of the tenant. A field that is `home` names the folder of the machine's own stack, one that is
  `here` its own database: a service has its own and takes no other, and a command asks a service about it only when
  `--server` is typed.
- An operation has a route, a scope and an example; without them it does not import. A name in braces in a route is a
  request field that is required. A route that begins with `LOCAL` is none: the operation acts on the machine of whoever
  types it, and a service does not offer it.
- What cannot be undone, or gives rights away, is listed in SENSITIVE: its request asks for a reason and a ticket, which
  the audit log keeps; without them it does not import.
- Registering is cheap: `operations.py` of a slice imports its model and views only and loads the service when it runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NamedTuple, TypeVar, get_type_hints

import msgspec

from stella.formats.view import View
from stella.kernel.errors import Exit, StellaError
from stella.kernel.instant import Instant
from stella.kernel.tenant import DEFAULT_TENANT
from stella.runtime.errors import BadSetting, NoDatabase
from stella.runtime.ports import Blobs, Clock, Entropy, Folder, Progress, StoreAccounts
from stella.runtime.settings import Settings, StoreSettings

if TYPE_CHECKING:
    from stella.runtime.counts import Counts
    from stella.runtime.transaction import Duty, TenantDatabase, Transaction

Where = Literal[
    "value", "key", "file", "file_in", "file_out", "folder", "folder_out", "source", "report", "home", "here"
]
Request = TypeVar("Request", bound=msgspec.Struct)
Result = TypeVar("Result", bound=msgspec.Struct)

_NAME = re.compile(r"[a-z][a-z-]*(\.[a-z][a-z-]*)?\Z")
_ROUTE = re.compile(r"((GET|POST|PUT|PATCH|DELETE) /v1|LOCAL )(/[a-z0-9{}_.-]+)+\Z")
_SCOPE = re.compile(r"[a-z]+:[a-z]+\Z")


@dataclass(frozen=True)
class Principal:
    """Who asks, for which tenant, and what for: the scopes it has; the scope `*` stands for all.

    `authenticated` is when it has proved who it is: 0 when nobody knows, None when that is the operating system, now.
    """

    name: str
    scopes: frozenset[str]
    tenant: str = DEFAULT_TENANT
    authenticated: Instant | None = 0

    def may(self, scope: str) -> bool:
        """Whether an operation of that scope is open to it."""
        return scope in self.scopes or EVERY_SCOPE in self.scopes


EVERY_SCOPE = "*"
SENSITIVE = frozenset(
    {
        "tenant.suspend",
        "tenant.export",
        "tenant.delete",
        "principal.delete",
        "client.rotate",
        "client.delete",
        "issuer.rotate-key",
        "key.rotate",
        "key.revoke",
        "site.release",
        "policy.approve",
        "policy.publish",
        "policy.promote",
        "policy.activate",
        "policy.rollback",
        "policy.archive",
        "exception.approve",
    }
)
OBJECTS = "objects"  # the folder of them in a data folder, when no setting says otherwise
LOCAL = Principal(
    "local", frozenset({EVERY_SCOPE}), authenticated=None
)  # the operating system has decided what its account may do


Refused = Callable[[Principal, str, str], None]  # told of a refusal: to whom, what was tried, on which key


def tell_nobody(principal: Principal, tried: str, key: str) -> None:
    """Where there is no audit log."""


@dataclass(frozen=True)
class Context:
    """What an operation may use of the world, and for whom. `actor` is the name that a history keeps."""

    clock: Clock
    entropy: Entropy
    progress: Progress
    settings: Settings
    secret: Callable[[str], bytes]
    actor: str
    sealed: bool = False
    schemas: Mapping[str, str] = field(default_factory=dict)  # the package that owns each schema of the database
    origins: Mapping[str, str] = field(default_factory=dict)  # where each setting came from, by `section.name`
    database: Callable[[], TenantDatabase] | None = None  # the way to data of tenants; None where none is configured
    principal: Principal = LOCAL
    refused: Refused = tell_nobody  # what the store of objects, or this side of it, refuses to the principal
    duties: Callable[[str], Duty] | None = None  # the way to work that spans tenants, by its role
    scopes: Callable[[], frozenset[str]] = frozenset  # every scope that there is
    heed: Callable[[], None] = lambda: None  # called when who may act has changed, for a service that remembers it
    say: Callable[[str], None] = lambda _: None  # words that somebody must read while the operation runs
    counts: Counts | None = None  # where an operation counts; None where nobody asks for figures

    def duty(self, role: str) -> Duty:
        """The statements of one duty that spans tenants; raises NoDatabase."""
        if self.duties is None:
            raise NoDatabase
        return self.duties(role)

    def tenant(self) -> AbstractContextManager[Transaction]:
        """A transaction of the principal's tenant for the length of a block; raises NoDatabase, or as it says."""
        if self.database is None:
            raise NoDatabase
        return self.database().transaction(self.principal.tenant)

    @property
    def accounts(self) -> StoreAccounts | None:
        """The accounts of tenants in the store; None where this installation does not keep them. Raises BadSetting."""
        if not self.settings.store.accounts:
            return None
        from pathlib import Path

        from stella.runtime.stack_store import OBJECTS as PLACE
        from stella.runtime.stack_store import StackStore

        _require("store.accounts", self.settings.store.accounts, "stack")
        _require("store.objects", self.settings.store.objects, "", PLACE)
        return StackStore(Path(self.settings.stack.data), self.clock.read().boot_id, self.entropy)

    @property
    def store(self) -> StoreSettings:
        """Where the store of objects is, and the references to its keys. Raises BadSetting or StackStoreAway."""
        accounts = self.accounts
        return self.settings.store if accounts is None else accounts.settings()

    @property
    def objects(self) -> str:
        """Where the objects of all tenants are: a folder, or `s3://BUCKET/PREFIX`."""
        if self.settings.store.accounts:
            from stella.runtime.stack_store import OBJECTS as PLACE

            return PLACE
        return (self.settings.store.objects or f"{self.settings.stack.data}/{OBJECTS}").rstrip("/")

    def blobs(self) -> Blobs:
        """The objects of the principal's tenant. Raises as `places.open_blobs`; sends nothing yet."""
        from stella.runtime.places import open_blobs

        def refused(_: str, tried: str, key: str) -> None:
            self.refused(self.principal, tried, key)

        tenant = self.principal.tenant
        return open_blobs(self.objects, tenant, self.store, self.secret, refused, sealed=self.sealed)

    def folder(self, location: str, *, make: bool = False) -> Folder:
        """The channel or site folder at a path or at `s3://BUCKET/PREFIX`; see `places.open_folder`.

        In a bucket it is reached with the keys of the principal's tenant, where the tenants have keys of their own.
        """
        from stella.runtime.places import BUCKET, filled, open_folder

        store = self.settings.store
        if location.startswith(BUCKET):
            store = filled(self.store, self.principal.tenant)
        return open_folder(location, store, self.secret, sealed=self.sealed, make=make)


def _require(key: str, found: str, *good: str) -> None:
    if found not in good:
        expected = " or ".join(f"`{word}`" if word else "nothing" for word in good)
        raise BadSetting(key=key, origin="the settings", value=repr(found), expected=expected)


@dataclass(frozen=True)
class Field:
    """How one request field appears to people."""

    help: str
    where: Where = "value"
    positional: bool = False
    metavar: str = ""
    setting: str = ""
    personal: bool = False

    @property
    def at_home(self) -> bool:
        """Whether it is about what the machine has of its own, of which a service takes no other."""
        return self.where in {"home", "here"}


def arg(
    help: str,
    where: Where = "value",
    *,
    positional: bool = False,
    metavar: str = "",
    setting: str = "",
    personal: bool = False,
) -> msgspec.Meta:
    """Annotation of a request field.

    `setting` names the configuration key that gives the value when the flag is absent. What is `personal` may be the
    name of a person: the audit log keeps it encrypted.
    """
    about = Field(help, where, positional=positional, metavar=metavar, setting=setting, personal=personal)
    return msgspec.Meta(description=help, extra={"field": about})


# What the request of a sensitive operation asks for.
Reason = Annotated[
    str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"\S"), arg("Why, for the audit log.", metavar="TEXT")
]
Ticket = Annotated[
    str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S"), arg("Under which ticket.", metavar="ID")
]


class Lane(NamedTuple):
    """A queue that a tenant has behind a service for some long operations: how many run at once, and how many wait.

    `full` makes the problem that is told when so many wait.
    """

    name: str
    at_once: int
    depth: int
    full: Callable[[int], StellaError]


@dataclass(frozen=True)
class Operation(Generic[Request, Result]):
    """One row of the table. `run` is called with a context and a request.

    `view` turns the result into what a person reads. `verdict` gives the exit code of a result, for an operation that
    may work and still say no. `tells` says of a request whether its change writes its audit event itself, in the
    transaction of the change and in the log of whoever asks; then nobody else writes one when it has worked.
    """

    name: str
    method: str
    path: str
    scope: str
    run: Callable[[Context, Request], Result]
    request: type[Request]
    result: type[Result]
    view: Callable[[Result], View]
    summary: str
    description: str
    example: str
    idempotent: bool
    long: bool
    creates: bool = False
    quick: bool = False
    raises: tuple[str, ...] = field(default=())
    lane: Lane | None = None
    admit: Callable[[Context, Any], None] | None = None
    verdict: Callable[[Result], Exit] = field(default=lambda _: Exit.OK)
    tells: Callable[[Context, Any], bool] = field(default=lambda *_: False)

    @property
    def local(self) -> bool:
        """Whether it is for the machine of whoever types it alone, and has no route."""
        return self.method == "LOCAL"

    @property
    def at_home(self) -> bool:
        """Whether it is about what the machine has of its own, so that a service does it only when one is named."""
        return self.local or any(about.at_home for _, _, about, _ in fields_of(self.request))

    @property
    def noun(self) -> str:
        """First word of the name; a lone verb such as `demo` is its own noun."""
        return self.name.partition(".")[0]

    @property
    def verb(self) -> str:
        return self.name.partition(".")[2]

    @property
    def schema(self) -> str:
        """Schema id that the JSON form of the result carries."""
        return str(self.result.__struct_config__.tag)


_TABLE: dict[str, Operation[Any, Any]] = {}
_SCOPES: set[str] = set()


def declare_scopes(*names: str) -> None:
    """Enter scopes that are asked for beside those of the operations; raises ValueError for one of the wrong form."""
    if bad := [name for name in names if not _SCOPE.match(name)]:
        raise ValueError(f"scopes have the form area:verb, unlike {bad}")
    _SCOPES.update(names)


def scopes() -> frozenset[str]:
    """Every scope of the modules imported so far. `bootstrap.every_scope` imports them all."""
    return frozenset(_SCOPES | {found.scope for found in _TABLE.values()})


def operation(  # noqa: PLR0913  # each says one thing about a row
    name: str,
    route: str,
    *,
    scope: str,
    view: Callable[[Result], View],
    example: str,
    idempotent: bool = False,
    long: bool = False,
    creates: bool = False,
    quick: bool = False,
    verdict: Callable[[Result], Exit] = lambda _: Exit.OK,
    tells: Callable[[Context, Any], bool] = lambda *_: False,
    lane: Lane | None = None,
    admit: Callable[[Context, Any], None] | None = None,
) -> Callable[[Callable[[Context, Request], Result]], Callable[[Context, Request], Result]]:
    """Enter a function into the table.

    `long` marks work that reports progress and runs as a job behind a service, `creates` one whose answer there is 201,
    `quick` one that computes for less than a millisecond and waits for nothing, so that it needs no thread there.
    Behind a service `lane` is the queue of a long one, and `admit` raises for a request that is not to be queued at
    all.

    Raises ValueError at import for a name, route or scope of the wrong form, a missing docstring, a name taken twice,
    or a sensitive operation whose request asks for no reason and no ticket.
    """

    def enter(function: Callable[[Context, Request], Result]) -> Callable[[Context, Request], Result]:
        hints = get_type_hints(function)
        parameters = [kind for key, kind in hints.items() if key != "return"]
        summary, _, rest = (function.__doc__ or "").strip().partition("\n")
        problems = [
            word
            for word, good in (
                ("name", _NAME.match(name)),
                ("route", _ROUTE.match(route)),
                ("scope", _SCOPE.match(scope)),
                ("docstring", summary),
                ("example", example.startswith("stella ")),
                ("unique name", name not in _TABLE),
                ("reason and ticket", name not in SENSITIVE or _asks_why(parameters[1])),
                ("request type", bool(parameters[1:]) and issubclass(parameters[1], msgspec.Struct)),
            )
            if not good
        ]
        if problems:
            raise ValueError(f"operation {name!r} has a wrong {', '.join(problems)}")
        method, _, path = route.partition(" ")
        description = "\n".join(line.strip() for line in rest.strip().splitlines())
        _TABLE[name] = Operation(
            name,
            method,
            path,
            scope,
            function,
            parameters[1],
            hints["return"],
            view,
            summary,
            description,
            example,
            idempotent,
            long,
            creates,
            quick,
            verdict=verdict,
            tells=tells,
            lane=lane,
            admit=admit,
        )
        return function

    return enter


def _asks_why(request: type[msgspec.Struct]) -> bool:
    """Whether a request cannot be made without a reason and a ticket."""
    required = {info.name for info in msgspec.structs.fields(request) if info.required}
    return {"reason", "ticket"} <= required


def registered() -> Iterator[Operation[Any, Any]]:
    """Every operation of the modules imported so far, by name. `bootstrap.load_all` imports them all."""
    return (found for _, found in sorted(_TABLE.items()))


def of_noun(noun: str) -> list[Operation[Any, Any]]:
    """The operations of a noun in the order of their declaration, which is the order of a reader's work."""
    return [found for found in _TABLE.values() if found.noun == noun]


def find(name: str) -> Operation[Any, Any]:
    """The operation of that name; raises KeyError."""
    return _TABLE[name]


def fields_of(request: type[msgspec.Struct]) -> list[tuple[str, Any, Field, object]]:
    """Name, plain type, Field and default (msgspec.NODEFAULT when required) of each request field, in order."""
    rows: list[tuple[str, Any, Field, object]] = []
    hints = get_type_hints(request, include_extras=True)
    for info in msgspec.structs.fields(request):
        kind = hints[info.name]
        for extra in getattr(kind, "__metadata__", ()):
            if isinstance(extra, msgspec.Meta) and extra.extra and "field" in extra.extra:
                default = info.default_factory() if info.default_factory is not msgspec.NODEFAULT else info.default
                rows.append((info.encode_name, kind.__origin__, extra.extra["field"], default))
                break
        else:
            raise ValueError(f"{request.__name__}.{info.name} has no arg(...) annotation")
    return rows
