"""`trusted_root.json`: authorities of certificates and of time, in the form that Sigstore's clients read.

Rules:
- Chains are written leaf first. An authority counts within its own life, judged at the time of the signature.
- There are no logs: `tlogs` and `ctlogs` are empty, and a root with some is refused rather than half obeyed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from cryptography import x509

from stella.kernel.canonical import dump, parse
from stella.kernel.errors import BadTime
from stella.kernel.instant import Instant, format_time, parse_time
from stella.signing.errors import BadTrust
from stella.signing.signers import AnchorRoot
from stella.signing.sigstore_bundle import MAX_CERTIFICATE

FILE = "trusted_root.json"
MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
MAX_SIZE = 1 << 20  # bytes
MAX_AUTHORITIES = 32  # of a kind; each is tried
MAX_CHAIN = 4  # certificates


class _Raw(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    raw_bytes: str


class _Chain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    certificates: tuple[_Raw, ...]


class _Life(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    start: str
    end: str = "9999-12-31T23:59:59Z"


class _Name(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    organization: str = ""
    common_name: str = ""


class _Authority(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    cert_chain: _Chain
    valid_for: _Life
    subject: _Name = _Name()
    uri: str = ""


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    media_type: str
    tlogs: tuple[dict[str, object], ...] = ()
    certificate_authorities: tuple[_Authority, ...] = ()
    ctlogs: tuple[dict[str, object], ...] = ()
    timestamp_authorities: tuple[_Authority, ...] = ()


class Trusted(NamedTuple):
    """An authority: its chain in DER, leaf first and root last, and when it counts, the end excluded."""

    chain: tuple[bytes, ...]
    begin: Instant
    end: Instant

    def counts(self, at: Instant) -> bool:
        """Whether what it said at that time counts."""
        return self.begin <= at < self.end


class TrustedRoot(NamedTuple):
    """Authorities of certificates and of time."""

    certifiers: tuple[Trusted, ...] = ()
    timers: tuple[Trusted, ...] = ()

    def anchors(self) -> list[AnchorRoot]:
        """The authorities of time as `anchor.verify` takes them."""
        return [
            AnchorRoot(
                name=f"timestampAuthorities[{number}]",
                certificate=base64.b64encode(timer.chain[-1]).decode(),
                valid_from=format_time(timer.begin),
                valid_to=format_time(timer.end),
                revoked=False,
            )
            for number, timer in enumerate(self.timers)
        ]


def write(root: TrustedRoot) -> bytes:
    """Canonical JSON of a trusted root."""
    return dump(
        {
            "mediaType": MEDIA_TYPE,
            "tlogs": [],
            "certificateAuthorities": [_shown(one) for one in root.certifiers],
            "ctlogs": [],
            "timestampAuthorities": [_shown(one) for one in root.timers],
        }
    )


def read(data: bytes, what: str = FILE) -> TrustedRoot:
    """Parse a trusted root that is believed already; raises NotJson or BadTrust naming `what`."""
    if len(data) > MAX_SIZE:
        raise BadTrust(what=what, problem=f"{len(data)} bytes, the limit is {MAX_SIZE}")
    found = parse(data, _Document, what)
    if found.media_type != MEDIA_TYPE:
        raise BadTrust(what=what, problem=f"its type is not `{MEDIA_TYPE}`")
    if found.tlogs or found.ctlogs:
        raise BadTrust(what=what, problem="it names transparency logs, which are not checked here")
    if max(len(found.certificate_authorities), len(found.timestamp_authorities)) > MAX_AUTHORITIES:
        raise BadTrust(what=what, problem=f"more than {MAX_AUTHORITIES} authorities of a kind")
    return TrustedRoot(_all(found.certificate_authorities, what), _all(found.timestamp_authorities, what))


def _all(listed: Sequence[_Authority], what: str) -> tuple[Trusted, ...]:
    return tuple(_trusted(one, what) for one in listed)


def _trusted(one: _Authority, what: str) -> Trusted:
    if not 1 <= len(one.cert_chain.certificates) <= MAX_CHAIN:
        raise BadTrust(what=what, problem=f"a chain has 1 to {MAX_CHAIN} certificates")
    try:
        chain = tuple(base64.b64decode(raw.raw_bytes, validate=True) for raw in one.cert_chain.certificates)
        begin, end = _time(one.valid_for.start), _time(one.valid_for.end)
        for der in chain:
            if len(der) > MAX_CERTIFICATE:
                raise ValueError
            x509.load_der_x509_certificate(der)
    except (binascii.Error, ValueError, BadTime):
        raise BadTrust(what=what, problem="an authority has a malformed certificate or life") from None
    if begin >= end:
        raise BadTrust(what=what, problem="the life of an authority ends before it begins")
    return Trusted(chain, begin, end)


def _time(text: str) -> Instant:
    """RFC 3339 in UTC; fractions of a second, which other writers have, are cut."""
    whole, dot, _ = text.partition(".")
    return parse_time(f"{whole}Z" if dot and text.endswith("Z") else text)


def _shown(one: Trusted) -> dict[str, object]:
    first = x509.load_der_x509_certificate(one.chain[0])
    names = first.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return {
        "subject": {"organization": "", "commonName": str(names[0].value) if names else ""},
        "uri": "",
        "certChain": {"certificates": [{"rawBytes": base64.b64encode(der).decode()} for der in one.chain]},
        "validFor": {"start": format_time(one.begin), "end": format_time(one.end)},
    }
