"""Certificates as an attacker or a careless authority would make them, signed by the authority of `tests.signed`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from stella.kernel import dsse
from stella.kernel.statement import PAYLOAD_TYPE
from stella.signing import sigstore_bundle
from stella.signing.certifier import ISSUER_DER, ISSUER_RAW
from stella.signing.signing_key import SigningKey
from stella.signing.sigstore_bundle import SigstoreBundle
from tests import signed

KEY = SigningKey.generate(signed.ENTROPY)
UNKNOWN = ObjectIdentifier("1.3.6.1.4.1.32473.9")


def uri(text: str = signed.WHO.uri) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def usage(**changes: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    names += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{**dict.fromkeys(names, False), "digital_signature": True, **changes})


SIGNING = usage()


def certificate(
    *,
    names: Sequence[x509.GeneralName] | None = (uri(),),
    critical: bool = True,
    subject: str = "",
    extended: ObjectIdentifier | None = ExtendedKeyUsageOID.CODE_SIGNING,
    used: x509.KeyUsage | None = SIGNING,
    ca: bool | None = None,
    issuer: bytes | None = bytes(core.UTF8String(signed.WHO.issuer).dump()),
    raw: bytes | None = signed.WHO.issuer.encode(),
    unknown: bool = False,
    public: Any = None,
    by: SigningKey = signed.CERTIFIER.key,
    begin: int = signed.NOW,
    life: int = 600,
) -> bytes:
    """A certificate (DER), right but for what is said."""
    parent = x509.load_der_x509_certificate(signed.CERTIFIER.chain[0])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    start = datetime.fromtimestamp(begin, UTC)
    builder = (
        x509.CertificateBuilder(parent.subject, name, public or KEY.native.public_key(), 7)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(seconds=life))
    )
    extensions: list[tuple[x509.ExtensionType | None, bool]] = [
        (x509.SubjectAlternativeName(names) if names is not None else None, critical),
        (x509.ExtendedKeyUsage([extended]) if extended else None, False),
        (used, True),
        (x509.BasicConstraints(ca=ca, path_length=None) if ca is not None else None, True),
        (x509.UnrecognizedExtension(ISSUER_DER, issuer) if issuer is not None else None, False),
        (x509.UnrecognizedExtension(ISSUER_RAW, raw) if raw is not None else None, False),
        (x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00") if unknown else None, True),
    ]
    for extension, must in extensions:
        if extension is not None:
            builder = builder.add_extension(extension, critical=must)
    return builder.sign(by.native, hashes.SHA256()).public_bytes(Encoding.DER)  # type: ignore[arg-type]  # on P-256


def bundle(
    der: bytes, key: SigningKey = KEY, at: int | None = signed.NOW + 5, payload: bytes = signed.PAYLOAD
) -> bytes:
    """A bundle that carries a certificate, signed by the key in it."""
    signature = key.sign(dsse.pae(PAYLOAD_TYPE, payload))
    stamps = () if at is None else (signed.stamp_at(at)(signature),)
    return sigstore_bundle.write(SigstoreBundle(PAYLOAD_TYPE, payload, signature, None, der, stamps, 0))
