"""OpenSSL reads our tokens and keys, and we read its own."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stella.signing.anchor import verify
from stella.signing.authority import Authority, issue, make_authority
from stella.signing.exchange import request
from stella.signing.keys import PrivateKey, production_key
from stella.signing.signers import AnchorRoot
from stella.testing import counted_entropy

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="the openssl command is not installed")

NOW = 1_767_225_600
DATA = b"\x07" * 32


def openssl(folder: Path, *words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(OPENSSL), *words], cwd=folder, input=data, capture_output=True, check=False)


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def lay(folder: Path) -> Authority:
    made = make_authority(counted_entropy("openssl"), NOW, "acme")
    (folder / "root.pem").write_bytes(pem(made.root))
    (folder / "data").write_bytes(DATA)
    (folder / "token.tsr").write_bytes(issue(DATA, NOW, made.key, made.certificate))
    return made


VERIFY = ("ts", "-verify", "-in", "token.tsr", "-CAfile", "root.pem", "-attime", str(NOW), "-data")


def test_openssl_accepts_our_token_for_its_data(tmp_path: Path) -> None:
    lay(tmp_path)
    done = openssl(tmp_path, *VERIFY, "data")
    assert (done.returncode, b"Verification: OK" in done.stdout + done.stderr) == (0, True), done.stderr
    (tmp_path / "other").write_bytes(b"other")
    assert openssl(tmp_path, *VERIFY, "other").returncode != 0


def test_openssl_reads_our_question(tmp_path: Path) -> None:
    (tmp_path / "q.tsq").write_bytes(request(DATA, b"\x00\x00\x00\x00\x00\x00\x00\x2a"))
    shown = openssl(tmp_path, "ts", "-query", "-in", "q.tsq", "-text").stdout
    assert b"sha512" in shown
    assert b"0x2A" in shown
    assert b"Certificate required: yes" in shown


CONFIG = """
[tsa]
default_tsa = one
[one]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


def test_we_accept_a_token_by_openssl(tmp_path: Path) -> None:
    made = lay(tmp_path)
    plain = made.key.to_pem(b"secret passphrase")
    (tmp_path / "tsa.key").write_bytes(plain)
    (tmp_path / "tsa.pem").write_bytes(pem(made.certificate))
    (tmp_path / "tsa.cnf").write_text(CONFIG)
    (tmp_path / "serial").write_text("01")
    (tmp_path / "q.tsq").write_bytes(request(DATA, b"\x01" * 8))
    done = openssl(
        tmp_path,
        *("ts", "-reply", "-config", "tsa.cnf", "-section", "one", "-queryfile", "q.tsq", "-out", "their.tsr"),
        *("-signer", "tsa.pem", "-inkey", "tsa.key", "-passin", "pass:secret passphrase"),
    )
    assert done.returncode == 0, done.stderr
    root = AnchorRoot(
        "own-1", base64.b64encode(made.root).decode(), "2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z", False
    )
    proved = verify((tmp_path / "their.tsr").read_bytes(), DATA, [root])
    assert proved >= NOW


def test_openssl_opens_our_key_files_and_checks_our_signatures(tmp_path: Path) -> None:
    key = PrivateKey.generate(counted_entropy("key"))
    (tmp_path / "key.pem").write_bytes(key.to_pem(b"secret passphrase"))
    (tmp_path / "public.pem").write_bytes(key.public.to_pem())
    shown = openssl(tmp_path, "pkey", "-in", "key.pem", "-passin", "pass:secret passphrase", "-pubout")
    assert shown.stdout == key.public.to_pem()
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "sig").write_bytes(key.sign(DATA))
    done = openssl(
        tmp_path, *("pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-in", "data", "-sigfile", "sig")
    )
    assert done.returncode == 0, done.stderr


def test_the_production_key_is_made_as_the_hint_says(tmp_path: Path) -> None:
    made = openssl(tmp_path, "genpkey", "-algorithm", "ed25519").stdout
    secret = openssl(tmp_path, "base64", "-A", data=made).stdout
    public = openssl(tmp_path, "pkey", "-pubout", data=made).stdout
    assert production_key(secret).public.to_pem() == public
    assert production_key(secret + b"\n").public.to_pem() == public
