"""What is personal is closed, bound to its place, and gone with its key."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.audit.errors import BadAuditKey, WrongWrapKey
from stella.audit.model import Event, Marked, Record, Sealed, classes
from stella.audit.personal import ERASED, HIDDEN, TenantKey, Vault, close, needs_key, read_key, reveal
from stella.kernel.canonical import dump_whole
from stella.testing import counted_entropy
from tests.audit_log import happened, make_vault

VAULT = make_vault()
KEY = VAULT.unwrap("acme", 1, VAULT.make("acme", 1))
BOTH = frozenset({"personal", "sensitive"})
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80)


def test_every_text_of_an_event_has_a_class() -> None:
    texts = {name for name, kind in Event.__annotations__.items() if "str" in kind and not kind.startswith("Mapping")}
    assert classes().keys() == texts
    assert {name for name, kind in classes().items() if kind != "none"} == {"actor", "reason"}


def test_a_record_has_the_fields_of_an_event() -> None:
    assert Record.__struct_fields__ == Event.__struct_fields__


@given(TEXT.filter(bool), TEXT, TEXT, st.sampled_from(["personal", "sensitive"]))
def test_what_is_closed_opens_again_and_is_nowhere_in_between(actor: str, reason: str, fact: str, kind: str) -> None:
    mark = Marked(fact, kind)  # type: ignore[arg-type]  # one of the two
    event = msgspec.structs.replace(
        happened(1, VAULT.entropy), actor=actor, reason=reason, before={"x": mark, "n": 5}, after={}
    )
    record = close(event, KEY, VAULT.entropy)
    assert needs_key(event)
    data = dump_whole(record)
    for text in (actor, reason, fact):
        assert len(text) < 12 or msgspec.json.encode(text)[1:-1] not in data
    opened = reveal(record, {1: KEY}.get, kinds=BOTH)
    assert (opened.actor, opened.reason, opened.before) == (actor, reason, {"x": fact, "n": 5})


def test_a_resource_that_is_a_person_is_closed_under_the_pseudonym_of_that_person() -> None:
    event = happened(1, VAULT.entropy, actor_type="system", after={}, resource=Marked("acme.ada"))
    assert needs_key(event)
    record = close(event, KEY, VAULT.entropy)
    assert b"acme.ada" not in dump_whole(record)
    assert isinstance(record.resource, Sealed)
    assert record.resource.mark == KEY.mark("acme.ada")
    assert reveal(record, {1: KEY}.get, kinds=BOTH).resource == "acme.ada"
    assert reveal(record, {1: KEY}.get, kinds=frozenset()).resource == HIDDEN["personal"]
    assert reveal(record, {}.get, kinds=BOTH).resource == ERASED
    moved = msgspec.structs.replace(record, reason=record.resource)
    assert reveal(moved, {1: KEY}.get, kinds=BOTH).reason == ERASED


def test_an_actor_that_is_no_person_is_not_closed() -> None:
    for kind in ("agent", "system", "plugin"):
        event = happened(1, VAULT.entropy, actor_type=kind)
        assert not needs_key(event)
        assert close(event, None, VAULT.entropy).actor == "kim"


def test_nothing_personal_is_recorded_without_a_key() -> None:
    with pytest.raises(ValueError, match="no key"):
        close(happened(1, VAULT.entropy), None, VAULT.entropy)


def closed() -> tuple[Record, Sealed]:
    record = close(happened(1, VAULT.entropy, reason="why"), KEY, VAULT.entropy)
    assert isinstance(record.actor, Sealed)
    return record, record.actor


def test_a_text_does_not_open_at_another_place() -> None:
    record, actor = closed()
    keys = {1: KEY, 2: KEY}
    elsewhere = [
        msgspec.structs.replace(record, reason=actor, actor=record.reason),
        msgspec.structs.replace(record, id="01a0c450-6c00-7482-a16f-8afdc6279f05"),
        msgspec.structs.replace(record, actor=msgspec.structs.replace(actor, kind="sensitive")),
    ]
    for moved in elsewhere:
        assert reveal(moved, keys.get, kinds=BOTH).actor == ERASED
    assert reveal(record, keys.get, kinds=BOTH).actor == "kim"
    other = TenantKey("other", 1, b"k" * 32)
    sealed = TenantKey("acme", 1, b"k" * 32).seal("x", "personal", "p", b"n" * 12)
    assert other.open(sealed, "p") is None
    assert TenantKey("acme", 2, b"k" * 32).open(sealed, "p") is None


@given(st.binary(max_size=60))
def test_bytes_that_were_not_sealed_do_not_open(data: bytes) -> None:
    assert KEY.open(Sealed(key=1, kind="personal", mark="", sealed=base64.b64encode(data).decode()), "p") is None
    assert KEY.open(Sealed(key=1, kind="personal", mark="", sealed=data.decode("latin-1")), "p") is None


def test_a_pseudonym_is_the_same_under_a_key_and_another_under_another() -> None:
    other = VAULT.unwrap("acme", 2, VAULT.make("acme", 2))
    assert KEY.mark("kim") == KEY.mark("kim") != KEY.mark("lee")
    assert KEY.mark("kim") != other.mark("kim")
    first, second = closed()[1], closed()[1]
    assert first.mark == second.mark
    assert first.sealed != second.sealed  # a nonce of its own each time


def test_a_wrapped_key_opens_for_its_tenant_its_number_and_its_installation_alone() -> None:
    wrapped = VAULT.make("acme", 1)
    foreign = Vault(b"x" * 32, counted_entropy("y"))
    for vault, tenant, number, data in (
        (VAULT, "beta", 1, wrapped),
        (VAULT, "acme", 2, wrapped),
        (foreign, "acme", 1, wrapped),
        (VAULT, "acme", 1, wrapped[:-1]),
        (VAULT, "acme", 1, b""),
    ):
        with pytest.raises(WrongWrapKey):
            vault.unwrap(tenant, number, data)


@pytest.mark.parametrize(
    "secret", [b"", b"x", b"\xff" * 44, base64.b64encode(bytes(31)), base64.b64encode(bytes(33)), b"-" * 43 + b"="]
)
def test_a_key_of_another_form_is_refused_and_not_told(secret: bytes) -> None:
    with pytest.raises(BadAuditKey) as caught:
        read_key(secret, "audit.key")
    assert not secret or secret.decode("latin-1") not in str(caught.value).replace("it is not base64", "")


def test_line_ends_around_a_key_do_not_matter() -> None:
    assert read_key(base64.b64encode(b"k" * 32) + b"\n", "audit.key") == b"k" * 32
