"""The production key: what counts as one, when nothing goes without it, and that each bundle says which kind it has."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from stella.bundle.reader import BundleFile
from stella.cli.main import run
from stella.kernel.digest import sha256
from tests.e2e.material import as_process

Call = Callable[..., dict[str, Any]]
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()
REQUIRED = {"REQUIRE_PROD_SIGNING": "1"}
CREATE = "mirror create --dir M --source src --out B.stella"


def ours(seed: bytes = b"\1") -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed * 32)


def private(key: Any, encryption: serialization.KeySerializationEncryption = PLAIN) -> bytes:
    return bytes(key.private_bytes(PEM, PKCS8, encryption))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


KEY, OTHER = b64(private(ours())), b64(private(ours(b"\2")))
PUBLIC = ours().public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
RSA = rsa.generate_private_key(65537, 2048)
MALFORMED = {
    "a PEM": private(ours()).decode(),
    "not base64": "%%%" + KEY,
    "cut off": KEY[:-9],
    "no PEM": b64(b"thirty-two bytes of something el"),
    "raw": b64(bytes(32)),
    "public": b64(PUBLIC),
    "encrypted": b64(private(ours(), serialization.BestAvailableEncryption(b"pass"))),
    "damaged": b64(private(ours()).replace(b"MC4", b"MD4")),
    "empty PEM": b64(b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"),
    "elliptic": b64(private(ec.derive_private_key(7, ec.SECP256R1()))),
    "RSA": b64(private(RSA)),
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/app.txt").write_text("release 1\n")
    with as_process(tmp_path):
        yield tmp_path


@pytest.fixture
def call(folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run words with variables; the exit code must be as expected, and no key is ever shown."""
    del folder

    def perform(words: str, code: int = 0, **variables: str) -> dict[str, Any]:
        capfd.readouterr()
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            ended = run([*words.split(), "--json"])
        out, err = capfd.readouterr()
        assert ended == code, out
        assert err == ""
        for secret in filter(None, (variables.get("MIRROR_SIGN_KEY_B64"), KEY)):
            assert secret not in out
        answer: dict[str, Any] = json.loads(out)
        return answer

    return perform


def files(top: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in top.rglob("*") if path.is_file() and path.name != ".lock"}


def signed_word(bundle: Path) -> str:
    """What the signed statement says of the keys, read from its envelope."""
    with BundleFile.open(bundle) as opened:
        envelope = json.loads(opened.document("bundle.dsse.json"))
    word: str = json.loads(base64.b64decode(envelope["payload"]))["predicate"]["signing"]
    return word


def test_the_right_key_signs_and_the_statement_says_so(call: Call, folder: Path) -> None:
    laid = call("mirror init --dir M", MIRROR_SIGN_KEY_B64=KEY, **REQUIRED)
    spki = ours().public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert (laid["signing"], laid["release_keyids"]) == ("production", [sha256(spki)])
    assert call(CREATE, MIRROR_SIGN_KEY_B64=KEY, **REQUIRED)["signing"] == "production"
    assert signed_word(folder / "B.stella") == "production"
    verified = call("mirror verify B.stella --trust M/trust", **REQUIRED)
    assert (verified["signing"], verified["keyids"]) == ("production", [sha256(spki)])
    assert not list(Path("M/keys").glob("release-*"))
    assert private(ours()) not in b"".join(files(folder / "M").values())


def test_a_development_key_is_named_in_the_statement(call: Call, folder: Path) -> None:
    assert call("mirror init --dir M")["signing"] == "development"
    assert call(CREATE)["signing"] == "development"
    assert signed_word(folder / "B.stella") == "development"
    assert call("mirror verify B.stella --trust M/trust")["signing"] == "development"
    assert call("mirror verify B.stella --trust M/trust", 6, **REQUIRED)["code"] == "BUNDLE-019"


@pytest.mark.parametrize("variable", ["REQUIRE_PROD_SIGNING", "STELLA_MIRROR_REQUIRE_PROD_SIGNING"])
@pytest.mark.parametrize("word", ["1", "true", "yes", "on", "TRUE"])
def test_without_a_key_nothing_is_laid(variable: str, word: str, call: Call, folder: Path) -> None:
    problem = call("mirror init --dir M", 2, **{variable: word})
    assert problem["code"] == "MIRROR-008"
    assert not (folder / "M").exists()


@pytest.mark.parametrize("word", ["0", "false", "no", "off", ""])
def test_production_signing_may_be_left_to_others(word: str, call: Call) -> None:
    assert call("mirror init --dir M", REQUIRE_PROD_SIGNING=word)["signing"] == "development"


def test_a_word_that_is_neither_yes_nor_no_is_refused(call: Call, folder: Path) -> None:
    assert call("mirror init --dir M", 2, REQUIRE_PROD_SIGNING="production")["code"] == "CONF-002"
    assert not (folder / "M").exists()


@pytest.mark.parametrize("required", ["1", "0"])
@pytest.mark.parametrize("name", sorted(MALFORMED))
def test_a_malformed_key_is_fatal_whether_one_is_required_or_not(
    name: str, required: str, call: Call, folder: Path
) -> None:
    given = {"MIRROR_SIGN_KEY_B64": MALFORMED[name], "REQUIRE_PROD_SIGNING": required}
    problem = call("mirror init --dir M", 2, **given)
    assert problem["code"] == "KEY-002"
    assert not (folder / "M").exists()


