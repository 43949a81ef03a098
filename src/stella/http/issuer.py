"""The endpoints of the embedded issuer: discovery, keys, tokens, logins of devices, revocation.

Rules:
- Forms are small, and each field is there once. What is refused is told in the words of RFC 6749, never in its own.
- Comparing a secret costs time and memory on purpose, so it is done in few threads of its own; who would wait for long
  is told to come back.
- Answers with a token are kept by nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec

from stella.http import device_page
from stella.http.auth import presented
from stella.http.device_page import Forms
from stella.http.errors import BodyTooLarge, NotAuthenticated
from stella.http.exchange import JSON, Answer, Headers, Request, tagged
from stella.http.issuer_table import ISSUER
from stella.http.routes import Handler, Route, of_table
from stella.http.table import FORM
from stella.identity import rotation
from stella.identity.asked import MAX_FORM, Asked, read_form
from stella.identity.device import Waiting, read_code
from stella.identity.issuer import Issuer
from stella.identity.refusals import Refused, away, bad_request
from stella.kernel.errors import StellaError
from stella.operations import Context
from stella.tenancy.compact import encode

THREADS = 2
WAITING = 32  # requests for those threads
SECONDS = 10.0  # in which a form must come
MAX_QUERY = 8  # fields
MAX_CODE = 64  # characters of what somebody types
UNKEPT: Headers = [(b"cache-control", b"no-store"), (b"pragma", b"no-cache")]
FORBIDDEN = 403

Made = TypeVar("Made")
Told = Callable[[str, Mapping[str, object]], None]


class Endpoints:
    """The routes of an issuer; `denied` hears what was refused, and why."""

    def __init__(self, issuer: Issuer, ctx: Context, denied: Told) -> None:
        self._issuer = issuer
        self._ctx = ctx
        self._denied = denied
        self._forms = Forms(ctx.entropy(device_page.KEY_BYTES))
        self._threads = ThreadPoolExecutor(THREADS, "stella-issuer")
        self._busy = 0
        self._metadata = msgspec.json.encode(issuer.metadata())

    def routes(self) -> list[Route]:
        """They need no token: this is where one comes from."""
        return of_table(
            {
                "oauth.discovery": self.metadata,
                "oauth.metadata": self.metadata,
                "oauth.keys": self.keys,
                "oauth.token": self._spoken(self._issuer.token),
                "oauth.device": self._spoken(self._issuer.authorize_device),
                "oauth.revoke": self._spoken(self._revoked),
                "oauth.page": self.page,
                "oauth.approve": self.approve,
            },
            ISSUER,
        )

    def close(self) -> None:
        """Take nothing new."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def metadata(self, request: Request) -> Answer:
        """GET /.well-known/openid-configuration."""
        return tagged(request, Answer(200, self._metadata, [(b"content-type", JSON)]))

    async def keys(self, request: Request) -> Answer:
        """GET /jwks."""
        headers: Headers = [
            (b"content-type", b"application/jwk-set+json"),
            (b"cache-control", b"public, max-age=%d" % rotation.FRESH),
        ]
        return tagged(request, Answer(200, self._issuer.key_set(), headers))

    async def page(self, request: Request) -> Answer:
        """GET /device."""
        try:
            return await self._form(request, _code_in(request.query))
        except Refused as refused:
            return self._wrong(request, refused)

    async def approve(self, request: Request) -> Answer:
        """POST /device."""
        address = address_of(request)
        try:
            form = await self._read(request)
            cookie = device_page.cookie_in(request.header(b"cookie"))
            elsewhere = request.header(b"sec-fetch-site") not in {"", "same-origin", "none"}
            if elsewhere or not self._forms.belongs(form.get(device_page.FIELD, ""), cookie):
                raise Refused("access_denied", "the form is not from this page, or too old; open it again", FORBIDDEN)
            code, name, secret = (form.get(field, "") for field in ("user_code", "name", "secret"))
            who = await self._threaded(lambda: self._issuer.approve(code, name.strip(), secret, address))
            if who is None:
                problem = "Code, name or secret is wrong, or the code has expired."
                return await self._form(request, code[:MAX_CODE], problem, FORBIDDEN)
        except Refused as refused:
            return self._wrong(request, refused)
        return Answer(200, device_page.done(who.subject, sorted(who.scopes)), device_page.headers())

    async def _form(self, request: Request, code: str, problem: str = "", status: int = 200) -> Answer:
        login: Waiting | None = None
        if read_code(code) and not problem:
            login = await self._threaded(lambda: self._issuer.waiting(code, address_of(request)))
        asked: list[str] = []
        if login is not None:
            minutes = max(self._ctx.clock.read().wall - login.made, 0) // 60
            asked = device_page.asked_for(login.scopes, login.address, minutes)
        cookie = encode(self._ctx.entropy(device_page.SEED_BYTES))
        headers = device_page.headers(cookie, secure=self._issuer.name.startswith("https:"))
        return Answer(status, device_page.form(self._forms.field(cookie), code, asked, problem), headers)

    def _wrong(self, request: Request, refused: Refused) -> Answer:
        """A page that says why."""
        self._tell(request, refused)
        cookie = encode(self._ctx.entropy(device_page.SEED_BYTES))
        headers = device_page.headers(cookie, secure=self._issuer.name.startswith("https:"))
        body = device_page.form(self._forms.field(cookie), "", (), f"{refused.words}.".capitalize())
        return Answer(refused.status, body, [*headers, *_plain(refused.headers)])

    def _revoked(self, asked: Asked) -> dict[str, Any]:
        self._issuer.revoke(asked)
        return {}

    def _spoken(self, method: Callable[[Asked], dict[str, Any]]) -> Handler:
        """An endpoint that machines speak to."""

        async def handle(request: Request) -> Answer:
            try:
                form = await self._read(request)
                asked = self._asked(request, form)
                found = await self._threaded(lambda: method(asked))
            except Refused as refused:
                self._tell(request, refused)
                headers: Headers = [(b"content-type", JSON), *UNKEPT, *_plain(refused.headers)]
                return Answer(refused.status, msgspec.json.encode(refused.body()), headers)
            return Answer(200, msgspec.json.encode(found), [(b"content-type", JSON), *UNKEPT])

        return handle

    async def _read(self, request: Request) -> dict[str, str]:
        kind = request.header(b"content-type").partition(";")[0].strip().lower()
        if kind != FORM or request.query:
            raise bad_request(f"send the fields as {FORM}")
        try:
            return read_form(await request.body(MAX_FORM, SECONDS))
        except BodyTooLarge:
            raise Refused("invalid_request", "the form is too large", BodyTooLarge.status) from None

    def _asked(self, request: Request, form: dict[str, str]) -> Asked:
        try:
            given = presented(request.headers, request.scope)
        except NotAuthenticated:
            raise bad_request("there are several Authorization headers") from None
        return Asked(
            form=form,
            url=self._issuer.name.rstrip("/") + str(request.scope["path"]),
            address=address_of(request),
            authorization=given.authorization.decode("latin-1"),
            proofs=tuple(proof.decode("latin-1") for proof in given.proofs),
            certificate=given.certificate,
        )

    async def _threaded(self, work: Callable[[], Made]) -> Made:
        """The result of work that may block; raises Refused when too much of it waits, or it cannot be done now."""
        if self._busy >= WAITING:
            raise away()
        self._busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except StellaError as error:
            self._denied("issuer.failed", {"code": error.code, "problem": error.message})
            raise away() from None
        finally:
            self._busy -= 1

    def _tell(self, request: Request, refused: Refused) -> None:
        if refused.error not in {"authorization_pending", "slow_down"}:
            self._denied(refused.error, {"operation": request.operation, "address": address_of(request)})


def address_of(request: Request) -> str:
    """The address at the other end of the connection; that of a proxy where one stands in front."""
    client = request.scope.get("client")
    return str(client[0]) if client else ""


def _code_in(query: str) -> str:
    """The code of a login in the query of the page; empty when there is none. Raises Refused."""
    try:
        found = parse_qs(query, max_num_fields=MAX_QUERY)
    except ValueError:
        raise bad_request("the query has too many fields") from None
    return next(iter(found.get("user_code", [])), "")[:MAX_CODE]


def _plain(headers: Mapping[str, str]) -> Headers:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
