"""A service that believes a real OpenID provider, npm's oidc-provider: discovery, keys, at+jwt, DPoP, the device flow.

npm install --prefix DIR oidc-provider && OIDC_PROVIDER=DIR/node_modules pytest -n 0 -m peer -rs

Rules:
- The provider is a process on loopback that ends by itself. Where node or the package is not there, the reason is said.
"""

from __future__ import annotations

import base64
import html
import http.client
import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from stella.runtime.postgres_server import Postgres
from stella.tenancy.discovery import Discovered
from stella.tenancy.errors import KeySetUnreachable
from stella.tenancy.keys import read_set
from stella.tenancy.mint import SigningKey
from stella.testing import counted_entropy
from tests.database import postgres
from tests.e2e.material import ROOT
from tests.e2e.test_identity import as_token, stella
from tests.identity import proof_for
from tests.service import PATIENCE, Running, running

__all__ = ["postgres"]  # a fixture
pytestmark = [pytest.mark.network, pytest.mark.peer]

LIFE = 120  # seconds
KEY = SigningKey.generate(counted_entropy("holder"), "ES256")


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The address of a provider, which is its name."""
    modules, node = os.environ.get("OIDC_PROVIDER", ""), shutil.which("node")
    if node is None:
        pytest.skip("node is not on PATH")
    if not (Path(modules) / "oidc-provider").is_dir():
        pytest.skip("OIDC_PROVIDER names no folder of node modules with oidc-provider")
    words = [node, str(ROOT / "tests/oidc_provider.mjs"), str(Path(modules).absolute()), str(LIFE)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def service(provider: str, tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    """A service without an issuer of its own."""
    believed = f"{provider} audience=stella tenants=acme"
    with running(tmp_path_factory.mktemp("peer"), postgres, STELLA_IDENTITY_ISSUERS=believed) as made:
        assert made.call("POST", "/v1/tenants", {"tenant": "acme"}).status == 201
        yield made


def token_of(provider: str, **headers: str) -> dict[str, Any]:
    basic = base64.b64encode(b"ci:only+for+tests").decode()
    connection = http.client.HTTPConnection(str(urlsplit(provider).netloc), timeout=PATIENCE)
    body = urlencode({"grant_type": "client_credentials", "scope": "client:read"})
    kind = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/token", body, kind | headers)
    answer = connection.getresponse()
    found: dict[str, Any] = json.loads(answer.read())
    connection.close()
    assert answer.status == 200, found
    return found


def test_discovery_and_keys(provider: str) -> None:
    fetch = Discovered(provider)
    answer = fetch("")
    assert answer.body is not None
    assert read_set(answer.body, provider)
    with pytest.raises(KeySetUnreachable, match="another issuer"):
        Discovered(f"{provider}/")("")


def test_a_token_of_the_provider_counts(provider: str, service: Running) -> None:
    token = token_of(provider)["access_token"]
    got = as_token(service, token, "GET", "/v1/clients")
    assert (got.status, got.json["tenant"]) == (200, "acme")
    assert as_token(service, token, "GET", "/v1/jobs").json["code"] == "HTTP-002"
    head, payload, signature = token.split(".")
    forged = as_token(service, f"{head}.{payload}.{signature[::-1]}", "GET", "/v1/clients")
    assert forged.status == 401


def test_a_bound_token_of_the_provider(provider: str, service: Running) -> None:
    now = int(time.time())
    proof = proof_for(KEY, "POST", f"{provider}/token", now, jti="1")
    found = token_of(provider, DPoP=proof)
    assert found["token_type"] == "DPoP"
    token = found["access_token"]
    assert as_token(service, token, "GET", "/v1/clients").json["reason"] == "token.binding"
    good = proof_for(KEY, "GET", f"{service.url}/v1/clients", now, token=token, jti="2")
    headers = {"Authorization": f"DPoP {token}", "DPoP": good}
    assert service.call("GET", "/v1/clients", **headers).status == 200
    assert service.call("GET", "/v1/clients", **headers).json["reason"] == "token.binding"  # the proof is good once


def browse(address: str, answers: dict[str, str]) -> str:
    """Fill every form that comes with what fits, as a person would; the last page."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    page = opener.open(address, timeout=PATIENCE)
    for _ in range(10):
        text, here = page.read().decode(), page.geturl()
        form = re.search(r"<form[^>]*?>.*?</form>", text, re.DOTALL)
        if form is None:
            return str(text)
        action = re.search(r'action="([^"]*)"', form[0])
        fields = {}
        for tag in re.findall(r"<(?:input|button)[^>]*>", form[0]):
            name, value = (re.search(rf'{word}="([^"]*)"', tag) for word in ("name", "value"))
            if name and name[1] != "abort":
                fields[name[1]] = answers.get(name[1], html.unescape(value[1]) if value else "")
        target = urljoin(here, html.unescape(action[1])) if action else here
        page = opener.open(target, urlencode(fields).encode(), timeout=PATIENCE)
    raise AssertionError(text)


def logged_in(provider: str, service: Running, folder: Path, who: str) -> tuple[int, str]:
    words = ("login", "--issuer", provider, "--client", "stella", "--scope", "client:read")
    command = stella(service, folder, *words)
    assert command.stderr is not None
    match = re.match(r"note: open (\S+) and type (\S+)\n", command.stderr.readline())
    assert match is not None
    browse(match[1], {"user_code": match[2], "login": who, "password": "x", "confirm": "yes"})
    _, err = command.communicate(timeout=PATIENCE)
    return command.returncode, err


def test_a_person_logs_in_at_the_provider(provider: str, service: Running, tmp_path: Path) -> None:
    assert logged_in(provider, service, tmp_path, "ada") == (0, "")
    out, err = stella(service, tmp_path, "client", "list", "--server", service.url, "--json").communicate(timeout=60)
    assert json.loads(out)["tenant"] == "acme", err
    out, _ = stella(service, tmp_path, "logout", "--json").communicate(timeout=60)
    assert json.loads(out)["forgotten"]


def test_a_provider_speaks_for_its_tenants_alone(provider: str, service: Running, tmp_path: Path) -> None:
    assert service.call("POST", "/v1/tenants", {"tenant": "beta"}).status == 201
    assert logged_in(provider, service, tmp_path, "eve") == (0, "")  # of beta
    out, err = stella(service, tmp_path, "client", "list", "--server", service.url).communicate(timeout=60)
    assert (out, "TOKEN-009" in err) == ("", True)
