"""Settings of a run: every layer read, checked and merged, with the origin of each value.

Rules:
- Environment, then `stella.toml` of this folder or the nearest above it, then the user's file, then the machine's, then
  the default. A flag of a command comes before all of them. A value replaces the one below it.
- An unknown key is refused wherever it stands, with the nearest known one. So is an unknown `STELLA_*` variable.
- An empty variable counts as absent. Where a variable has a second name, either one can switch a restriction on.
- A secret is a reference: `env:NAME`, `file:PATH`, or `bao:MOUNT/PATH#FIELD` in OpenBao. What stands in its place is
  never shown; a relative path is relative to the file that names it, or to the folder of the run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, get_type_hints

import msgspec

from stella.kernel.errors import BadDuration
from stella.kernel.instant import parse_duration
from stella.kernel.nearest import did_you_mean
from stella.runtime.errors import BadSetting, LiteralSecret, NotToml, SecretMissing, SecretUnreadable, UnknownSetting
from stella.runtime.settings import BaoSettings, Settings

PROJECT_FILE = "stella.toml"
SYSTEM_FILE = Path("/etc/stella/config.toml")
PREFIX = "STELLA_"
ALIASES = {
    "mirror.require_prod_signing": "REQUIRE_PROD_SIGNING",
    "mirror.source_date_epoch": "SOURCE_DATE_EPOCH",
    "client.server": "STELLA_SERVER",
    "client.tenant": "STELLA_TENANT",
    "site.sealed": "STELLA_SEALED",
    "keys.trust": "STELLA_TRUST_ROOTS",
    "bao.address": "BAO_ADDR",
}
RESERVED = frozenset(
    {
        "STELLA_KEY_PASSPHRASE",
        "STELLA_LOG_KEY",
        "STELLA_SEAL_KEY",
        "STELLA_ISSUER_PASSPHRASE",
        "STELLA_WRAP_KEY",
        "STELLA_DEBUG",
        "STELLA_TOKEN",
        "STELLA_PROFILE",
        "STELLA_OFFLINE",
        "STELLA_UV",
    }
)
IN_DATA = "file:<data>/"  # the data folder of the service, which is known when it starts
MAX_CONFIG = 1 << 20  # a settings file is a page of text; more is a wrong file
MAX_SECRET = 1 << 16  # a passphrase or one key
WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class Key(NamedTuple):
    """One setting: `section.name`, its type, default and meaning."""

    name: str
    kind: type
    default: object
    help: str
    secret: bool
    duration: bool
    minimum: int

    @property
    def variable(self) -> str:
        """Environment variable that sets it."""
        return PREFIX + self.name.replace(".", "_").upper()


class Loaded(NamedTuple):
    """Settings, and where each value came from by `section.name`; a key that is absent has its default."""

    settings: Settings
    origins: Mapping[str, str]


def every_key() -> list[Key]:
    """Every setting there is, in the order of their declaration."""
    rows: list[Key] = []
    for section, kind in get_type_hints(Settings).items():
        hints = get_type_hints(kind, include_extras=True)
        for info in msgspec.structs.fields(kind):
            (meta,) = (extra for extra in hints[info.name].__metadata__ if isinstance(extra, msgspec.Meta))
            marks = meta.extra or {}
            name = f"{section}.{info.name}"
            base = hints[info.name].__origin__
            rows.append(
                Key(
                    name,
                    base,
                    info.default,
                    meta.description or "",
                    marks["secret"],
                    marks["duration"],
                    marks["minimum"],
                )
            )
    return rows


def value_of(settings: Settings, key: str) -> object:
    """The value of `section.name`; raises AttributeError."""
    section, _, name = key.partition(".")
    return getattr(getattr(settings, section), name)


def load(env: Mapping[str, str], folder: Path, system: Path = SYSTEM_FILE) -> Loaded:
    """Settings for a run in `folder`. Raises UnknownSetting, BadSetting, LiteralSecret, NotToml or a file error."""
    table = {key.name: key for key in every_key()}
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for path in _files(env, folder, system):
        for name, value in _from_file(path, table):
            values[name], origins[name] = value, str(path)
    for name, value, variable in _from_env(env, table):
        values[name], origins[name] = _anchored(value, folder), f"env {variable}"
    sections: dict[str, dict[str, object]] = {}
    for name, value in values.items():
        section, _, field = name.partition(".")
        sections.setdefault(section, {})[field] = value
    return Loaded(msgspec.convert(sections, Settings), origins)


def _files(env: Mapping[str, str], folder: Path, system: Path) -> list[Path]:
    """The files that are there, weakest first; one that cannot be read is no reason to go on without it."""
    found = [system, _user_folder(env) / "stella" / "config.toml"]
    found += [path for path in (parent / PROJECT_FILE for parent in (folder, *folder.parents)) if _there(path)][:1]
    return [path for path in found if _there(path)]


def _there(path: Path) -> bool:
    return os.path.lexists(path) and not path.is_dir()


def _user_folder(env: Mapping[str, str]) -> Path:
    given = Path(env.get("XDG_CONFIG_HOME", ""))
    return given if given.is_absolute() else Path(env.get("HOME") or "/", ".config")


def _from_file(path: Path, table: Mapping[str, Key]) -> Iterator[tuple[str, object]]:
    import tomllib  # noqa: PLC0415  # most runs find no file, and `version` must stay cheap

    from stella.runtime.files import read_file  # noqa: PLC0415  # as tomllib

    try:
        document = tomllib.loads(read_file(path, MAX_CONFIG).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NotToml(path=path, problem=error) from None
    for section, entries in document.items():
        if section not in Settings.__struct_fields__:
            raise _unknown(section, str(path), {*Settings.__struct_fields__, *table})
        if not isinstance(entries, dict):
            raise BadSetting(key=section, origin=path, value="no table", expected=f"a table `[{section}]`")
        for field, value in entries.items():
            name = f"{section}.{field}"
            if name not in table:
                raise _unknown(name, str(path), table)
            yield name, _anchored(_checked(table[name], value, str(path)), path.parent)


def _from_env(env: Mapping[str, str], table: Mapping[str, Key]) -> Iterator[tuple[str, object, str]]:
    known = {key.variable for key in table.values()} | RESERVED | set(ALIASES.values())
    for variable in env:
        if variable.startswith(PREFIX) and variable not in known:
            raise _unknown(variable, "the environment", known)
    for key in table.values():
        given = [name for name in (key.variable, ALIASES.get(key.name, "")) if env.get(name)]
        read = [(_checked(key, _spelled(key, env[name], name), f"env {name}"), name) for name in given]
        if read:
            value, variable = max(read, key=lambda pair: pair[0] is True)
            yield key.name, value, variable


def _spelled(key: Key, text: str, variable: str) -> object:
    """A value of the environment in the type of its key."""
    if key.kind is bool:
        if text.lower() not in WORDS:
            raise BadSetting(key=key.name, origin=f"env {variable}", value=repr(text), expected="1 or 0")
        return WORDS[text.lower()]
    if key.kind is int:
        try:
            return int(text)
        except ValueError:
            origin = f"env {variable}"
            raise BadSetting(key=key.name, origin=origin, value=repr(text), expected="a whole number") from None
    return text


def _checked(key: Key, value: object, origin: str) -> object:
    """The value itself when it has the type and form of its key."""
    if key.secret and not (isinstance(value, str) and _refers(key.name, value)):
        raise LiteralSecret(key=key.name, origin=origin)
    if type(value) is not key.kind:
        expected = {str: "text in quotes", int: "a whole number", bool: "true or false"}[key.kind]
        raise BadSetting(key=key.name, origin=origin, value=repr(value), expected=expected)
    if isinstance(value, int) and value < key.minimum:
        raise BadSetting(key=key.name, origin=origin, value=value, expected=f"at least {key.minimum}")
    if key.duration:
        try:
            parse_duration(str(value))
        except BadDuration:
            raise BadSetting(
                key=key.name, origin=origin, value=repr(value), expected="a duration such as 90s, 15m, 24h or 14d"
            ) from None
    return value


def _refers(name: str, value: str) -> bool:
    """Whether it has the form of a reference; the token of OpenBao is in no OpenBao."""
    scheme, _, rest = value.partition(":")
    return bool(rest) and scheme in ({"env", "file"} if name == "bao.token" else {"env", "file", "bao"})


def _anchored(value: object, folder: Path) -> object:
    """A reference's path made absolute: it means the same in every folder below, and in a process that works elsewhere.

    Also that of an address that is a reference: a service stands in folders that others write to.
    """
    if isinstance(value, str) and value.startswith("file:") and not value.startswith(IN_DATA):
        return f"file:{folder / _home(value.removeprefix('file:'))}"
    return value


def _unknown(key: str, origin: str, known: set[str] | Mapping[str, Key]) -> UnknownSetting:
    return UnknownSetting(key=key, origin=origin, nearest=did_you_mean(key, known, f"remove it from {origin}"))


def read_secret(reference: str, env: Mapping[str, str], bao: BaoSettings | None = None) -> bytes:
    """The secret behind `env:NAME`, `file:PATH` or `bao:MOUNT/PATH#FIELD`, without one trailing newline of a file.

    Raises SecretMissing for a variable that is unset or empty, SecretUnreadable for a file that is absent, empty or
    unreadable: whoever names a file means it to be there. Of OpenBao it raises what `openbao.read_secret` does.
    """
    scheme, _, name = reference.partition(":")
    if scheme == "file":
        return _secret_file(Path(_home(name)))
    if scheme == "bao":
        return _secret_of_bao(reference, env, bao or BaoSettings(address=env.get(ALIASES["bao.address"], "")))
    if scheme == "env" and env.get(name):
        return env[name].encode("utf-8", "surrogateescape")
    shown, variable = (reference, name) if scheme == "env" else ("(no reference)", "NAME")
    raise SecretMissing(reference=shown, name=variable)


def _secret_of_bao(reference: str, env: Mapping[str, str], bao: BaoSettings) -> bytes:
    from stella.runtime import openbao  # noqa: PLC0415  # most runs have no such reference

    return openbao.read_secret(openbao.OpenBao(bao.address, read_secret(bao.token, env)), reference)


def _home(path: str) -> str:
    return os.path.expanduser(path)  # noqa: PTH111  # Path.expanduser raises for a user that does not exist


def _secret_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SECRET + 1)
    except OSError as error:
        raise SecretUnreadable(path=path, problem=error.strerror) from None
    secret = data.removesuffix(b"\n")
    if not secret:
        raise SecretUnreadable(path=path, problem="it is empty")
    if len(data) > MAX_SECRET:
        raise SecretUnreadable(path=path, problem=f"it is larger than {MAX_SECRET} bytes")
    return secret
