"""The OpenAPI 3.1 document, made from the table of operations and from the service's own resources.

Rules:
- Schemas come from the types that decode and encode, so the document cannot say another thing than the code does.
- Every answer that a route can give is listed; what fails is one problem for all (RFC 9457).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, get_type_hints

import msgspec

import stella
from stella.http.binding import parameter_kind
from stella.http.model import JobShown
from stella.http.problem import Problem
from stella.http.table import BYTES, OCTETS, RESOURCES, Reply, Resource
from stella.operations import Operation, fields_of

REF = "#/components/schemas/{name}"
ERRORS = ("400", "401", "403", "404", "405", "408", "409", "413", "415", "422", "431", "500", "503")
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same request with the same key gets the same answer, and is worked on once.",
    "schema": {"type": "string", "maxLength": 200, "pattern": r"^[\x21-\x7e]+$"},
}
_PARAMETER = re.compile(r"\{([a-z0-9_]+)\}")
_PROBLEM = {"$ref": "#/components/responses/Problem"}


class _Schemas:
    """References to schemas, gathered first so that one call makes them all."""

    def __init__(self, kinds: Sequence[Any]) -> None:
        made, components = msgspec.json.schema_components(kinds, schema_hook=_anything, ref_template=REF)
        self._of = dict(zip(map(repr, kinds), made, strict=True))
        self.components = components

    def of(self, kind: Any) -> dict[str, Any]:
        return self._of[repr(kind)]

    def relax(self, kind: Any, names: set[str]) -> None:
        """These fields of a struct may be left out."""
        component = self.components[self.of(kind)["$ref"].removeprefix(REF.format(name=""))]
        component["required"] = [name for name in component.get("required", ()) if name not in names]


def _anything(kind: Any) -> dict[str, Any]:
    """The schema of `object`: any value."""
    if kind is not object:
        raise NotImplementedError(kind)
    return {"description": "Anything."}


def document(operations: Sequence[Operation[Any, Any]]) -> dict[str, Any]:
    """The document for these operations."""
    kinds: list[Any] = [Problem, JobShown, *(row.body for row in RESOURCES if row.body not in {None, BYTES})]
    kinds += [reply.kind for row in RESOURCES for reply in row.replies if reply.kind is not None]
    for operation in operations:
        kinds += [operation.request, operation.result]
        kinds += [parameter_kind(kind) for _, kind, _, _ in fields_of(operation.request)]
    schemas = _Schemas(list({repr(kind): kind for kind in kinds}.values()))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    paths |= _own(schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stella", "version": stella.__version__, "license": {"name": "Apache-2.0"}},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {"Problem": _response("Why it failed.", schemas.of(Problem), "application/problem+json")},
            "schemas": schemas.components,
        },
    }


def _operation(operation: Operation[Any, Any], schemas: _Schemas) -> dict[str, Any]:
    in_path = set(_PARAMETER.findall(operation.path))
    parameters = []
    for name, kind, about, default in fields_of(operation.request):
        if about.where == "home":
            continue
        if name in in_path or operation.method in {"GET", "DELETE"}:
            required = name in in_path or (default is msgspec.NODEFAULT and not about.setting)
            schema = schemas.of(parameter_kind(kind))
            parameters.append(_parameter(name, "path" if name in in_path else "query", schema, about.help, required))
    status = "202" if operation.long else "201" if operation.creates else "200"
    result = schemas.of(JobShown if operation.long else operation.result)
    described = _response("A job that does it." if operation.long else operation.summary, result)
    if operation.long:
        described["headers"] = {"Location": _header("The job.")}
    entry: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.noun],
        "x-stella-scope": operation.scope,
        "responses": {status: described, **_errors()},
    }
    if operation.long:
        entry["x-stella-result"] = schemas.of(operation.result)
    if operation.method == "POST":
        parameters.append(KEY)
    if operation.method not in {"GET", "DELETE"}:
        schemas.relax(operation.request, _known_otherwise(operation))
        entry["requestBody"] = _body("application/json", schemas.of(operation.request))
    return entry | ({"parameters": parameters} if parameters else {})


def _known_otherwise(operation: Operation[Any, Any]) -> set[str]:
    """What a body need not say: the path says it, a setting, or the service itself."""
    about = {name: about for name, _, about, _ in fields_of(operation.request)}
    given = {name for name, one in about.items() if one.setting or one.where == "home"}
    return given | set(_PARAMETER.findall(operation.path))


def _own(schemas: _Schemas) -> dict[str, dict[str, Any]]:
    """The service's own resources."""
    paths: dict[str, dict[str, Any]] = {}
    for row in RESOURCES:
        paths.setdefault(row.path, {})[row.method.lower()] = _resource(row, schemas)
    return paths


def _resource(row: Resource, schemas: _Schemas) -> dict[str, Any]:
    responses = {str(reply.status): _reply(reply, schemas) for reply in row.replies}
    parameters = [
        _parameter(name, "path", {"type": "string"}, "", required=True) for name in _PARAMETER.findall(row.path)
    ]
    if row.query is not None:
        parameters += _query(row.query)
    parameters += [
        _parameter(header.name, "header", header.schema, header.words, header.required) for header in row.headers
    ]
    if row.keyed:
        parameters.append(KEY)
    entry: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.summary,
        "tags": ["service"],
        "responses": responses | _errors(),
    }
    if parameters:
        entry["parameters"] = parameters
    if not row.scope:
        entry["security"] = []
    else:
        entry["x-stella-scope"] = row.scope
    if row.body is BYTES:
        entry["requestBody"] = {
            "required": True,
            "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
        }
    elif row.body is not None:
        entry["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas.of(row.body)}}}
    return entry


def _reply(reply: Reply, schemas: _Schemas) -> dict[str, Any]:
    if reply.status >= 400:  # noqa: PLR2004  # the classes of HTTP
        return _PROBLEM
    content = {}
    if reply.kind is not None:
        content["application/json"] = {"schema": schemas.of(reply.kind)}
    if reply.media_type:
        content[reply.media_type] = {"schema": {"type": "string"}}
    found: dict[str, Any] = {"description": reply.words} | ({"content": content} if content else {})
    return found | ({"headers": {"Location": _header("Where it is.")}} if reply.location else {})


def _query(kind: type[msgspec.Struct]) -> list[dict[str, Any]]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        _parameter(info.encode_name, "query", _inline(parameter_kind(hints[info.name])), "", required=False)
        for info in msgspec.structs.fields(kind)
    ]


def _inline(kind: Any) -> dict[str, Any]:
    (schema,), components = msgspec.json.schema_components([kind], ref_template=REF)
    return components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _parameter(name: str, place: str, schema: dict[str, Any], words: str, required: bool) -> dict[str, Any]:  # noqa: FBT001  # private
    entry: dict[str, Any] = {"name": name, "in": place, "required": required, "schema": schema}
    return entry | ({"description": words} if words else {})


def _response(words: str, schema: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    return {"description": words, "content": {media_type: {"schema": schema}}}


def _body(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {media_type: {"schema": schema}}}


def _header(words: str) -> dict[str, Any]:
    return {"description": words, "schema": {"type": "string"}}


def _errors() -> dict[str, Any]:
    return dict.fromkeys(ERRORS, _PROBLEM)
