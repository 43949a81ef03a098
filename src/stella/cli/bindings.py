"""From the operation table to the modules of `stella.client.api`: one class for each noun, one method for each verb.

Rules:
- A method takes the fields of the request by name, with their types and defaults, and gives the operation's result.
- The text is laid out by ruff, as every other module is.
"""

from __future__ import annotations

import keyword
import subprocess
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from stella.operations import Operation, fields_of

MADE = "Made from the operation table by `make reference`; do not edit."


def modules(operations: Iterable[Operation[Any, Any]]) -> dict[str, str]:
    """File name to text of every module of the package; operations for one machine alone are left out."""
    nouns: dict[str, list[Operation[Any, Any]]] = {}
    for operation in operations:
        if not operation.local:
            nouns.setdefault(operation.noun if operation.verb else "", []).append(operation)
    alone = nouns.pop("", [])
    files = {f"{noun}.py": _noun(noun, found) for noun, found in nouns.items()}
    return {name: laid_out(text) for name, text in {**files, "__init__.py": _client(sorted(nouns), alone)}.items()}


def laid_out(text: str) -> str:
    """Source text with its imports sorted and its lines broken."""
    ruff = str(Path(sys.executable).parent / "ruff")
    for command in ((ruff, "check", "--quiet", "--select", "I", "--fix"), (ruff, "format", "--quiet")):
        line = [*command, "--stdin-filename", "src/stella/client/api/x.py", "-"]
        text = subprocess.run(line, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603  # ours
    return text


def _class(noun: str) -> str:
    """`Client` is the client itself, and there is a noun `client`."""
    return f"{noun.capitalize()}Calls"


def _head(what: str, imports: Iterable[str]) -> str:
    return "\n".join([f'"""{what} {MADE}"""', "", "from __future__ import annotations", "", *imports, "", ""])


def _noun(noun: str, operations: Sequence[Operation[Any, Any]]) -> str:
    what = f"The operations of `{noun}` at a service."
    lines = [f"class {_class(noun)}:", f'    """{what}"""', ""]
    lines += ["    def __init__(self, call: Caller) -> None:", "        self._call = call", ""]
    for operation in operations:
        lines += [*_method(operation, "self._call"), ""]
    return _head(what, [*_imports(operations), "from stella.client.remote import Caller"]) + "\n".join(lines)


def _client(nouns: Sequence[str], alone: Sequence[Operation[Any, Any]]) -> str:
    imports = [f"from stella.client.api.{noun} import {_class(noun)}" for noun in nouns]
    lines = ["class Client(Session):", '    """A service, by its address and a token."""', ""]
    for noun in nouns:
        lines += ["    @property", f"    def {noun}(self) -> {_class(noun)}:"]
        lines += [f"        return {_class(noun)}(self.call)", ""]
    for operation in alone:
        lines += [*_method(operation, "self.call"), ""]
    imports += ["from stella.client.session import Session", *_imports(alone)]
    return _head("The client: everything that a service offers.", imports) + "\n".join(lines)


def _imports(operations: Sequence[Operation[Any, Any]]) -> list[str]:
    """Import lines for the structs, enums and forms that the methods name."""
    wanted = {kind for one in operations for kind in (one.request, one.result, *_named(one.request))}
    lines = [f"from {kind.__module__} import {kind.__name__}" for kind in wanted]
    literal = any("Literal[" in spelled(kind) for one in operations for kind in get_type_hints(one.request).values())
    return [*lines, *(["from typing import Literal"] if literal else [])]


def _named(request: type[msgspec.Struct]) -> Iterator[type]:
    for kind in get_type_hints(request).values():
        for part in (kind, *get_args(kind)):
            if isinstance(part, type) and part.__module__.startswith("stella."):
                yield part


def spelled(kind: Any) -> str:  # noqa: ANN401  # any type form
    """A type as source text."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return " | ".join(map(spelled, parts))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, parts))}]"
    if origin is not None:
        return f"{origin.__name__}[{', '.join('...' if part is Ellipsis else spelled(part) for part in parts)}]"
    return "None" if kind is types.NoneType else str(kind.__name__)


def _method(operation: Operation[Any, Any], call: str) -> list[str]:
    kinds = get_type_hints(operation.request)
    taken = {name for name, _, about, _ in fields_of(operation.request) if not about.at_home}
    every = (one for one in msgspec.structs.fields(operation.request) if one.encode_name in taken)
    fields = sorted(every, key=lambda one: not one.required)
    name = (operation.verb or operation.noun).replace("-", "_")
    name += "_" if keyword.iskeyword(name) else ""
    parameters = [f"{one.name}: {spelled(kinds[one.name])}{_default(one)}" for one in fields]
    request = f"{operation.request.__name__}({', '.join(f'{one.name}={one.name}' for one in fields)})"
    result = operation.result.__name__
    return [
        f"    def {name}(self{', *, ' if parameters else ''}{', '.join(parameters)}) -> {result}:",
        f'        """{operation.summary}"""',
        f'        return {call}("{operation.name}", {request}, {result})',
    ]


def _default(found: msgspec.structs.FieldInfo) -> str:
    if found.required:
        return ""
    default = found.default_factory() if found.default_factory is not msgspec.NODEFAULT else found.default
    return f" = {type(default).__name__}.{default.name}" if hasattr(default, "name") else f" = {default!r}"
