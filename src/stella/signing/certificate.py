"""Whether a signer's certificate counts, and whom it names; pure.

Rules:
- It is judged at one time, that of the signature: its own life, its chain up to the trusted root, and their lives.
- An extension that is critical and not understood refuses the certificate (RFC 5280 section 4.2).
- Every refusal has a code of its own; whatever a parser raises on hostile bytes is a malformed certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, ObjectIdentifier

from stella.kernel.instant import Instant, format_time
from stella.signing.certifier import ISSUER_DER, ISSUER_RAW, Identity
from stella.signing.errors import (
    BadCertificate,
    CertificateChain,
    CertificateExpired,
    CertificateUsage,
    TimestampOutsideCertificate,
    UnusableKey,
)
from stella.signing.sigstore_bundle import MAX_CERTIFICATE
from stella.signing.trusted_root import Trusted
from stella.signing.verifying_key import VerifyingKey

UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)
_Kind = TypeVar("_Kind", bound=x509.ExtensionType)


class Certified(NamedTuple):
    """What a certificate says: the key, and who has it."""

    key: VerifyingKey
    identity: Identity


class _Leaf(NamedTuple):
    certificate: x509.Certificate
    extensions: x509.Extensions
    begin: Instant
    end: Instant


def read(der: bytes, what: str) -> tuple[_Leaf, Certified]:
    """A certificate and what it says, not judged yet; raises BadCertificate."""
    if len(der) > MAX_CERTIFICATE:
        raise BadCertificate(what=what, problem=f"{len(der)} bytes, the limit is {MAX_CERTIFICATE}")
    try:
        found = x509.load_der_x509_certificate(der)
        begin, end = int(found.not_valid_before_utc.timestamp()), int(found.not_valid_after_utc.timestamp())
        leaf = _Leaf(found, found.extensions, begin, end)
        spki = found.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        key = VerifyingKey(spki, "of the certificate")
        return leaf, Certified(key, Identity(_uri(leaf), _issuer(leaf)))
    except UnusableKey as error:
        raise BadCertificate(what=what, problem=f"its key cannot be used: {error.facts['problem']}") from None
    except _Wrong as error:
        raise BadCertificate(what=what, problem=str(error)) from None
    except Exception:  # noqa: BLE001  # a parser fed with hostile bytes; whatever it raises means the same
        raise BadCertificate(what=what, problem="it cannot be parsed") from None


class _Wrong(Exception):
    """A part of a certificate is not what it must be."""


def judge(leaf: _Leaf, certifiers: Sequence[Trusted], at: Instant, what: str, *, dated: bool) -> None:
    """Raise unless the certificate counts at a time. `dated` says that a proof of time gave it.

    Raises CertificateExpired, TimestampOutsideCertificate, CertificateUsage or CertificateChain.
    """
    if not leaf.begin <= at <= leaf.end:
        begin, end = format_time(leaf.begin), format_time(leaf.end)
        if dated:
            raise TimestampOutsideCertificate(what=what, signed=format_time(at), begin=begin, end=end)
        raise CertificateExpired(what=what, begin=begin, end=end)
    _check_usage(leaf, what)
    problem = "it is by none of them"
    for certifier in certifiers:
        try:
            found = _chain_problem(leaf.certificate, certifier, at)
        except Exception:  # noqa: BLE001  # as in `read`: an issuer's extensions are parsed late
            found = "its chain cannot be parsed"
        if not found:
            return
        problem = found if found != _OTHER else problem
    raise CertificateChain(what=what, problem=problem)


def _check_usage(leaf: _Leaf, what: str) -> None:
    unknown = [found.oid.dotted_string for found in leaf.extensions if found.critical and found.oid not in UNDERSTOOD]
    extended = _extension(leaf.extensions, x509.ExtendedKeyUsage)
    usage = _extension(leaf.extensions, x509.KeyUsage)
    basic = _extension(leaf.extensions, x509.BasicConstraints)
    problem = ""
    if unknown:
        problem = f"it has the critical extension {unknown[0]}, which is not understood"
    elif extended is None or ExtendedKeyUsageOID.CODE_SIGNING not in extended:
        problem = "its extended usage is not code signing"
    elif usage is None or not usage.digital_signature or usage.key_cert_sign:
        problem = "its usage is not digital signature alone"
    elif basic is not None and basic.ca:
        problem = "it is an authority's"
    if problem:
        raise CertificateUsage(what=what, problem=problem)


_OTHER = "another authority made it"


def _chain_problem(leaf: x509.Certificate, certifier: Trusted, at: Instant) -> str:
    """What is wrong with the way from a certificate to the root of an authority; empty when nothing is."""
    chain = [x509.load_der_x509_certificate(der) for der in certifier.chain]
    below = leaf
    for depth, above in enumerate(chain):
        try:
            below.verify_directly_issued_by(above)
        except Exception:  # noqa: BLE001  # wrong name, type or signature: in any case it is not by this one
            return _OTHER if depth == 0 else "its chain is broken"
        if problem := _authority_problem(above, depth, at):
            return problem
        below = above
    return "" if certifier.counts(at) else f"its authority did not count at {format_time(at)}"


def _authority_problem(above: x509.Certificate, depth: int, at: Instant) -> str:
    """`depth` is the number of authorities between it and the signer."""
    basic = _extension(above.extensions, x509.BasicConstraints)
    usage = _extension(above.extensions, x509.KeyUsage)
    if basic is None or not basic.ca or (basic.path_length is not None and basic.path_length < depth):
        return "a certificate above it is no authority's"
    if usage is None or not usage.key_cert_sign:
        return "an authority above it may not sign certificates"
    if any(found.critical and found.oid not in UNDERSTOOD for found in above.extensions):
        return "an authority has a critical extension that is not understood"
    begin, end = int(above.not_valid_before_utc.timestamp()), int(above.not_valid_after_utc.timestamp())
    return "" if begin <= at <= end else f"an authority above it was not valid at {format_time(at)}"


def _extension(extensions: x509.Extensions, kind: type[_Kind]) -> _Kind | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _uri(leaf: _Leaf) -> str:
    """The one URI that names the signer."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        raise _Wrong("it names nobody") from None
    names = list(found.value)
    if len(names) != 1 or not isinstance(names[0], x509.UniformResourceIdentifier) or not names[0].value:
        raise _Wrong("its name is not one URI")
    if not found.critical and not list(leaf.certificate.subject):
        raise _Wrong("it has no subject, and its name is not critical")
    return names[0].value


def _issuer(leaf: _Leaf) -> str:
    """The issuer of Fulcio's extension .1.8; .1.1 must say the same where it is there."""
    der, raw = _unrecognized(leaf, ISSUER_DER), _unrecognized(leaf, ISSUER_RAW)
    if der is None:
        raise _Wrong("it does not say which issuer vouches for its name")
    text = core.UTF8String.load(der, strict=True)
    issuer = str(text.native)
    if bytes(core.UTF8String(issuer).dump()) != der or (raw is not None and raw != issuer.encode()):
        raise _Wrong("it names two issuers, or one in a wrong spelling")
    return issuer


def _unrecognized(leaf: _Leaf, oid: ObjectIdentifier) -> bytes | None:
    try:
        value = leaf.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return None
    return value.value if isinstance(value, x509.UnrecognizedExtension) else None
