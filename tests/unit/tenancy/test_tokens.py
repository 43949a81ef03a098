"""What a good token proves, what is kept of it and for how long, and in which order checks fail."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from stella.kernel.errors import StellaError
from stella.runtime.counts import Counts
from stella.runtime.telemetry import MetricName
from stella.tenancy import errors
from stella.tenancy.mint import SigningKey
from stella.tenancy.model import Found, Issuer, Pending, Presented, SilentMeter
from stella.tenancy.revocation import Revocation, Revocations
from stella.tenancy.tokens import Verifier, require
from stella.testing import ManualClock
from tests.unit.tenancy.issued import AUDIENCE, ED, ES, GONE, ISSUER, NOW, OTHER, Keys, rs, token, verifier, verify


@pytest.mark.parametrize("key", [ES, ED, rs()], ids=lambda key: key.alg)
def test_a_good_token_says_who_and_for_which_tenant(key: SigningKey) -> None:
    found = verify(token(key, roles=["auditor"], inst="hub-1", act={"sub": "operator-2"}, auth_time=NOW - 60))
    assert (found.issuer, found.subject, found.client, found.tenant) == (ISSUER, "subject-1", "client-1", "acme")
    assert found.scopes == {"mirror:read", "site:read"}
    assert (found.id, found.issued, found.expires) == ("token-1", NOW, NOW + 300)
    assert (found.roles, found.installation, found.acting) == (("auditor",), "hub-1", "operator-2")
    assert found.authenticated == NOW - 60


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        ({"scope": GONE, "scp": ["a:b", "c:d"]}, {"a:b", "c:d"}),
        ({"scope": "a:b", "scp": ["c:d"]}, {"a:b", "c:d"}),
        ({"scope": GONE, "scp": "a:b c:d"}, {"a:b", "c:d"}),
        ({"scope": GONE}, set()),
        ({"scope": ""}, set()),
        ({"scope": "a:b  a:b"}, {"a:b"}),
        ({"scope": "* a:b"}, {"a:b"}),
        ({"scope": GONE, "scp": ["*"]}, set()),
    ],
)
def test_scopes_come_from_both_claims_and_never_stand_for_all(changes: dict[str, Any], scopes: set[str]) -> None:
    assert verify(token(**changes)).scopes == scopes


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE]])
def test_one_audience_in_either_form(aud: Any) -> None:
    assert verify(token(aud=aud)).subject == "subject-1"


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_type_in_its_spellings(typ: str) -> None:
    assert verify(token(header={"typ": typ})).subject == "subject-1"


@pytest.mark.parametrize(
    ("at", "changes", "reason"),
    [
        (NOW + 329, {}, ""),
        (NOW + 330, {}, "token.expired"),
        (NOW - 30, {}, ""),
        (NOW - 31, {}, "token.not_yet"),
        (NOW, {"nbf": NOW + 30}, ""),
        (NOW, {"nbf": NOW + 31}, "token.not_yet"),
        (NOW, {"iat": NOW + 31, "exp": NOW + 331}, "token.not_yet"),
        (NOW, {"nbf": GONE}, ""),
        (NOW, {"exp": NOW + 900}, ""),
        (NOW, {"exp": NOW + 901}, "token.malformed"),
        (NOW, {"exp": NOW}, "token.malformed"),
        (NOW, {"exp": NOW - 1}, "token.malformed"),
    ],
)
def test_time_has_thirty_seconds_of_play_and_life_a_bound(at: int, changes: dict[str, Any], reason: str) -> None:
    asked, text = verifier(clock=ManualClock(at)), Presented(token(**changes))
    if not reason:
        assert asked.verify(text).subject == "subject-1"
        return
    with pytest.raises(errors.Refusal) as caught:
        asked.verify(text)
    assert caught.value.reason == reason


def test_the_tenant_header_may_repeat_the_claim_and_nothing_else() -> None:
    asked, text = verifier(), token()
    for _ in range(2):  # the second time the result is kept
        for other in ("globex", "", "ACME", "acme "):
            with pytest.raises(errors.TokenTenantMismatch):
                asked.verify(Presented(text, tenant=other))
        assert asked.verify(Presented(text, tenant="acme")).tenant == "acme"


def test_an_issuer_may_be_limited_to_tenants_algorithms_and_a_life() -> None:
    limited = Issuer(ISSUER, Keys(), frozenset({"EdDSA"}), frozenset({"acme"}), 60)
    asked = Verifier([limited], AUDIENCE, ManualClock())
    assert asked.verify(Presented(token(ED, exp=NOW + 60))).tenant == "acme"
    for text, reason in (
        (token(ED, exp=NOW + 60, tid="globex"), "token.tenant_mismatch"),
        (token(ES, exp=NOW + 60), "token.alg_denied"),
        (token(ED, exp=NOW + 61), "token.malformed"),
    ):
        with pytest.raises(errors.Refusal) as caught:
            asked.verify(Presented(text))
        assert caught.value.reason == reason


def test_the_first_check_that_fails_decides() -> None:
    """Each token is wrong in its own way and in every later one."""
    revoked = Revocations()
    revoked.revoke(ISSUER, Revocation("token", "token-1", NOW, NOW + 300))
    asked = verifier(revocations=revoked)
    late: dict[str, Any] = {"exp": NOW - 100, "iat": NOW - 400, "aud": "other", "tid": "globex"}
    spoilt = token(OTHER, header={"kid": ES.kid}, **late)
    bound = {"cnf": {"jkt": "x"}}
    for text, reason in (
        (
            token(OTHER, header={"alg": "none", "typ": "x"}, iss="https://nobody.example", **late) + "=",
            "token.malformed",
        ),
        (token(OTHER, header={"alg": "none"}, iss="https://nobody.example", **late), "token.alg_denied"),
        (token(OTHER, iss="https://nobody.example", **late), "token.iss"),
        (token(OTHER, **late), "token.unknown_key"),
        (spoilt, "token.bad_signature"),
        (token(**late), "token.aud"),
        (token(**(late | {"aud": AUDIENCE})), "token.expired"),
        (token(tid="globex", **bound), "token.tenant_mismatch"),
        (token(**bound), "token.binding"),
        (token(), "token.revoked"),
    ):
        with pytest.raises(errors.Refusal) as caught:
            asked.verify(Presented(text, tenant="acme"))
        assert caught.value.reason == reason


def test_the_issuer_is_known_before_its_keys_are_asked_for() -> None:
    keys = Keys()
    with pytest.raises(errors.TokenIssuer):
        verify(token(iss=ISSUER + "/"), keys=keys)
    assert keys.asked == 0


def test_a_good_result_is_kept_for_a_minute() -> None:
    keys, clock = Keys(), ManualClock()
    asked, text = verifier(keys, clock), Presented(token())
    first = asked.verify(text)
    clock.pass_time(59)
    assert asked.verify(text) is first
    assert keys.asked == 1
    clock.pass_time(1)
    assert asked.verify(text) == first
    assert keys.asked == 2


def test_a_result_is_not_kept_past_the_end_of_its_token() -> None:
    keys, clock = Keys(), ManualClock(NOW + 290)
    asked, text = verifier(keys, clock), Presented(token())
    asked.verify(text)
    clock.pass_time(10)
    asked.verify(text)  # within the play of clocks, and judged anew
    assert keys.asked == 2
    clock.pass_time(30)
    with pytest.raises(errors.TokenExpired):
        asked.verify(text)


def test_a_result_is_not_kept_past_the_life_of_its_key() -> None:
    clock = ManualClock()
    keys = Keys(until=clock.read().boot_seconds + 20)
    asked, text = verifier(keys, clock), Presented(token())
    asked.verify(text)
    clock.pass_time(20)
    keys.keys.clear()
    with pytest.raises(errors.TokenKeyUnknown):
        asked.verify(text)


def test_a_refusal_is_never_kept() -> None:
    keys = Keys(ED)
    asked, text = verifier(keys), Presented(token(ES))
    with pytest.raises(errors.TokenKeyUnknown):
        asked.verify(text)
    keys.keys[ES.kid] = ES.public
    assert asked.verify(text).subject == "subject-1"


@pytest.mark.parametrize(("wall", "reason"), [(NOW + 3600, "token.expired"), (NOW - 3600, "token.not_yet")])
def test_a_step_of_the_clock_counts_at_once(wall: int, reason: str) -> None:
    clock = ManualClock()
    asked, text = verifier(clock=clock), Presented(token())
    asked.verify(text)
    clock.set_wall(wall)
    with pytest.raises(errors.Refusal) as caught:
        asked.verify(text)
    assert caught.value.reason == reason
    clock.set_wall(NOW)
    assert asked.verify(text).subject == "subject-1"


def test_a_key_that_is_gone_ends_what_was_kept() -> None:
    keys = Keys()
    asked, text = verifier(keys), Presented(token())
    asked.verify(text)
    del keys.keys[ES.kid]
    keys.epoch += 1
    with pytest.raises(errors.TokenKeyUnknown):
        asked.verify(text)


@pytest.mark.parametrize(
    ("kind", "name", "issuer"),
    [
        ("token", "token-1", ISSUER),
        ("subject", "subject-1", ISSUER),
        ("client", "client-1", ISSUER),
        ("tenant", "acme", ISSUER),
        ("tenant", "acme", ""),
    ],
)
def test_a_revocation_counts_at_once(kind: Any, name: str, issuer: str) -> None:
    revoked = Revocations()
    asked, text = verifier(revocations=revoked), Presented(token())
    asked.verify(text)
    revoked.revoke(issuer, Revocation(kind, name, NOW, NOW + 900))
    with pytest.raises(errors.TokenRevoked):
        asked.verify(text)


def test_memory_is_bounded() -> None:
    asked = verifier(capacity=10)
    for number in range(50):
        asked.verify(Presented(token(jti=f"token-{number}")))
    assert len(asked._kept) == 10
    asked.verify(Presented(token(jti="token-49")))
    for number in range(600):  # headers of strangers are not kept
        with pytest.raises(errors.TokenKeyUnknown):
            asked.verify(Presented(token(header={"kid": f"kid-{number}"})))
    assert len(asked._headers) == 1
    for number in range(600):  # nor too many of an issuer's own
        asked.verify(Presented(token(header={"x": number})))
    assert len(asked._headers) <= 256


def test_a_caller_that_may_not_wait_is_told_to_come_back() -> None:
    class Waiting(Keys):
        def get(self, kid: str, *, wait: bool = True) -> Found:
            if not wait:
                raise Pending
            return super().get(kid)

    asked, text = verifier(Waiting()), Presented(token())
    with pytest.raises(Pending):
        asked.verify(text, wait=False)
    asked.verify(text)
    assert asked.verify(text, wait=False).subject == "subject-1"


def test_refusals_are_counted_by_reason() -> None:
    counted: Counter[tuple[str, ...]] = Counter()

    class Counting(SilentMeter):
        def count(self, name: MetricName, **labels: str) -> None:
            counted[name, *labels.values()] += 1

    asked = verifier(meter=Counting())
    asked.verify(Presented(token()))
    for text in ("x", "y", token(aud="z")):
        with pytest.raises(errors.Refusal):
            asked.verify(Presented(text))
    assert counted == {
        ("token_verify_failures_total", "token.malformed"): 2,
        ("token_verify_failures_total", "token.aud"): 1,
    }


def test_a_scope_is_there_or_not() -> None:
    found = verify(token())
    require(found, "mirror:read")
    with pytest.raises(errors.TokenScopeMissing) as caught:
        require(found, "mirror:write")
    assert errors.challenge(caught.value).endswith('scope="mirror:write"')


@pytest.mark.parametrize(
    ("issuers", "audience"),
    [
        ([Issuer(ISSUER, Keys()), Issuer(ISSUER, Keys())], AUDIENCE),
        ([Issuer(ISSUER, Keys())], ""),
        ([Issuer(ISSUER, Keys(), frozenset())], AUDIENCE),
        ([Issuer(ISSUER, Keys(), frozenset({"HS256"}))], AUDIENCE),
    ],
)
def test_a_verifier_that_could_be_fooled_is_not_made(issuers: list[Issuer], audience: str) -> None:
    with pytest.raises(ValueError, match=r"issuer|audience"):
        Verifier(issuers, audience, ManualClock())


def test_threads_share_a_verifier_while_keys_and_revocations_change() -> None:
    keys, revoked, clock = Keys(), Revocations(), ManualClock()
    asked = verifier(keys, clock, revocations=revoked, capacity=20)
    texts = [(Presented(token(jti=f"t-{number}")), f"t-{number}") for number in range(40)]
    wrong: list[object] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            for text, name in texts:
                try:
                    if asked.verify(text).id != name:
                        wrong.append(name)
                except StellaError as error:
                    if not (name == "t-7" and isinstance(error, errors.TokenRevoked)):
                        wrong.append(error)
                except (
                    RuntimeError,
                    KeyError,
                    StopIteration,
                ) as error:  # what dictionaries raise that change meanwhile
                    wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(200):
        keys.epoch += 1
        revoked.revoke(ISSUER, Revocation("token", f"other-{number}", NOW, NOW + 900))
        if number == 100:
            revoked.revoke(ISSUER, Revocation("token", "t-7", NOW, NOW + 900))
    seen = revoked.epoch
    with pytest.raises(errors.TokenRevoked):
        asked.verify(texts[7][0])
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert revoked.epoch == seen == 201
    assert len(asked._kept) <= 20


@pytest.mark.parametrize(
    ("text", "reason", "whose"),
    [
        ("x", "token.malformed", None),
        (token(OTHER), "token.unknown_key", None),
        (token(ED)[:-4] + "AAAA", "token.bad_signature", None),
        (token(ED, tid="globex"), "token.tenant_mismatch", None),
        (token(ED, tid="globex", exp=NOW - 40, iat=NOW - 100, nbf=NOW - 100), "token.expired", None),
        (token(ED, tid="a/b"), "token.malformed", None),
        (token(ED, aud="x", sub=""), "token.aud", None),
        (token(ED, aud="x", sub="a\nb"), "token.aud", None),
        (token(ED, aud="x", sub="a" * 10_000), "token.malformed", None),
        (token(ED, aud="x"), "token.aud", ("acme", "subject-1")),
        (token(ED, exp=NOW - 40, iat=NOW - 100, nbf=NOW - 100), "token.expired", ("acme", "subject-1")),
        (token(ED, jti="gone"), "token.revoked", ("acme", "subject-1")),
        (token(ED, cnf={"jkt": "A" * 43}), "token.binding", ("acme", "subject-1")),
    ],
    ids=range(13),
)
def test_a_refused_token_says_whose_it_is_when_it_can_be_believed(text: str, reason: str, whose: Any) -> None:
    """By a signature of its issuer, who may speak for that tenant."""
    revocations = Revocations()
    revocations.revoke(ISSUER, Revocation("token", "gone", NOW, NOW + 1000))
    issuer = Issuer(ISSUER, Keys(ES, ED), tenants=frozenset({"acme"}))
    asked = Verifier([issuer], AUDIENCE, ManualClock(), revocations=revocations)
    for _ in range(2):
        with pytest.raises(errors.Refusal) as caught:
            asked.verify(Presented(text))
        assert (caught.value.reason, caught.value.whose) == (reason, whose)
    assert errors.Refusal.whose is None


def test_every_reason_is_there_before_the_first_refusal() -> None:
    """A counter that comes out of nothing shows no growth."""
    counts = Counts()
    verifier(meter=counts)
    found = {one.labels: one.value for one in counts.series("token_verify_failures_total")}
    assert found == dict.fromkeys([(reason,) for reason in errors.REASONS], 0)
    assert len(found) == 12