def test_each_way_of_being_malformed_has_its_own_words(call: Call) -> None:
    said = {call("mirror init --dir M", 2, MIRROR_SIGN_KEY_B64=MALFORMED[name])["detail"] for name in sorted(MALFORMED)}
    assert len(said) >= 7


@pytest.mark.parametrize("given", [{}, {"MIRROR_SIGN_KEY_B64": ""}, {"MIRROR_SIGN_KEY_B64": OTHER}])
def test_a_channel_of_a_production_key_cuts_nothing_without_it(given: dict[str, str], call: Call, folder: Path) -> None:
    call("mirror init --dir M", MIRROR_SIGN_KEY_B64=KEY)
    before = files(folder / "M")
    for extra in ({}, REQUIRED):
        problem = call(CREATE, 2, **given, **extra)
        asked_for = bool(extra or given.get("MIRROR_SIGN_KEY_B64"))
        assert problem["code"] == ("MIRROR-008" if asked_for else "MIRROR-018")
    assert files(folder / "M") == before
    assert not (folder / "B.stella").exists()


@pytest.mark.parametrize("name", sorted(MALFORMED))
def test_a_malformed_key_cuts_nothing(name: str, call: Call, folder: Path) -> None:
    call("mirror init --dir M")
    before = files(folder / "M")
    assert call(CREATE, 2, MIRROR_SIGN_KEY_B64=MALFORMED[name])["code"] == "KEY-002"
    assert files(folder / "M") == before


def test_a_development_channel_cuts_nothing_where_production_is_required(call: Call, folder: Path) -> None:
    call("mirror init --dir M")
    before = files(folder / "M")
    for given in ({}, {"MIRROR_SIGN_KEY_B64": KEY}):
        assert call(CREATE, 2, **given, **REQUIRED)["code"] == "MIRROR-008"
    assert files(folder / "M") == before


def test_a_development_key_does_not_become_a_production_key_by_being_given_as_one(call: Call, folder: Path) -> None:
    call("mirror init --dir M")
    (stored,) = Path("M/keys").glob("release-*.pem")
    key = serialization.load_pem_private_key(stored.read_bytes(), b"correct horse")
    given = b64(private(key))
    assert call(CREATE, 2, MIRROR_SIGN_KEY_B64=given, **REQUIRED)["code"] == "MIRROR-008"
    assert call(CREATE, MIRROR_SIGN_KEY_B64=given)["signing"] == "development"
    assert signed_word(folder / "B.stella") == "development"


def test_rotation_to_a_production_key(call: Call, folder: Path) -> None:
    call("mirror init --dir M")
    call(CREATE)
    assert call("mirror rotate --dir M --role release", 2, **REQUIRED)["code"] == "MIRROR-008"
    call("mirror rotate --dir M --role release", MIRROR_SIGN_KEY_B64=KEY, **REQUIRED)
    assert call(f"{CREATE} --renew", MIRROR_SIGN_KEY_B64=KEY, **REQUIRED)["signing"] == "production"
    assert signed_word(folder / "B.stella") == "production"
    assert call("mirror status --dir M")["signing"] == "production"


def test_a_threshold_that_a_development_key_would_meet_is_refused(call: Call, folder: Path) -> None:
    assert (
        call("mirror init --dir M --signers 2 --threshold 2", 2, MIRROR_SIGN_KEY_B64=KEY, **REQUIRED)["code"]
        == "MIRROR-008"
    )
    assert not (folder / "M").exists()
    call("mirror init --dir M --signers 2 --threshold 2", MIRROR_SIGN_KEY_B64=KEY)
    assert call(CREATE, 2, MIRROR_SIGN_KEY_B64=KEY, **REQUIRED)["code"] == "MIRROR-008"
    assert call(CREATE, MIRROR_SIGN_KEY_B64=KEY)["signing"] == "development"


def test_the_key_may_be_in_a_file(call: Call, folder: Path) -> None:
    (folder / "release.b64").write_text(f"{KEY[:40]}\n{KEY[40:]}\n")
    given = {"STELLA_MIRROR_SIGN_KEY": f"file:{folder}/release.b64"}
    assert call("mirror init --dir M", **given, **REQUIRED)["signing"] == "production"
    assert call("mirror init --dir N", 2, STELLA_MIRROR_SIGN_KEY="file:/nonexistent", **REQUIRED)["code"] == "CONF-006"


def test_a_site_that_wants_production_refuses_the_rest(call: Call) -> None:
    strict = {"STELLA_SITE_REQUIRE_PRODUCTION": "1"}
    call("mirror init --dir M")
    call(CREATE)
    call("site init --dir D --trust M/trust")
    assert call("site import B.stella --dir D", 6, **strict)["code"] == "BUNDLE-019"
    assert call("site status --dir D")["active"] is None
    (case,) = call("site quarantine --dir D")["cases"]
    assert (case["code"], case["reason"]) == ("BUNDLE-019", "test_key")
    call("mirror rotate --dir M --role release", MIRROR_SIGN_KEY_B64=KEY)
    call(f"{CREATE} --renew", MIRROR_SIGN_KEY_B64=KEY)
    assert call("site import B.stella --dir D", **strict)["signing"] == "production"
    assert call("site status --dir D", **strict)["active"] == 2
