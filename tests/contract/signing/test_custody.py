"""What every custody of private keys must do, files and OpenBao alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stella.kernel.errors import StellaError
from stella.runtime import openbao
from stella.runtime.errors import BadSetting, BaoAway, BaoDenied, BaoRefused, SecretUnreadable
from stella.runtime.openbao import OpenBao
from stella.signing import attestation, cosign_pem, verification
from stella.signing.bao_custody import BaoCustody
from stella.signing.custody import Custody, FileCustody
from stella.signing.vocabulary import Algorithm
from stella.testing import MemoryFolder, counted_entropy
from tests import signed
from tests.openbao import TOKEN, running
from tests.unit.key.keeping import DAY, Keeper

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    with running(tmp_path_factory.mktemp("bao")) as found:
        yield found


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosign_pem, "COST", 32768)


@pytest.fixture(params=["file", "bao"])
def custody(request: pytest.FixtureRequest) -> Custody:
    entropy = counted_entropy(request.node.name)  # a server is asked by several tests
    if request.param == "file":
        return FileCustody(MemoryFolder(), lambda: b"correct horse", entropy)
    return BaoCustody(request.getfixturevalue("bao"), "transit", entropy)


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ed25519"])
def test_a_key_signs_where_it_was_made_and_its_statement_verifies(custody: Custody, algorithm: Algorithm) -> None:
    kept = custody.make(algorithm, "policy")
    assert kept.public.algorithm == algorithm
    assert kept.public.verify(custody.sign(kept.handle, b"data"), b"data")
    assert not kept.public.verify(custody.sign(kept.handle, b"data"), b"date")
    data = attestation.by_key(
        signed.PAYLOAD, kept.public, lambda data: custody.sign(kept.handle, data), signed.stamp_at(signed.NOW)
    )
    trust = signed.trust(signed.key_list.listed(kept.public, "policy", signed.NOW))
    assert verification.verify(data, trust, signed.demand()).keyid == kept.public.keyid


def test_two_keys_are_two(custody: Custody) -> None:
    one, two = custody.make("ecdsa-p256", "policy"), custody.make("ecdsa-p256", "policy")
    assert one.handle != two.handle
    assert one.public.keyid != two.public.keyid
    assert not two.public.verify(custody.sign(one.handle, b"data"), b"data")


def test_a_key_that_was_forgotten_signs_no_more(custody: Custody) -> None:
    kept, other = custody.make("ed25519", "policy"), custody.make("ed25519", "policy")
    custody.forget(kept.handle)
    custody.forget(kept.handle)
    with pytest.raises(StellaError):
        custody.sign(kept.handle, b"data")
    assert other.public.verify(custody.sign(other.handle, b"data"), b"data")


@pytest.mark.parametrize("handle", ["", "file:../x", "file:store.json", "bao:x", "elsewhere:private/x.key"])
def test_a_handle_of_another_form_opens_nothing(custody: Custody, handle: str) -> None:
    with pytest.raises(StellaError):
        custody.sign(handle, b"data")


def test_a_key_of_openbao_cannot_be_exported(bao: OpenBao) -> None:
    kept = BaoCustody(bao, "transit", counted_entropy("export")).make("ed25519", "policy")
    name = kept.handle.rpartition("/")[2]
    with pytest.raises(BaoRefused, match="not exportable"):
        bao.call("GET", f"transit/export/signing-key/{name}")


def test_a_key_that_is_there_is_never_taken_for_a_new_one(bao: OpenBao) -> None:
    BaoCustody(bao, "transit", counted_entropy("same")).make("ed25519", "policy")
    with pytest.raises(BaoRefused, match="is there"):
        BaoCustody(bao, "transit", counted_entropy("same")).make("ecdsa-p256", "policy")


def test_a_token_that_may_not_is_told_so(bao: OpenBao) -> None:
    stranger = OpenBao(bao.address, b"another")
    with pytest.raises(BaoDenied):
        BaoCustody(stranger, "transit", counted_entropy("denied")).make("ed25519", "policy")


def test_an_engine_that_is_not_mounted(bao: OpenBao) -> None:
    with pytest.raises(BaoRefused):
        BaoCustody(bao, "elsewhere", counted_entropy("mount")).make("ed25519", "policy")


def test_a_secret_by_reference(bao: OpenBao) -> None:
    bao.call("POST", "secret/data/stella/keys", {"data": {"passphrase": "correct horse", "count": 1, "empty": ""}})
    assert openbao.read_secret(bao, "bao:secret/stella/keys#passphrase") == b"correct horse"
    for reference in ("bao:secret/stella/keys", "bao:secret#x", "bao:secret/stella/keys#"):
        with pytest.raises(SecretUnreadable, match="bao:MOUNT/PATH#FIELD"):
            openbao.read_secret(bao, reference)
    for field in ("other", "count", "empty"):
        with pytest.raises(SecretUnreadable, match="no such field"):
            openbao.read_secret(bao, f"bao:secret/stella/keys#{field}")
    with pytest.raises(BaoRefused):
        openbao.read_secret(bao, "bao:secret/nowhere#passphrase")


def test_a_server_that_is_sealed_or_away(tmp_path: Path) -> None:
    with running(tmp_path) as own:
        own.call("PUT", "sys/seal")
        with pytest.raises(BaoAway, match="sealed"):
            own.call("GET", "transit/keys/x")
    with pytest.raises(BaoAway):
        own.call("GET", "transit/keys/x")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bao",
        "http://bao.example:8200",
        "https://a:b@bao.example",
        "https://bao.example/v1",
        "http://[",
        "https://x:0",
    ],
)
def test_an_address_that_cannot_be_used(address: str) -> None:
    with pytest.raises(BadSetting):
        OpenBao(address, b"x")


def test_the_life_of_a_key_in_openbao(tmp_path: Path) -> None:
    with running(tmp_path) as bao:
        live(bao, tmp_path)


def live(bao: OpenBao, tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, seed="life", BAO_TOKEN=TOKEN.decode())
    keeper.set("keys", custody="bao")
    keeper.set("bao", address=bao.address)
    old = keeper.create()
    assert (old.key.custody, len(keeper.private())) == ("bao", 2), "the authorities alone are files"
    before = keeper.attest("before")
    (name,) = stored(bao)
    new = keeper.rotate("1d").new
    assert len(stored(bao)) == 2
    keeper.clock.pass_time(DAY)
    after = keeper.attest("after")
    keeper.rotate("1d")
    assert name not in stored(bao), "what is retired is destroyed there too"
    assert keeper.verify(before.out).keyid == old.key.keyid
    assert keeper.verify(after.out).keyid == new.keyid
    keeper.env["BAO_TOKEN"] = "another"
    with pytest.raises(BaoDenied):
        keeper.attest("denied")
    assert not (tmp_path / "denied.sigstore").exists()


def stored(bao: OpenBao) -> set[str]:
    """Names of the keys that a life has in OpenBao."""
    names = (bao.call("LIST", "transit/keys") or {})["keys"]
    assert isinstance(names, list)
    return set(names)
