"""Keys of objects: one spelling, from parts that were parsed, and never another tenant's."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stella.kernel.blob_key import BlobName, parse_key, parse_kind, parse_name, prefix_of, show_key
from stella.kernel.errors import BadBlobKey, BadTenant, ForeignBlob, StellaError
from stella.kernel.tenant import parse_tenant

tenants = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
kinds = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
nasty = st.text(st.sampled_from("ab/.%2eE\0\n\\-_ A\u0430\uff0e\u2215*?~"), max_size=30) | st.text(max_size=80)


def key_of(tenant: str, name: BlobName) -> str:
    return f"{prefix_of(tenant)}/{name.path}"


@given(tenant=tenants, kind=kinds, digest=digests)
def test_a_key_comes_back_as_its_parts(tenant: str, kind: str, digest: str) -> None:
    name = parse_name(kind, digest)
    key = key_of(tenant, name)
    assert key == f"tenants/{tenant}/{kind}/sha256/{digest[:2]}/{digest}"
    assert parse_key(tenant, key) == name


@given(tenant=tenants, other=tenants, kind=kinds, digest=digests)
def test_a_key_of_another_tenant_is_foreign(tenant: str, other: str, kind: str, digest: str) -> None:
    assume(tenant != other)
    key = key_of(other, parse_name(kind, digest))
    with pytest.raises(ForeignBlob) as caught:
        parse_key(tenant, key)
    assert not key.startswith(f"{prefix_of(tenant)}/"), "a sibling's prefix is never a prefix"
    assert int(caught.value.exit) == 3


@given(kind=nasty, digest=nasty | digests)
def test_parts_of_any_text_stay_in_their_place(kind: str, digest: str) -> None:
    try:
        name = parse_name(kind, digest)
    except BadBlobKey as error:
        assert error.message.isprintable()  # noqa: PT017  # either will do
    else:
        key = key_of("a", name)
        assert key.count("/") == 5
        assert set(key) <= set(string.ascii_lowercase + string.digits + "-/")
        assert ".." not in key


@given(text=nasty, tenant=tenants, kind=kinds, digest=digests, place=st.integers(0, 200))
def test_a_key_with_anything_put_into_it_is_another_key_or_none(
    text: str, tenant: str, kind: str, digest: str, place: int
) -> None:
    key = key_of(tenant, parse_name(kind, digest))
    changed = key[:place] + text + key[place:]
    try:
        found = parse_key(tenant, changed)
    except (BadBlobKey, ForeignBlob):
        return
    assert key_of(tenant, found) == changed


@given(text=nasty)
def test_a_tenant_is_its_own_text_or_refused(text: str) -> None:
    try:
        assert parse_tenant(text) == text
    except BadTenant as error:
        assert error.message.isprintable()  # noqa: PT017  # either will do
    else:
        assert 0 < len(text) < 64
        assert set(text) <= set(string.ascii_lowercase + string.digits + "-")


@pytest.mark.parametrize("digest", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n", "\uff41" * 64])
def test_a_digest_that_is_none(digest: str) -> None:
    with pytest.raises(BadBlobKey):
        parse_name("sbom", digest)


@pytest.mark.parametrize("kind", ["", "a" * 33, "A", "a/b", "..", "a.b", "-", "a\n", "\u0661"])
def test_a_kind_that_is_none(kind: str) -> None:
    with pytest.raises(BadBlobKey):
        parse_kind(kind)


@given(text=st.text())
def test_what_a_message_repeats_is_a_line_of_ascii(text: str) -> None:
    shown = show_key(text)
    assert shown.isascii()
    assert shown.isprintable()


def test_every_error_says_what_and_what_next() -> None:
    found: list[StellaError] = [BadBlobKey(key="k", problem="p"), ForeignBlob(key="k", tenant="a"), BadTenant(text="x")]
    assert [error.code for error in found] == ["BLOB-001", "BLOB-002", "TENANT-001"]
    assert all(error.message and error.advice for error in found)
