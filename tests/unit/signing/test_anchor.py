"""Proofs of time: what a token proves, to whom, and that nothing else passes as one."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from asn1crypto import tsp
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from stella.kernel.instant import format_time, parse_time
from stella.signing.anchor import MAX_TOKEN, time_anchor_json, verify
from stella.signing.authority import YEARS, Authority, issue, make_authority
from stella.signing.errors import AnchorInvalid, AuthorityNotInForce
from stella.signing.signers import AnchorRoot
from stella.testing import counted_entropy

NOW = parse_time("2026-01-01T00:00:00Z")
DAY = 86_400
DATA = b"\x01" * 32


def authority(seed: str = "authority") -> Authority:
    return make_authority(counted_entropy(seed), NOW, "acme")


OURS = authority()
TOKEN = issue(DATA, NOW, OURS.key, OURS.certificate)


def root(made: Authority = OURS, **changes: Any) -> AnchorRoot:
    certificate = base64.b64encode(made.root).decode()
    plain = AnchorRoot("own-1", certificate, "2025-12-31T00:00:00Z", "2035-12-31T00:00:00Z", False)
    return msgspec.structs.replace(plain, **changes)


def refused(problem: str, token: bytes, data: bytes, *roots: AnchorRoot) -> None:
    with pytest.raises(AnchorInvalid, match=problem) as caught:
        verify(token, data, roots)
    assert caught.value.reason == "anchor_invalid"


def test_a_token_proves_its_time_for_its_data() -> None:
    assert verify(TOKEN, DATA, [root()]) == NOW
    assert verify(TOKEN, DATA, [root(authority("other"), name="other"), root()]) == NOW
    refused("Mismatch", TOKEN, b"\x02" * 32, root())
    refused("no authority of the signer policy", TOKEN, DATA)
    refused("certificate", TOKEN, DATA, root(authority("other")))


def test_a_token_is_a_function_of_data_time_and_key() -> None:
    assert issue(DATA, NOW, authority().key, authority().certificate) == TOKEN
    serials = set()
    for data, now in ((DATA, NOW), (DATA, NOW + 1), (b"other", NOW)):
        made = tsp.TimeStampResp.load(issue(data, now, OURS.key, OURS.certificate))
        info = made["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
        serials.add(info["serial_number"].native)
        assert info["message_imprint"]["hash_algorithm"]["algorithm"].native == "sha512"
        assert info["gen_time"].native == datetime.fromtimestamp(now, UTC)
        assert len(made["time_stamp_token"]["content"]["certificates"]) == 1
    assert len(serials) == 3
    assert all(0 < serial < 1 << 63 for serial in serials)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"valid_from": format_time(NOW)}, True),
        ({"valid_from": format_time(NOW + 1)}, False),
        ({"valid_to": format_time(NOW + 1)}, True),
        ({"valid_to": format_time(NOW)}, False),
        ({"revoked": True}, False),
        ({"valid_from": "yesterday"}, False),
    ],
)
def test_the_policy_decides_when_an_authority_counts(changes: dict[str, Any], counts: bool) -> None:
    if counts:
        assert verify(TOKEN, DATA, [root(**changes)]) == NOW
    else:
        refused("`own-1` is revoked or was not valid at 2026-01-01T00:00:00Z", TOKEN, DATA, root(**changes))


@pytest.mark.parametrize("years", [-10, 0, 9])
def test_certificates_are_judged_at_the_time_of_the_token(years: int) -> None:
    """No clock is asked: an authority of ten years ago and one of the future are judged alike."""
    then = NOW + years * 365 * DAY
    made = make_authority(counted_entropy("then"), then, "acme")
    token = issue(DATA, then, made.key, made.certificate)
    always = root(made, valid_from="2000-01-01T00:00:00Z", valid_to="2100-01-01T00:00:00Z")
    assert verify(token, DATA, [always]) == then


def test_no_token_is_made_outside_the_life_of_the_certificate() -> None:
    begin, end = NOW - DAY, NOW - DAY + YEARS * 365 * DAY
    for now in (begin, end - 1):
        always = root(valid_from="2000-01-01T00:00:00Z", valid_to="2100-01-01T00:00:00Z")
        assert verify(issue(DATA, now, OURS.key, OURS.certificate), DATA, [always]) == now
    for now in (begin - 1, end, 0):
        with pytest.raises(AuthorityNotInForce) as caught:
            issue(DATA, now, OURS.key, OURS.certificate)
        assert caught.value.facts["now"] == format_time(now)


def test_a_token_by_another_key_under_the_same_certificate_is_refused() -> None:
    refused(
        "Unable to verify pkcs7 signature$", issue(DATA, NOW, authority("thief").key, OURS.certificate), DATA, root()
    )


def test_a_token_after_the_end_of_the_root_is_refused() -> None:
    """The root has the name and key of ours, and ended ten years before the token was made."""
    early = make_authority(counted_entropy("authority"), NOW - 20 * 365 * DAY, "acme")
    token = issue(DATA, NOW, OURS.key, OURS.certificate)
    refused("certificate", token, DATA, root(early, valid_from="2000-01-01T00:00:00Z"))


def test_the_certificates_are_what_rfc_3161_asks_for() -> None:
    own, top = x509.load_der_x509_certificate(OURS.certificate), x509.load_der_x509_certificate(OURS.root)
    own.verify_directly_issued_by(top)
    top.verify_directly_issued_by(top)
    for certificate in (own, top):
        assert certificate.not_valid_before_utc == datetime.fromtimestamp(NOW, UTC) - timedelta(days=1)
        assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=365 * YEARS)
        assert 0 < certificate.serial_number < 1 << 127
    usage = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usage.critical
    assert list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
    basic = own.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca) == (True, False)
    keys = own.extensions.get_extension_for_class(x509.KeyUsage)
    assert (keys.critical, keys.value.digital_signature, keys.value.key_cert_sign) == (True, True, False)
    own.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert top.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_long_channel_name_fits_a_certificate() -> None:
    made = make_authority(counted_entropy("long"), NOW, "x" * 200)
    token = issue(DATA, NOW, made.key, made.certificate)
    assert verify(token, DATA, [root(made)]) == NOW


REJECTED = bytes.fromhex("30053003020102")  # a response with a status and no token


@pytest.mark.parametrize(
    "token",
    [b"", b"\x30", b"0" * 100, b"\xff" * 1000, TOKEN[:-1], TOKEN + b"\x00", TOKEN[4:], REJECTED],
    ids=["empty", "cut", "text", "noise", "short", "long", "inner", "rejected"],
)
def test_what_is_no_token_is_refused(token: bytes) -> None:
    refused("not a time-stamp response|Missing SignedData", token, DATA, root())


def test_a_token_above_the_limit_is_not_parsed() -> None:
    refused("not a time-stamp response", TOKEN + bytes(MAX_TOKEN - len(TOKEN)), DATA, root())
    refused(f"{MAX_TOKEN + 1} bytes, the limit is {MAX_TOKEN}", TOKEN + bytes(MAX_TOKEN + 1 - len(TOKEN)), DATA, root())


@pytest.mark.parametrize("certificate", ["", "***", base64.b64encode(b"0" * 50).decode(), "é"])
def test_a_damaged_authority_proves_nothing(certificate: str) -> None:
    refused("not valid: .", TOKEN, DATA, root(certificate=certificate))


def proves_at_most_the_same(token: bytes, data: bytes) -> bool:
    try:
        return verify(token, data, [root()]) == NOW and data == DATA
    except AnchorInvalid:
        return True


@given(st.integers(0, len(TOKEN) * 8 - 1))
def test_a_flipped_bit_proves_nothing_else(at: int) -> None:
    bits = bytearray(TOKEN)
    bits[at // 8] ^= 1 << (at % 8)
    assert proves_at_most_the_same(bytes(bits), DATA)


@pytest.mark.nightly
@pytest.mark.slow
def test_no_flipped_bit_proves_anything_else() -> None:
    for at in range(len(TOKEN) * 8):
        bits = bytearray(TOKEN)
        bits[at // 8] ^= 1 << (at % 8)
        assert proves_at_most_the_same(bytes(bits), DATA), at


@given(st.binary(max_size=64), st.integers(0, len(TOKEN)), st.integers(0, 64))
def test_replaced_bytes_prove_nothing_else(new: bytes, at: int, length: int) -> None:
    assert proves_at_most_the_same(TOKEN[:at] + new + TOKEN[at + length :], DATA)


@given(st.integers(0, 255))
def test_a_flipped_bit_of_the_data_is_noticed(at: int) -> None:
    data = bytearray(DATA)
    data[at // 8] ^= 1 << (at % 8)
    refused("Mismatch", TOKEN, bytes(data), root())


def test_the_plain_description_is_in_its_published_form() -> None:
    digest = "ab" * 32
    data = time_anchor_json(NOW, digest)
    assert data == time_anchor_json(NOW, digest)
    assert json.loads(data) == {
        "anchorTime": "2026-01-01T00:00:00Z",
        "format": "rfc3161-v1",
        "source": "rfc3161",
        "tokenDigest": digest,
    }


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, stella.signing.anchor; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"asn1crypto", "rfc3161_client", "tuf", "securesystemslib", "http.client", "stella.signing.authority"}
    assert not heavy & set(loaded)
