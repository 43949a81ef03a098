"""A request of HTTP to the request of an operation.

Rules:
- A field in braces in the route comes from the path. The others come from the query of a GET or DELETE, and from the
  JSON body of everything else. A field of the wrong type, unknown, absent or twice is BadField.
- A field that names a place is checked by `places` before the operation sees it, its default as well.
- A field that is `home` is filled in from the settings of the service; a request that has it is BadField.
- A field that stands for a setting takes its value from there when the request leaves it out.
"""

from __future__ import annotations

import re
from typing import Any, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec

from stella.http.errors import BadField, BodyNotJson
from stella.http.places import Places
from stella.operations import Operation, Where, fields_of
from stella.runtime.config import value_of
from stella.runtime.settings import Settings

MAX_PARAMETERS = 100  # of a query; bounds the work on a hostile one

_PARAMETER = re.compile(r"\{([a-z0-9_]+)(?:\.\.\.)?\}")
_PLACE = re.compile(r" - at `\$\.([a-z0-9_]+)[^`]*`\Z")


class Binder:
    """Builds the requests of one operation. Raises ValueError for a route whose parameter is no required field."""

    def __init__(self, operation: Operation[Any, Any], settings: Settings) -> None:
        fields = fields_of(operation.request)
        self.request = operation.request
        self.in_query = operation.method in {"GET", "DELETE"}
        self.parameters: list[str] = _PARAMETER.findall(operation.path)
        required = {name for name, kind, _, default in fields if default is msgspec.NODEFAULT and kind in {str, int}}
        if not required.issuperset(self.parameters):
            raise ValueError(f"a parameter of {operation.path} is no required field of {operation.name}")
        self._numbered = {name: kind is int for name, kind, _, _ in fields}
        self.path = self._greedy(operation.path, {name: about.where for name, _, about, _ in fields})
        self._many = {name for name, kind, _, _ in fields if get_origin(kind) in {tuple, list}}
        self._settings = {
            name: value
            for name, _, about, _ in fields
            if about.setting and (value := value_of(settings, about.setting)) not in {None, ""}
        }
        self._home = {name for name, _, about, _ in fields if about.where == "home"}
        attributes = {info.encode_name: info.name for info in msgspec.structs.fields(operation.request)}
        self._places: list[tuple[str, str, Where]] = [
            (attributes[name], name, about.where)
            for name, _, about, _ in fields
            if about.where not in {"value", "key", "home"}
        ]
        self._decoder = msgspec.json.Decoder(operation.request)

    def _greedy(self, path: str, places: dict[str, Where]) -> str:
        """The path as the table of routes takes it: a last parameter that names a place or a key takes slashes too."""
        last = self.parameters[-1] if self.parameters and path.endswith("}") else ""
        return f"{path[:-1]}...}}" if places.get(last, "value") != "value" else path

    def bind(self, values: tuple[str, ...], query: str, body: bytes, places: Places) -> Any:
        """The request. Raises BadField, BodyNotJson or UnsafePlace."""
        if self.in_query:
            request = self._convert(read_query(query, self._many) | self._in_path(values), strict=False)
        elif query:
            raise BadField(what="the query", problem="the fields of this operation are sent in the body")
        elif values or self._settings:
            given = decode(body, dict[str, Any])
            for name in self._in_path(values).keys() & given.keys():
                if not isinstance(given[name], str | int) or isinstance(given[name], int) is not self._numbered[name]:
                    raise BadField(what=f"`{name}`", problem="it is of another type than the path has")
                if str(given[name]) != self._in_path(values)[name]:
                    raise BadField(what=f"`{name}`", problem="the path has another value")
            request = self._convert(given | self._in_path(values), strict=not values)
        else:
            request = decode(body, self._decoder)
        for attribute, name, where in self._places:
            value = getattr(request, attribute)
            for text in (value,) if isinstance(value, str) else value or ():
                places.check(name, where, text)
        return request

    def _in_path(self, values: tuple[str, ...]) -> dict[str, Any]:
        return dict(zip(self.parameters, values, strict=True))

    def _convert(self, given: dict[str, Any], *, strict: bool) -> Any:
        for name in self._home.intersection(given):
            raise BadField(what=f"`{name}`", problem="a service has a stack of its own and looks at no other")
        return convert(self._settings | given, self.request, strict=strict)


def convert(given: dict[str, Any], kind: Any, *, strict: bool) -> Any:
    """A struct from values; raises BadField."""
    try:
        made = msgspec.convert(given, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise bad_field(error) from None
    for name, value in given.items():
        if isinstance(value, str) and getattr(made, name, made) is None:  # the library reads the text `null` as nothing
            raise BadField(what=f"`{name}`", problem="expected a value, found `null`")
    return made


def decode(body: bytes, kind: Any) -> Any:
    """A value of a type, or of a decoder's, from JSON; raises BodyNotJson or BadField."""
    try:
        return kind.decode(body) if isinstance(kind, msgspec.json.Decoder) else msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise bad_field(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyNotJson(problem=error) from None
    except RecursionError:
        raise BodyNotJson(problem="it is nested too deeply") from None


def read_query(query: str, many: set[str] | frozenset[str] = frozenset()) -> dict[str, Any]:
    """The fields of a query; those in `many` as lists. Raises BadField."""
    if not query:
        return {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
    except ValueError:
        problem = f"it is not UTF-8, or has more than {MAX_PARAMETERS} fields"
        raise BadField(what="the query", problem=problem) from None
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in many:
            found.setdefault(name, []).append(value)
        elif name in found:
            raise BadField(what=f"`{name}`", problem="it is there twice")
        else:
            found[name] = value
    return found


def bad_field(error: msgspec.ValidationError) -> BadField:
    """What msgspec refuses, in the words of Stella."""
    words = str(error)
    place = _PLACE.search(words)
    problem = _PLACE.sub("", words)
    return BadField(what=f"`{place[1]}`" if place else "the request", problem=problem[:1].lower() + problem[1:])


def parameter_kind(kind: Any) -> Any:
    """The type of a query field without the `None` that only a body can say."""
    parts = [part for part in get_args(kind) if part is not type(None)]
    return parts[0] if len(parts) == 1 and type(None) in get_args(kind) else kind
