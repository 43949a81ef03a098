"""An authority of certificates that live for ten minutes: who has proved who it is gets one for a key of the moment.

Rules:
- The root signs one issuing certificate, and its key is not kept.
- A certificate has no subject; its name is one URI, in a critical extension (RFC 5280 section 4.2.1.6).
- Which issuer vouched for the name is in Fulcio's extensions: .1.1 as raw bytes, .1.8 as a DER UTF8String.
- Whoever asks has verified the identity; nothing of that is decided here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from stella.kernel.instant import Instant, Seconds, format_time
from stella.runtime.ports import Entropy
from stella.signing.authority import BACKDATE, MAX_NAME, YEARS
from stella.signing.errors import AuthorityNotInForce
from stella.signing.signing_key import SigningKey

LIFE: Seconds = 600  # of a signer's certificate
ISSUER_RAW = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
ISSUER_DER = ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_DER = serialization.Encoding.DER


class Identity(NamedTuple):
    """Who signs: a URI, and the issuer that vouches for it."""

    uri: str
    issuer: str


class Certifier(NamedTuple):
    """A new authority: its chain in DER, issuing certificate first, and the key of that."""

    chain: tuple[bytes, bytes]
    key: SigningKey


def make_certifier(entropy: Entropy, now: Instant, name: str) -> Certifier:
    """Lay an authority: a root that signs one issuing certificate and whose key is not kept."""
    root_key, key, name = SigningKey.generate(entropy), SigningKey.generate(entropy), name[:MAX_NAME]
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} signing root")])
    own_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} signing authority")])
    begin = datetime.fromtimestamp(now, UTC) - BACKDATE
    made = []
    for subject, held, depth in ((root_name, root_key, 1), (own_name, key, 0)):
        public = held.native.public_key()
        builder = (
            x509.CertificateBuilder(root_name, subject, public, _serial(entropy))
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=365 * YEARS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=depth), critical=True)
            .add_extension(_usage(certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )
        if subject is own_name:
            builder = builder.add_extension(_by(root_key), critical=False).add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
            )
        made.append(_signed(builder, root_key))
    return Certifier((made[1], made[0]), key)


def issue(certifier: Certifier, public: SigningKey, identity: Identity, now: Instant, entropy: Entropy) -> bytes:
    """A certificate (DER) for a key, from `now` on; raises AuthorityNotInForce."""
    owner = x509.load_der_x509_certificate(certifier.chain[0])
    begin, end = (int(edge.timestamp()) for edge in (owner.not_valid_before_utc, owner.not_valid_after_utc))
    if not begin <= now <= end - LIFE:
        raise AuthorityNotInForce(begin=format_time(begin), end=format_time(end), now=format_time(now))
    held = public.native.public_key()
    builder = (
        x509.CertificateBuilder(owner.subject, x509.Name([]), held, _serial(entropy))
        .not_valid_before(datetime.fromtimestamp(now, UTC))
        .not_valid_after(datetime.fromtimestamp(now + LIFE, UTC))
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(held), critical=False)
        .add_extension(_by(certifier.key), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)]), critical=True)
        .add_extension(x509.UnrecognizedExtension(ISSUER_RAW, identity.issuer.encode()), critical=False)
        .add_extension(
            x509.UnrecognizedExtension(ISSUER_DER, bytes(core.UTF8String(identity.issuer).dump())), critical=False
        )
    )
    return _signed(builder, certifier.key)


def _serial(entropy: Entropy) -> int:
    return int.from_bytes(entropy(16)) >> 2 | 1


def _by(key: SigningKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.native.public_key())


def _signed(builder: x509.CertificateBuilder, key: SigningKey) -> bytes:
    native = key.native
    if isinstance(native, ec.EllipticCurvePrivateKey):
        return builder.sign(native, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(_DER)
    return builder.sign(native, None).public_bytes(_DER)


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )
