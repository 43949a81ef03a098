"""Paths to handlers."""

from __future__ import annotations

import pytest

from stella.http.errors import MethodRefused, NoResource
from stella.http.exchange import Answer, Request
from stella.http.routes import Route, Routes
from stella.http.table import RESOURCES


async def nothing(request: Request) -> Answer:
    del request
    return Answer(200)


def route(method: str, path: str) -> Route:
    return Route(method, path, f"{method} {path}", "x:y", nothing)


TABLE = Routes(
    [
        route("GET", "/v1/jobs"),
        route("POST", "/v1/jobs"),
        route("GET", "/v1/jobs/{id}"),
        route("DELETE", "/v1/jobs/{id}"),
        route("GET", "/v1/jobs/last"),
        route("GET", "/v1/jobs/{id}/events"),
        route("GET", "/v1/files/{path...}"),
        route("HEAD", "/v1/uploads/{id}"),
        route("GET", "/v1/uploads/{id}"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "name", "values"),
    [
        ("GET", "/v1/jobs", "GET /v1/jobs", ()),
        ("HEAD", "/v1/jobs", "GET /v1/jobs", ()),
        ("POST", "/v1/jobs", "POST /v1/jobs", ()),
        ("GET", "/v1/jobs/7", "GET /v1/jobs/{id}", ("7",)),
        ("GET", "/v1/jobs/last", "GET /v1/jobs/last", ()),
        ("GET", "/v1/jobs/7/events", "GET /v1/jobs/{id}/events", ("7",)),
        ("GET", "/v1/jobs/last/events", "GET /v1/jobs/{id}/events", ("last",)),
        ("GET", "/v1/files/a/b.txt", "GET /v1/files/{path...}", ("a/b.txt",)),
        ("GET", "/v1/files/a", "GET /v1/files/{path...}", ("a",)),
        ("HEAD", "/v1/uploads/u", "HEAD /v1/uploads/{id}", ("u",)),
    ],
)
def test_a_route_with_its_values(method: str, path: str, name: str, values: tuple[str, ...]) -> None:
    found, given = TABLE.find(method, path)
    assert (found.name, given) == (name, values)


@pytest.mark.parametrize(
    "path", ["", "/", "/v1", "/v1/jobs/", "/v1/jobs//events", "/v1/jobs/7/other", "/v1/files/", "x"]
)
def test_no_resource(path: str) -> None:
    with pytest.raises(NoResource):
        TABLE.find("GET", path)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/jobs", "GET, HEAD, POST"),
        ("POST", "/v1/jobs/7", "DELETE, GET, HEAD"),
        ("DELETE", "/v1/jobs/last", "GET, HEAD"),
        ("get", "/v1/jobs", "GET, HEAD, POST"),
    ],
)
def test_a_method_that_is_not_taken(method: str, path: str, allowed: str) -> None:
    with pytest.raises(MethodRefused) as refused:
        TABLE.find(method, path)
    assert refused.value.facts["allowed"] == allowed


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/{id}", "/v1/jobs/{other}"])
def test_nothing_is_entered_twice(path: str) -> None:
    with pytest.raises(ValueError, match="entered twice"):
        Routes([*TABLE.every, route("GET", path)])


def test_the_service_s_own_table() -> None:
    assert len({found.name for found in RESOURCES}) == len(RESOURCES)
    assert {found.name for found in RESOURCES if not found.scope} == {"healthz", "readyz"}
