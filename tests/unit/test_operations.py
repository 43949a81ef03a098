"""The table of operations: what enters it, and what a field says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
import pytest

from stella import bootstrap, operations
from stella.formats.view import Text, View
from stella.operations import Context, Field, arg, operation


class Want(msgspec.Struct, frozen=True, rename={"receipt": "for"}):
    """Request."""

    name: Annotated[str, arg("Name.", positional=True, metavar="NAME")]
    receipt: Annotated[str | None, arg("Receipt.", "file_in")] = None
    tags: Annotated[list[str], arg("Tags.")] = msgspec.field(default_factory=list)
    kind: Annotated[Literal["a", "b"], msgspec.Meta(title="x"), arg("Kind.", setting="mirror.valid_for")] = "a"


class Got(msgspec.Struct, frozen=True, tag_field="schema", tag="stella.probe.run@1"):
    """Result."""


class Bare(msgspec.Struct, frozen=True):
    """Request with a field that says nothing."""

    name: str


def view(result: Got) -> View:
    del result
    return [Text("ok")]


def enter(name: str = "probe.run", route: str = "GET /v1/probes", **other: Any) -> Any:
    given: dict[str, Any] = {"scope": "probe:read", "view": view, "example": "stella probe run"} | other
    return operation(name, route, **given)


def documented(ctx: Context, want: Want) -> Got:
    """Run a probe.

    The first line
    and the second.
    """
    del ctx, want
    return Got()


def undocumented(ctx: Context, want: Want) -> Got:
    del ctx, want
    return Got()


def lonely(ctx: Context) -> Got:
    """Take no request."""
    del ctx
    return Got()


@pytest.fixture(autouse=True)
def _clean_table() -> Iterator[None]:
    yield
    for name in [name for name in operations._TABLE if name.startswith("probe")]:
        del operations._TABLE[name]


def test_a_row_says_all_that_the_entries_need() -> None:
    assert enter(idempotent=True)(documented) is documented
    row = operations.find("probe.run")
    assert (row.name, row.noun, row.verb) == ("probe.run", "probe", "run")
    assert (row.method, row.path, row.scope) == ("GET", "/v1/probes", "probe:read")
    assert (row.request, row.result, row.schema) == (Want, Got, "stella.probe.run@1")
    assert (row.summary, row.description) == ("Run a probe.", "The first line\nand the second.")
    assert (row.idempotent, row.long) == (True, False)


def test_a_lone_verb_is_its_own_noun() -> None:
    enter("probe")(documented)
    assert (operations.find("probe").noun, operations.find("probe").verb) == ("probe", "")


def test_registered_is_sorted_and_a_noun_keeps_the_order_of_declaration() -> None:
    for name in ("probe.zeta", "probe.alpha"):
        enter(name)(documented)
    assert [row.name for row in operations.of_noun("probe")] == ["probe.zeta", "probe.alpha"]
    assert [row.name for row in operations.registered() if row.noun == "probe"] == ["probe.alpha", "probe.zeta"]
    with pytest.raises(KeyError):
        operations.find("probe.beta")


@pytest.mark.parametrize(
    ("given", "function", "problem"),
    [
        ({"name": "Probe.run"}, documented, "name"),
        ({"name": "probe.run.twice"}, documented, "name"),
        ({"route": "GET /probes"}, documented, "route"),
        ({"route": "LIST /v1/probes"}, documented, "route"),
        ({"scope": "probe"}, documented, "scope"),
        ({"example": "probe run"}, documented, "example"),
        ({}, undocumented, "docstring"),
        ({}, lonely, "request type"),
        ({"name": "version"}, documented, "unique name"),
    ],
)
def test_a_row_of_the_wrong_form_does_not_import(given: dict[str, Any], function: Any, problem: str) -> None:
    bootstrap.load("version")
    with pytest.raises(ValueError, match=rf"has a wrong .*{problem}"):
        enter(**given)(function)


def test_fields_in_order_with_the_names_of_the_wire() -> None:
    assert operations.fields_of(Want) == [
        ("name", str, Field("Name.", positional=True, metavar="NAME"), msgspec.NODEFAULT),
        ("for", str | None, Field("Receipt.", "file_in"), None),
        ("tags", list[str], Field("Tags."), []),
        ("kind", Literal["a", "b"], Field("Kind.", setting="mirror.valid_for"), "a"),
    ]


def test_a_field_without_help_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Bare\.name has no arg"):
        operations.fields_of(Bare)


def test_every_operation_of_the_product_keeps_the_rules_of_the_house() -> None:
    for row in bootstrap.load_all():
        assert row.summary.endswith("."), row.name
        assert re.fullmatch(r"stella(\.[a-z-]+){1,2}@[0-9]+", row.schema), row.name
        assert all(line.startswith(f"stella {row.name.replace('.', ' ')}") for line in row.example.splitlines()), (
            row.name
        )
        assert row.request.__struct_config__.forbid_unknown_fields, row.name
        for name, _, about, _ in operations.fields_of(row.request):
            assert about.help.endswith("."), f"{row.name}.{name}"
            assert about.positional <= bool(about.metavar), f"{row.name}.{name}"
