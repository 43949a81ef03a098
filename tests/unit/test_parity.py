"""Everything that is made from the table has the same operations: commands, routes, OpenAPI, client, reference."""

from __future__ import annotations

import re
from pathlib import Path

import click

from stella import bootstrap
from stella.cli import generate
from stella.client.api import Client
from stella.http import openapi

ROOT = Path(__file__).parents[2]
TABLE = {operation.name: operation for operation in bootstrap.load_all()}
OFFERED = {name for name, operation in TABLE.items() if not operation.local}
OF_THE_SERVICE = {"jobs", "uploads", "files", "openapi", "healthz", "readyz", "metrics"}  # not the table's
# They start or stop what runs on this machine, a service among it, keep what a person has, or serve one who writes.
LOCAL = {"demo", "up", "down", "serve", "login", "logout", "policy.fmt", "policy.lsp"}


def test_what_a_service_does_not_offer_is_known() -> None:
    assert TABLE.keys() - OFFERED == LOCAL


def test_commands() -> None:
    found = set()
    for noun in bootstrap.NOUNS:
        command = generate.command_of(noun)
        verbs = command.list_commands(click.Context(command)) if isinstance(command, click.Group) else [""]
        found |= {f"{noun}.{verb}".rstrip(".") for verb in verbs}
    assert found == TABLE.keys()


def test_a_body_need_not_say_what_is_known_otherwise() -> None:
    document = openapi.document([TABLE["tenant.export"]])
    schemas = document["components"]["schemas"]
    assert schemas["ExportTenant"]["required"] == ["out", "reason", "ticket"]
    assert "tenant" in schemas["ExportTenant"]["properties"]


def test_the_document_of_the_service() -> None:
    document = openapi.document([TABLE[name] for name in sorted(OFFERED)])
    named = {one["operationId"] for path in document["paths"].values() for one in path.values()}
    assert {name for name in named if name.partition(".")[0] not in OF_THE_SERVICE} == OFFERED


def test_methods_of_the_client() -> None:
    client = Client("http://127.0.0.1:1", "x")
    found = set()
    for name in TABLE:
        noun, _, verb = name.partition(".")
        holder = getattr(client, noun, None) if verb else client
        if any(hasattr(holder, f"{verb or noun}{tail}".replace("-", "_")) for tail in ("", "_")):
            found.add(name)
    assert found == OFFERED


def test_the_reference() -> None:
    text = (ROOT / "docs/reference/operations.md").read_text()
    assert set(re.findall(r"^## (\S+)$", text, re.MULTILINE)) >= TABLE.keys()
