"""OpenBao over HTTP: one call of its API, and the secrets behind `bao:` references.

Rules:
- https, or http on this machine; no answer is followed elsewhere, and no proxy is used.
- Size and time of an exchange are bounded. Its token is sent in a header and stands in no error.
- A sealed vault, or one that is away, is a reason to try again later; nothing is half done by it.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import msgspec

from stella.runtime.errors import BadSetting, BaoAway, BaoDenied, BaoRefused, SecretUnreadable
from stella.runtime.watch import Watch

SECONDS = 15  # it answers within milliseconds; longer means that nobody is there
MAX_ANSWER = 1 << 20  # bytes
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_GOOD, _DENIED, _MISSING, _SEALED = range(200, 300), (401, 403), 404, (429, 472, 473, 502, 503, 504)


class _Answer(msgspec.Struct, frozen=True):
    data: dict[str, object] | None = None
    errors: tuple[str, ...] = ()


class OpenBao:
    """A server at an address, and the token to show to it. Raises BadSetting for an address that cannot be used."""

    def __init__(self, address: str, token: bytes) -> None:
        try:
            self._parts = urlsplit(address)
            usable = bool(self._parts.hostname and (self._parts.port is None or self._parts.port))
        except ValueError:
            raise _unusable("no address") from None
        if not usable or self._parts.username is not None or self._parts.query or self._parts.path not in {"", "/"}:
            raise _unusable("not a scheme, a host and a port alone")
        plain = self._parts.scheme == "http" and self._parts.hostname in LOOPBACK
        if self._parts.scheme != "https" and not plain:
            raise _unusable("neither https nor on this machine")
        self.address = f"{self._parts.scheme}://{self._parts.netloc}"
        self._token = token.decode("ascii", "replace").strip()

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
        """The `data` of an answer; raises BaoAway, BaoDenied or BaoRefused."""
        found = self._ask(method, path, body)
        if found is None:
            raise BaoRefused(path=path, problem="there is nothing of that name")
        return found

    def find(self, path: str) -> dict[str, object] | None:
        """As `call` with GET; None when there is nothing."""
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None) -> dict[str, object] | None:
        status, answer = self._exchange(
            method, f"/v1/{quote(path)}", None if body is None else msgspec.json.encode(body)
        )
        if status in _DENIED:
            raise BaoDenied(address=self.address, path=path)
        if status in _SEALED:
            raise BaoAway(address=self.address, problem=f"status {status}: it is sealed, standing by or starting")
        if status == _MISSING:
            return None
        try:
            found = msgspec.json.decode(answer, type=_Answer) if answer else _Answer()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise BaoRefused(path=path, problem="its answer cannot be read") from None
        if status not in _GOOD:
            said = ascii("; ".join(found.errors))[1:-1][:200]
            raise BaoRefused(path=path, problem=f"status {status}: {said}")
        return found.data or {}

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=SECONDS)
        watch, headers = Watch(connection, SECONDS), {"X-Vault-Token": self._token, "X-Vault-Request": "true"}
        try:
            connection.request(method, path, body, headers)
            watch.hold()
            response = connection.getresponse()
            answer = response.read(MAX_ANSWER + 1)
        except (OSError, ValueError, http.client.HTTPException) as error:
            problem = f"no whole answer within {SECONDS} s" if watch.late else str(error) or type(error).__name__
            raise BaoAway(address=self.address, problem=problem) from None
        finally:
            watch.end()
            connection.close()
        if watch.late or len(answer) > MAX_ANSWER:
            raise BaoAway(address=self.address, problem="its answer is too slow or too large")
        return response.status, answer


def _unusable(problem: str) -> BadSetting:
    """An address may hold a password, so it is not repeated."""
    return BadSetting(
        key="bao.address", origin="the settings", value=problem, expected="such as https://bao.example:8200"
    )


def read_secret(bao: OpenBao, reference: str) -> bytes:
    """The secret behind `bao:MOUNT/PATH#FIELD` of a key-value engine, version 2; raises as `OpenBao.call`.

    Raises SecretUnreadable for a reference of another form, and for a field that is absent, empty or no text.
    """
    place, sharp, field = reference.removeprefix("bao:").partition("#")
    mount, slash, path = place.partition("/")
    if not (sharp and field and mount and slash and path):
        raise SecretUnreadable(path=reference, problem="it is not `bao:MOUNT/PATH#FIELD`")
    found = bao.call("GET", f"{mount}/data/{path}").get("data")
    value = found.get(field) if isinstance(found, dict) else None
    if not isinstance(value, str) or not value:
        raise SecretUnreadable(path=reference, problem="it has no such field, or an empty one")
    return value.encode()
