"""Nobody but the S3 endpoint of an embedded SeaweedFS answers: what closes the doors between its parts.

Rules:
- The parts of the server know each other by a certificate and by keys that are drawn at each start and shown to no one.
- gRPC asks for that certificate (mTLS), volumes ask for a signed token for each file, filer and master have no HTTP.
- Certificates are good at any time: a site's clock may be wrong, and these are thrown away at the next start.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from stella.runtime.files import PRIVATE_MODE, replacing
from stella.runtime.ports import Entropy

CONFIG, CERTIFICATE, KEY = "security.toml", "peer.crt", "peer.key"
PARTS = ("master", "volume", "filer", "s3", "admin", "worker", "msg_broker", "msg_agent", "mq", "client")
TOKENS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
ALWAYS = (dt.datetime(1970, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59))  # noqa: DTZ001  # UTC, as x509 asks


def write(folder: Path, entropy: Entropy) -> None:
    """Draw the keys of a server that works in `folder` and write what it reads at its start."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stella-embedded-store")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), int.from_bytes(entropy(16)) >> 1, *ALWAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    files = {
        CERTIFICATE: certificate.public_bytes(Encoding.PEM),
        KEY: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        CONFIG: config(entropy).encode(),
    }
    for file, data in files.items():
        with replacing(folder / file, PRIVATE_MODE, durable=False) as replacement:
            replacement.write(data)


def config(entropy: Entropy) -> str:
    """`security.toml`: a key for each kind of token, and the certificate of each part."""
    tokens = [f'[{kind}]\nkey = "{entropy(32).hex()}"\n' for kind in TOKENS]
    parts = [f'[grpc.{part}]\ncert = "{CERTIFICATE}"\nkey = "{KEY}"\n' for part in PARTS]
    return "".join([*tokens, f'[grpc]\nca = "{CERTIFICATE}"\n', *parts])
