"""The page on which a person approves a login: one form, no script, nothing from elsewhere.

Rules:
- It is framed by nobody, kept by nobody, and sends its form nowhere but here.
- A form counts with the cookie that came with it, so that no other site can send one in somebody's name; and a browser
  that says it comes from another site is refused before that.
- Code, name and secret are asked for each time; nobody is logged in here.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from stella.formats.markup import safe
from stella.http.exchange import Headers

COOKIE = "stella-device"
FIELD = "form"
KEY_BYTES = 32
SEED_BYTES = 16

_STYLE = (
    "body{font:1rem/1.5 system-ui;max-width:28rem;margin:3rem auto;padding:0 1rem}"
    "label,input,button{display:block;width:100%;box-sizing:border-box}"
    "input,button{font:inherit;padding:.5rem;margin:.25rem 0 1rem}code{overflow-wrap:anywhere}"
)
_POLICY = b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


def headers(cookie: str = "", *, secure: bool = False) -> Headers:
    """The headers of a page; with a cookie when there is a form on it."""
    found: Headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", _POLICY),
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
    if cookie:
        words = f"{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age=600{'; Secure' if secure else ''}"
        found.append((b"set-cookie", words.encode()))
    return found


class Forms:
    """Makes the pair of a cookie and a hidden field, and knows it again; `key` is random and lives with the process."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def field(self, cookie: str) -> str:
        """The field that goes with a cookie."""
        return hmac.digest(self._key, cookie.encode(), "sha256").hex()

    def belongs(self, field: str, cookie: str) -> bool:
        """Whether field and cookie came together."""
        return bool(cookie) and hmac.compare_digest(field.encode(), self.field(cookie).encode())


def cookie_in(header: str) -> str:
    """Our cookie in a Cookie header; empty when there is none."""
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def form(field: str, code: str, asked: Sequence[str] = (), problem: str = "") -> bytes:
    """The page with the form; `asked` are sentences on what the code is for."""
    told = "".join(f"<p>{line}</p>" for line in asked)
    wrong = f'<p role="alert"><strong>{safe(problem)}</strong></p>' if problem else ""
    return _page(
        f"""{wrong}{told}<form method="post" action="device">
<input type="hidden" name="{FIELD}" value="{safe(field)}">
<label for="user_code">Code that the command line shows</label>
<input id="user_code" name="user_code" value="{safe(code)}" required maxlength="20"
 autocomplete="off" autocapitalize="characters" spellcheck="false">
<label for="name">Your name, as TENANT.NAME</label>
<input id="name" name="name" required maxlength="130" autocomplete="username" autocapitalize="none" spellcheck="false">
<label for="secret">Your secret</label>
<input id="secret" name="secret" type="password" required maxlength="1024" autocomplete="current-password">
<button>Approve this login</button>
</form>"""
    )


def asked_for(scopes: Sequence[str], address: str, minutes: int) -> list[str]:
    """What a person should know before approving."""
    what = ", ".join(f"<code>{safe(scope)}</code>" for scope in scopes) or "everything that you may do"
    return [
        f"The command line at <code>{safe(address)}</code> asked {minutes} min ago for: {what}.",
        "Approve it only if you have just typed <code>stella login</code> yourself.",
    ]


def done(subject: str, scopes: Sequence[str]) -> bytes:
    """The page after an approval."""
    may = ", ".join(f"<code>{safe(scope)}</code>" for scope in scopes)
    said = f"The command line is logged in as <code>{safe(subject)}</code> and may: {may}."
    return _page(f"<p>{said}</p><p>You can close this page.</p>")


def _page(body: str) -> bytes:
    head = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Log in to Stella</title><style>{_STYLE}</style>"
    )
    return f"{head}<h1>Log in to Stella</h1>{body}</html>\n".encode()
