"""Secrets, attempts, rotation, forms and the setting of issuers, each by itself."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.identity import believed, rotation, secret
from stella.identity.asked import MAX_FORM, read_basic, read_form
from stella.identity.attempts import Attempts, origin
from stella.identity.believed import Believed
from stella.identity.errors import BadIdentitySetting, BadIssuerSetting
from stella.identity.keyring import STALE, Keyring
from stella.identity.refusals import Refused
from stella.identity.rotation import LEAD, Stored
from stella.runtime.counts import Counts
from stella.runtime.settings import IdentitySettings
from stella.runtime.telemetry import MetricName
from stella.tenancy import jwks
from stella.tenancy.errors import TokenKeyUnknown
from stella.tenancy.mint import SigningKey
from stella.tenancy.model import MAX_LIFE, SKEW
from stella.testing import ManualClock, counted_entropy


def test_a_secret_and_nothing_else_matches() -> None:
    entropy = counted_entropy("secret")
    made = secret.make(entropy)
    kept = secret.hashed(made, entropy)
    assert len(made) == 43
    assert secret.matches(made, kept)
    assert secret.hashed(made, entropy) != kept  # another salt
    assert not secret.matches("x" * 5000, secret.hashed("x" * 5000, entropy))  # nobody has one so long
    for wrong in ("", made[:-1], made + "x", made.lower(), "\0", "\ud800", "x" * 5000):
        assert not secret.matches(wrong, kept)


@pytest.mark.parametrize("given", ["", "x", "x" * secret.MAX_GIVEN, "x" * (secret.MAX_GIVEN + 1), "x" * 16_000])
def test_a_wrong_secret_costs_what_an_unknown_name_does(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is too long as well: else its time tells whether the name is there."""
    entropy, spent = counted_entropy("secret"), []
    kept, scrypt = secret.hashed("good", entropy), secret._scrypt
    monkeypatch.setattr(secret, "_scrypt", lambda *of: spent.append((len(of[0]), of[2])) or scrypt(*of))
    assert not secret.matches(given, kept)
    secret.spend(given)
    assert len(spent) == 2
    assert spent[0] == spent[1]


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "x",
        "scrypt$16384$$",
        "scrypt$16384$!$!",
        "scrypt$99999999$AAAA$AAAA",
        "scrypt$-1$AAAA$AAAA",
        "scrypt$x$AAAA$AAAA",
        "plain$16384$AAAA$AAAA",
        "$$$",
        "scrypt$16384$AAAA$AAAA$AAAA",
    ],
)
def test_a_row_that_was_not_written_here_matches_nothing(kept: str) -> None:
    assert not secret.matches("", kept)
    assert not secret.matches("x", kept)


def test_attempts_end_and_come_back() -> None:
    attempts = Attempts(burst=3, interval=10)
    assert [attempts.take("a", 100) for _ in range(4)] == [0, 0, 0, 10]
    assert attempts.take("b", 100) == 0
    assert attempts.take("a", 109) == 1
    assert attempts.take("a", 110) == 0
    assert attempts.take("a", 111) == 9
    assert [attempts.take("a", 1000) for _ in range(4)] == [0, 0, 0, 10]


def test_a_right_secret_costs_no_attempt() -> None:
    attempts = Attempts(burst=2, interval=10)
    for _ in range(50):
        assert attempts.take("a", 100) == 0
        attempts.give_back("a", 100)
    assert not attempts._spent


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", True),
        ("2001:db8:0:1::1", "2001:0DB8:0:1::1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::1", "127.0.0.1", False),
        ("", "x", False),
    ],
)
def test_one_line_of_a_provider_is_one_address(one: str, other: str, same: bool) -> None:
    """Whoever has a /64 has 2**64 addresses."""
    assert (origin(one) == origin(other)) is same


def test_the_memory_of_attempts_is_bounded() -> None:
    attempts = Attempts(burst=2, interval=10, size=100)
    for number in range(1000):
        attempts.take(str(number), 100)
    assert len(attempts._spent) == 100


@given(st.lists(st.integers(0, 60), max_size=40))
def test_no_more_than_the_allowance(steps: list[int]) -> None:
    attempts, now, passed = Attempts(burst=3, interval=10), 0, 0
    for step in steps:
        now += step
        passed += attempts.take("a", now) == 0
    assert passed <= 3 + now // 10 + 1


def key(kid: str, starts: int, state: str = "active", retired: int | None = None) -> Stored:
    return Stored(kid, "ES256", state, "", "", starts - LEAD, starts, retired)


def test_the_own_keys_are_counted_like_those_of_others() -> None:
    clock, counts = ManualClock(), Counts()
    keyring = Keyring(clock, b"", "https://own", counts)
    public = SigningKey.generate(counted_entropy("own")).jwk()
    stored = Stored(public["kid"], "ES256", "active", "", json.dumps(public), 0, 0, None)

    def figures(name: MetricName) -> dict[str, float]:
        return {one.labels[-1]: one.value for one in counts.series(name)}

    keyring.measure()
    assert not figures("jwks_keys"), "nothing was read yet"
    for kid, waits in ((stored.kid, 0), ("other", 0), (stored.kid, STALE)):
        keyring.take([stored])
        clock.pass_time(waits)
        with contextlib.suppress(TokenKeyUnknown):
            keyring.get(kid)
    keyring.missed()
    keyring.measure()
    asked = {"hit": 1, "miss": 1, "expired": 1, "stale": 0, "negative": 0}
    assert figures("jwks_cache_requests_total") == asked
    assert figures("jwks_fetch_total") == {"ok": 1, "unchanged": 2, "failed": 1}
    assert figures("jwks_cache_age_seconds") == {"https://own": STALE}
    assert figures("jwks_keys") == {"https://own": 1}


