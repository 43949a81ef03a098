"""The OpenAPI document and the service say the same: schemathesis looks for a request that shows otherwise.

The same requests are tried every time, so that what fails fails again; the nightly run looks for others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from stella import bootstrap
from stella.http.issuer_table import ISSUER
from stella.http.openapi import document
from stella.http.table import RESOURCES
from stella.runtime.postgres_server import Postgres
from tests.service import PATIENCE, Running, running

pytestmark = [pytest.mark.network, pytest.mark.slow]

EXAMPLES = 10
FEWER = {"mirror.init": 3, "mirror.rotate": 3, "site.init": 3}  # each makes keys, slowly and on purpose
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
    unsupported_method,
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    limits = {"STELLA_SERVICE_MAX_QUEUED": "100000", "STELLA_ISSUER_PASSPHRASE": "only for tests, long enough"}
    with running(tmp_path_factory.mktemp("schema"), postgres, **limits) as made:
        for method, path, body in (
            ("POST", "/v1/mirror/channels", {"dir": "0"}),
            ("POST", "/v1/site", {"dir": "1", "trust": "0/trust"}),
        ):
            assert made.call(method, path, body).status == 201
        yield made


OPERATIONS = [row for row in bootstrap.load_all() if not row.local]
DOCUMENT = msgspec.json.decode(msgspec.json.encode(document(OPERATIONS, ISSUER)))
LABELS = [
    (path, method.upper(), entry["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, entry in methods.items()
    if entry["operationId"] != "demo"  # it would fetch releases
]


@pytest.mark.parametrize("anew", [False, pytest.param(True, marks=pytest.mark.nightly)], ids=["same", "anew"])
@pytest.mark.parametrize("mode", GenerationMode, ids=str)
@pytest.mark.parametrize(("path", "method", "name"), LABELS, ids=[name for _, _, name in LABELS])
def test_no_answer_outside_of_the_document(
    path: str, method: str, name: str, mode: GenerationMode, anew: bool, service: Running
) -> None:
    row = schemathesis.openapi.from_dict(DOCUMENT)[path][method]
    if mode is GenerationMode.POSITIVE and name.startswith("drill."):
        pytest.skip("each would keep the machine busy for minutes")
    if mode is GenerationMode.NEGATIVE and name.startswith("oauth."):
        pytest.skip("a form has no types that could be wrong")
    if mode is GenerationMode.NEGATIVE and not (row.body or row.query or row.headers):
        pytest.skip("nothing that could be wrong")

    examples = FEWER.get(name, EXAMPLES)

    @given(case=row.as_strategy(generation_mode=mode))
    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=not anew,
    )
    def check(case: Any) -> None:
        assume(all(value not in ([], {}) for value in (case.query or {}).values()))  # nothing of them is sent
        case.call_and_validate(
            base_url=service.url,
            session=session,
            headers={"Authorization": f"Bearer {service.token}"},
            checks=CHECKS,
            timeout=PATIENCE,
        )

    with requests.Session() as session:
        check()
    assert name
    assert "failed" not in {line["event"] for line in service.lines()}


def test_the_table_the_routes_and_the_document_list_the_same(service: Running) -> None:
    document = service.call("GET", "/openapi.json").json
    listed = {
        (entry["operationId"], method.upper(), path)
        for path, methods in document["paths"].items()
        for method, entry in methods.items()
    }
    table = {(row.name, row.method, row.path) for row in OPERATIONS}
    own = {(row.name, row.method, row.path) for row in (*RESOURCES, *ISSUER)}
    assert listed == table | own
    assert len({name for name, _, _ in listed}) == len(listed)
    for name, method, path in listed:
        if method != "POST" and name not in {"uploads.append", "uploads.delete"}:
            got = service.call(method, path.replace("{", "x").replace("}", ""))
            assert got.status != 405, name
            assert method == "HEAD" or got.status != 404 or got.json["code"] != "HTTP-003", name
