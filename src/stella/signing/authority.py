"""A channel's own time-stamp authority: its certificates, and tokens issued with them (RFC 3161).

Rules:
- The root certificate is trusted through the signer policy; its key signs one authority certificate and is then
  forgotten.
- A token is a pure function of data, time, key and certificate: the serial is derived and ECDSA is deterministic.
- No token is made outside the life of the certificate: no reader would accept it.
- Only the signer's certificate travels in a token: strict readers refuse an unsorted set.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stella.kernel.digest import sha256
from stella.kernel.instant import Instant, format_time
from stella.runtime.ports import Entropy
from stella.signing.errors import AuthorityNotInForce
from stella.signing.keys import TimestampKey

YEARS = 10  # life of an authority; the policy can end it earlier
POLICY_OID = "1.3.6.1.4.1.32473.1.1"  # enterprise number that RFC 5612 reserves for uses like this
BACKDATE = timedelta(days=1)  # a site's clock may be behind when the first token is made
MAX_NAME = 40  # characters of a channel name in the certificates; a common name has at most 64 (RFC 5280 appendix A)


class Authority(NamedTuple):
    """A new authority: root certificate, its own certificate (both DER), and its key."""

    root: bytes
    certificate: bytes
    key: TimestampKey


def make_authority(entropy: Entropy, now: Instant, name: str) -> Authority:
    """Lay an authority: a root that signs one certificate and whose key is not kept."""
    root_key, key, name = TimestampKey.generate(entropy), TimestampKey.generate(entropy), name[:MAX_NAME]
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} time-stamp root")])
    own_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} time-stamp authority")])
    begin = datetime.fromtimestamp(now, UTC) - BACKDATE
    end = begin + timedelta(days=365 * YEARS)

    def builder(subject: x509.Name, public: TimestampKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(root_name, subject, public.key.public_key(), int.from_bytes(entropy(16)) >> 2 | 1)
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public.key.public_key()), critical=False)
        )

    root = (
        builder(root_name, root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
    )
    own = (
        builder(own_name, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.key.public_key()), critical=False)
    )
    made = [
        built.sign(root_key.key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(serialization.Encoding.DER)
        for built in (root, own)
    ]
    return Authority(made[0], made[1], key)


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


def issue(data: bytes, now: Instant, key: TimestampKey, certificate: bytes) -> bytes:
    """A granted TimeStampResp (DER) that proves that `data` existed at `now` (RFC 3161 section 2.4.2).

    `certificate` is the authority's own, in DER. Raises AuthorityNotInForce.
    """
    owner = asn1_x509.Certificate.load(certificate)
    begin, end = (int(edge.timestamp()) for edge in (owner.not_valid_before, owner.not_valid_after))
    if not begin <= now < end:
        raise AuthorityNotInForce(begin=format_time(begin), end=format_time(end), now=format_time(now))
    content = _info(data, now)
    signed = cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [algos.DigestAlgorithm({"algorithm": "sha256"})],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
            "certificates": [cms.CertificateChoices("certificate", owner)],
            "signer_infos": [_signer(content, key, owner, certificate)],
        }
    )
    token = cms.ContentInfo({"content_type": "signed_data", "content": signed})
    return bytes(tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump())


def _info(data: bytes, now: Instant) -> bytes:
    """TSTInfo (DER): what the authority says. The serial is derived from data and time, 63 bits of their SHA-256."""
    info = tsp.TSTInfo(
        {
            "version": "v1",
            "policy": POLICY_OID,
            "message_imprint": {
                "hash_algorithm": {"algorithm": "sha512"},
                "hashed_message": hashlib.sha512(data).digest(),
            },
            "serial_number": int(sha256(data + now.to_bytes(8))[:16], 16) >> 1,
            "gen_time": datetime.fromtimestamp(now, UTC),
            "accuracy": {"seconds": 1},
        }
    )
    return bytes(info.dump())


def _signer(content: bytes, key: TimestampKey, owner: asn1_x509.Certificate, certificate: bytes) -> cms.SignerInfo:
    """SignerInfo v1 with the attributes that RFC 3161 and RFC 5816 ask for; what is signed is their DER SET OF."""
    named = tsp.SigningCertificateV2({"certs": [tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(certificate).digest()})]})
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(content).digest()]}),
            cms.CMSAttribute({"type": "signing_certificate_v2", "values": [named]}),
        ]
    )
    identity = cms.IssuerAndSerialNumber({"issuer": owner.issuer, "serial_number": owner.serial_number})
    return cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier("issuer_and_serial_number", identity),
            "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
            "signed_attrs": attributes,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            "signature": key.sign(attributes.dump()),
        }
    )