def test_a_key_is_published_for_longer_than_verifiers_keep_a_set() -> None:
    assert jwks.SOFT < LEAD
    assert rotation.FRESH <= jwks.SOFT
    assert rotation.KEPT >= MAX_LIFE + SKEW


def test_which_key_signs() -> None:
    keys = [key("old", 0), key("new", 1000)]
    assert rotation.signer([], 0) is None
    assert rotation.signer(keys, 999) is keys[0]
    assert rotation.signer(keys, 1000) is keys[1]
    assert rotation.following(keys, 999) is keys[1]
    assert rotation.following(keys, 1000) is None
    assert rotation.superseded(keys, 999) == []
    assert rotation.superseded(keys, 1000) == [keys[0]]
    assert rotation.signer([key("gone", 0, "retired", 5), keys[0]], 10) is keys[0]


@given(st.lists(st.integers(0, 10_000), max_size=6, unique=True), st.integers(0, 20_000))
def test_one_key_signs_at_most(starts: list[int], now: int) -> None:
    keys = [key(str(number), begin) for number, begin in enumerate(starts)]
    signs, over = rotation.signer(keys, now), rotation.superseded(keys, now)
    assert (signs is None) == all(one.starts > now for one in keys)
    assert signs not in over
    assert {one.kid for one in keys if one.starts <= now} == {one.kid for one in (*over, *filter(None, [signs]))}


def test_when_a_key_is_due() -> None:
    keys = [key("a", 1000)]
    every = 10_000
    assert not rotation.is_due([], 0, every)
    assert not rotation.is_due(keys, 1000 + every - LEAD - 1, every)
    assert rotation.is_due(keys, 1000 + every - LEAD, every)
    assert not rotation.is_due([*keys, key("b", 1000 + every)], 1000 + every - LEAD, every)


@pytest.mark.parametrize(
    "body",
    [
        b"a",
        b"a=1&a=2",
        b"a=%00",
        b"a=%ff",
        "a=\u00e9".encode(),
        b"a=" + b"x" * MAX_FORM,
        b"&" * 40,
        b"=" * 3 + b"&" * 40,
    ],
)
def test_a_form_that_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        read_form(body)
    assert caught.value.error == "invalid_request"


def test_a_form() -> None:
    assert read_form(b"") == {}
    assert read_form(b"a=1&b=%C3%A9+x&c=") == {"a": "1", "b": "\u00e9 x"}  # what is empty counts as absent


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_refused(body: bytes) -> None:
    try:
        found = read_form(body)
    except Refused:
        return
    assert all(value and "\0" not in value for value in found.values())


def test_basic() -> None:
    pair = base64.b64encode(b"acme.ci:a%3Ab+c").decode()
    assert read_basic(f"basic {pair}") == ("acme.ci", "a:b c")


@given(st.text(max_size=60))
def test_any_text_is_basic_or_refused(text: str) -> None:
    for header in (text, f"Basic {text}"):
        with contextlib.suppress(Refused):
            name, given_secret = read_basic(header)
            assert isinstance(name, str)
            assert isinstance(given_secret, str)


def test_issuers_of_the_setting() -> None:
    assert believed.read("") == believed.read(" ; ") == []
    text = "https://a.example audience=stella tenants=acme,beta; https://b.example audience=x"
    assert believed.read(text) == [
        Believed("https://a.example", "stella", frozenset({"acme", "beta"})),
        Believed("https://b.example", "x", None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example",
        "https://a.example audience=",
        "https://a.example audience",
        "https://a.example audience=x audience=y",
        "https://a.example audience=x tenants=",
        "https://a.example audience=x tenants=a,,b",
        "https://a.example audience=x tenants=A",
        "https://a.example audience=x tenants=*",
        "https://a.example audience=x more=y",
        "https://a.example audience=x; https://a.example audience=y",
        ";".join(f"https://{number}.example audience=x" for number in range(20)),
    ],
)
def test_a_setting_that_is_refused(text: str) -> None:
    with pytest.raises(BadIssuerSetting):
        believed.read(text)


HERE = "http://127.0.0.1:8400"


def test_the_own_issuer_of_the_settings() -> None:
    assert believed.own(IdentitySettings(), HERE) == (HERE, "stella", 300)
    assert believed.own(IdentitySettings(), "http://192.0.2.1:8400").name == "http://192.0.2.1:8400"
    for name in ("https://id.example", "https://id.example/stella/", "https://id.example:8443", "http://[::1]:80"):
        assert believed.own(IdentitySettings(issuer=name, token_life="2m"), HERE) == (name, "stella", 120)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("issuer", "id.example"),
        ("issuer", "http://id.example"),
        ("issuer", "https://"),
        ("issuer", "https://id.example?x"),
        ("issuer", "https://id.example/#x"),
        ("issuer", "https://user:word@id.example"),
        ("issuer", "https://id.example/ x"),
        ("issuer", "https://\u0456d.example"),
        ("audience", ""),
        ("audience", "a\nb"),
        ("token_life", "119s"),
        ("token_life", "1h"),
        ("token_life", "0s"),
    ],
)
def test_a_setting_of_the_own_issuer_that_is_refused(setting: str, text: str) -> None:
    """At the start, and not when the first token is asked for."""
    with pytest.raises(BadIdentitySetting) as caught:
        believed.own(IdentitySettings(**{setting: text}), HERE)
    assert caught.value.facts["setting"] == setting


def test_no_other_issuer_has_the_own_name() -> None:
    settings = IdentitySettings(issuers=f"https://a.example audience=x; {HERE} audience=x")
    assert len(believed.others(settings, "https://id.example")) == 2
    with pytest.raises(BadIssuerSetting, match="itself"):
        believed.others(settings, HERE)
