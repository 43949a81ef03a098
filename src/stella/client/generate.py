"""From the operation table to the modules of `stella.client.api`: one class for each noun, one method for each verb.

Rules:
- A method takes the fields of the request by name, with their types and defaults, and gives the operation's result.
- The text is what `ruff format` leaves as it is; a test compares it with what is checked in.
"""

from __future__ import annotations

import keyword
import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from stella.operations import Operation

HEAD = '"""{what} Made from the operation table by `make reference`; do not edit."""\n\nfrom __future__ import annotations\n\n'
WIDTH = 120


def modules(operations: Iterable[Operation[Any, Any]]) -> dict[str, str]:
    """File name to text of every module of the package."""
    nouns: dict[str, list[Operation[Any, Any]]] = {}
    for operation in operations:
        if not operation.local:
            nouns.setdefault(operation.noun if operation.verb else "", []).append(operation)
    alone = nouns.pop("", [])
    files = {f"{noun}.py": _noun(noun, found) for noun, found in nouns.items()}
    return files | {"__init__.py": _client(sorted(nouns), alone)}


def _noun(noun: str, operations: Sequence[Operation[Any, Any]]) -> str:
    what = f"The operations of `{noun}` at a service."
    body = "".join(f"\n{line}" if line else "\n" for one in operations for line in ["", *_method(one)])
    return (
        HEAD.format(what=what)
        + "\n".join(["from typing import TYPE_CHECKING", "", *_imports(operations), "", "if TYPE_CHECKING:", "    from stella.client.remote import Caller", "", ""])
        + f'\nclass {noun.capitalize()}:\n    """{what}"""\n\n    def __init__(self, call: Caller) -> None:\n        self._call = call'
        + body
        + "\n"
    )


def _client(nouns: Sequence[str], alone: Sequence[Operation[Any, Any]]) -> str:
    lines = [f"from stella.client.api.{noun} import {noun.capitalize()}" for noun in nouns]
    lines += ["from stella.client.session import Session", *_imports(alone)]
    text = HEAD.format(what="The client: everything that a service offers.") + "\n".join(sorted(lines)) + "\n\n\n"
    text += 'class Client(Session):\n    """A service, by its address and a token."""\n'
    for noun in nouns:
        text += f"\n    @property\n    def {noun}(self) -> {noun.capitalize()}:\n        return {noun.capitalize()}(self.call)\n"
    return text + "".join("\n" + "\n".join(_method(one, "self.call")) + "\n" for one in alone)


def _imports(operations: Sequence[Operation[Any, Any]]) -> list[str]:
    """Import lines for the structs and enums that the methods name."""
    wanted: dict[str, set[str]] = {}
    for operation in operations:
        for kind in (operation.request, operation.result, *_named(operation.request)):
            wanted.setdefault(kind.__module__, set()).add(kind.__name__)
    lines = []
    for module, names in sorted(wanted.items()):
        listed = sorted(names, key=lambda name: (name.isupper(), name))
        line = f"from {module} import {', '.join(listed)}"
        if len(line) > WIDTH:
            line = f"from {module} import (\n" + "".join(f"    {name},\n" for name in listed) + ")"
        lines.append(line)
    if any("Literal[" in spelled(kind) for one in operations for kind in _kinds(one.request).values()):
        lines.insert(0, "from typing import Literal\n")
    return lines


def _kinds(request: type[msgspec.Struct]) -> dict[str, Any]:
    return get_type_hints(request)


def _named(request: type[msgspec.Struct]) -> Iterator[type]:
    for kind in _kinds(request).values():
        for part in (kind, *get_args(kind)):
            if isinstance(part, type) and part.__module__.startswith("stella.") and get_origin(part) is None:
                yield part


def spelled(kind: Any) -> str:  # noqa: ANN401  # any type form
    """A type as source text."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return " | ".join(map(spelled, parts))
    if origin is Literal:
        return f"Literal[{', '.join(map(_quoted, parts))}]"
    if origin is not None:
        inside = ", ".join("..." if part is Ellipsis else spelled(part) for part in parts)
        return f"{origin.__name__}[{inside}]"
    return "None" if kind is types.NoneType else str(kind.__name__)


def _quoted(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def _method(operation: Operation[Any, Any], call: str = "self._call") -> list[str]:
    name = operation.verb or operation.noun
    name = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
    kinds, fields = _kinds(operation.request), msgspec.structs.fields(operation.request)
    required = [found for found in fields if found.required]
    optional = [found for found in fields if not found.required]
    parameters = [f"{one.name}: {spelled(kinds[one.name])}" for one in required]
    parameters += [f"{one.name}: {spelled(kinds[one.name])} = {_default(one)}" for one in optional]
    result, request = operation.result.__name__, operation.request.__name__
    head = f"    def {name}(self{', *, ' if parameters else ''}{', '.join(parameters)}) -> {result}:"
    lines = [head]
    if len(head) > WIDTH:
        lines = [f"    def {name}(", "        self,", "        *,", *(f"        {one}," for one in parameters), f"    ) -> {result}:"]
    values = [f"{one.name}={one.name}" for one in fields]
    last = f'        return {call}("{operation.name}", {request}({", ".join(values)}))'
    if len(last) > WIDTH:
        inner = f'            "{operation.name}", {request}({", ".join(values)})'
        if len(inner) <= WIDTH:
            rest = [f"        return {call}(", inner, "        )"]
        else:
            several = [f"                {value}," for value in values]
            rest = [f"        return {call}(", f'            "{operation.name}",', f"            {request}(", *several, "            ),", "        )"]
    else:
        rest = [last]
    return [*lines, f'        """{operation.summary}"""', *rest]


def _default(found: msgspec.structs.FieldInfo) -> str:
    default = found.default if found.default is not msgspec.NODEFAULT else found.default_factory()
    return f"{type(default).__name__}.{default.name}" if hasattr(default, "name") else _quoted(default)
