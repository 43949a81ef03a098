"""The page on which a login is approved."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from stella.http import device_page
from stella.http.device_page import Forms

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>\u202e"


def test_nothing_of_a_client_is_markup() -> None:
    pages = [
        device_page.form(HOSTILE, HOSTILE, device_page.asked_for([HOSTILE], HOSTILE, 1), HOSTILE),
        device_page.done(HOSTILE, [HOSTILE]),
    ]
    for page in pages:
        text = page.decode()
        assert "<script" not in text
        assert "<img" not in text
        assert "\u202e" not in text
        assert "\\u202e" in text


def test_every_input_has_its_label() -> None:
    text = device_page.form("f", "c").decode()
    ids = set(re.findall(r'<input id="([a-z_]+)"', text))
    assert ids == set(re.findall(r'<label for="([a-z_]+)"', text)) == {"user_code", "name", "secret"}
    assert 'type="password"' in text


def test_the_cookie_is_secure_where_there_is_tls() -> None:
    plain = dict(device_page.headers("x"))
    assert b"Secure" not in plain[b"set-cookie"]
    assert b"; Secure" in dict(device_page.headers("x", secure=True))[b"set-cookie"]
    assert b"set-cookie" not in dict(device_page.headers())


@given(st.text(), st.text())
def test_a_field_belongs_to_its_cookie(cookie: str, other: str) -> None:
    cookie, other = (text.encode(errors="replace").decode() for text in (cookie, other))
    forms = Forms(b"k" * 32)
    field = forms.field(cookie)
    assert forms.belongs(field, cookie) is bool(cookie)
    assert forms.belongs(field, other) is (bool(other) and cookie == other)
    assert not Forms(b"j" * 32).belongs(field, cookie)


def test_our_cookie_among_others() -> None:
    assert device_page.cookie_in("a=b; stella-device=x ; c=d") == "x"
    assert device_page.cookie_in("xstella-device=x; stella-device-2=y") == ""
    assert device_page.cookie_in("") == ""
