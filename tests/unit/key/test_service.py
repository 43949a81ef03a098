"""The life of keys that sign statements: made, published, used, retired, revoked; and a kill at every step."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from stella.attest.model import ROTATION
from stella.kernel.errors import StellaError
from stella.key import errors, service
from stella.key.folder import KeyFolder
from stella.key.model import ShowKey
from stella.runtime.files import observe_steps
from stella.signing import attestation, cosign_pem
from stella.signing.errors import (
    KeyNotBegun,
    RetiredKey,
    RevokedKey,
    SignatureWrong,
    SignerUnknown,
    UnusableKey,
    WrongPassphrase,
)
from stella.signing.signing_key import SigningKey
from stella.testing import counted_entropy
from tests.unit.key.keeping import DAY, KIND, Keeper


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosign_pem, "COST", 2)
    monkeypatch.setattr(cosign_pem, "COSTS", frozenset({2}))


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def test_the_first_key_signs_at_once(keeper: Keeper) -> None:
    made = keeper.create()
    assert (made.key.state, made.key.purpose, made.key.algorithm) == ("active", "policy", "ecdsa-p256")
    done = keeper.attest()
    proved = keeper.verify(done.out, subject=done.sha256, predicate_types=frozenset({KIND}))
    assert (proved.keyid, proved.signed_at) == (made.key.keyid, keeper.now)
    assert done.signer.keyid == made.key.keyid
    assert "PUBLIC KEY" in made.pem
    assert service.show(keeper.ctx, ShowKey(keyid=made.key.keyid[:8], dir=keeper.place)).pem == made.pem


def test_a_rotation_publishes_the_next_key_before_it_signs(keeper: Keeper) -> None:
    old = keeper.create().key.keyid
    turned = keeper.rotate("7d")
    new = turned.new.keyid
    assert keeper.states() == {old: "active", new: "next"}
    assert {key.keyid for key in keeper.trust().keys} == {old, new}, "verifiers have it"
    early = keeper.attest("early")
    assert early.signer.keyid == old
    keeper.clock.pass_time(7 * DAY - 1)
    assert keeper.attest("last").signer.keyid == old
    keeper.clock.pass_time(1)
    assert keeper.states() == {old: "retired", new: "active"}, "nobody did anything"
    assert keeper.attest("late").signer.keyid == new
    for name in ("early", "last", "late"):
        keeper.verify(str(keeper.folder / f"{name}.sigstore"))


def test_the_old_key_says_who_follows(keeper: Keeper) -> None:
    old = keeper.create().key.keyid
    turned = keeper.rotate()
    assert turned.statement is not None
    proved = keeper.verify(turned.statement, predicate_types=frozenset({ROTATION}), subject=turned.new.keyid)
    assert proved.keyid == old
    assert proved.statement.predicate["newKey"] == turned.new.keyid
    assert proved.statement.predicate["ticket"] == "OPS-7"
    (named,) = keeper.trust().keys[1:]
    assert named.public == proved.statement.predicate["publicKey"]
    assert base64.b64decode(named.public) == named.key.spki


def test_a_rotation_whose_statement_nobody_would_believe_is_not_made(keeper: Keeper) -> None:
    """The file of the private key holds another one, or its custody lies."""
    keeper.create()
    other = SigningKey.generate(counted_entropy("other")).to_pem(b"correct horse", counted_entropy("salt"))
    (path,) = Path(keeper.place, "private").glob(f"{keeper.list().keys[0].keyid[:16]}.key")
    path.write_bytes(other)
    before = keeper.states()
    with pytest.raises(SignatureWrong):
        keeper.rotate()
    assert keeper.states() == before
    assert not list(Path(keeper.place).glob("rotations/*"))


def test_a_rotation_under_way_is_not_started_twice(keeper: Keeper) -> None:
    keeper.create()
    new = keeper.rotate().new.keyid
    with pytest.raises(errors.NextKeyWaits):
        keeper.rotate()
    keeper.clock.pass_time(7 * DAY)
    newest = keeper.rotate().new.keyid
    assert keeper.states()[new] == "active"
    assert keeper.states()[newest] == "next"


def test_a_rotation_without_an_overlap_takes_over_at_once(keeper: Keeper) -> None:
    old = keeper.create().key.keyid
    before = keeper.attest("before")
    keeper.clock.pass_time(5)
    new = keeper.rotate("0s", algorithm="ed25519").new
    assert keeper.states() == {old: "retired", new.keyid: "active"}
    assert keeper.verify(before.out).keyid == old
    assert keeper.verify(keeper.attest("after").out).keyid == new.keyid


def test_a_retired_key_is_destroyed_and_what_it_signed_still_verifies(keeper: Keeper) -> None:
    old = keeper.create().key.keyid
    done = keeper.attest()
    keeper.rotate("1d")
    keeper.clock.pass_time(DAY)
    assert f"{old[:16]}.key" in keeper.private()
    keeper.rotate("1d")
    assert f"{old[:16]}.key" not in keeper.private()
    assert {row.keyid: row.custody for row in keeper.list().keys}[old] == "gone"
    keeper.clock.pass_time(300 * DAY)
    assert keeper.verify(done.out).keyid == old


def test_a_retired_key_that_signs_on_is_refused(keeper: Keeper, tmp_path: Path) -> None:
    keeper.create()
    stolen = Keeper(tmp_path / "copy")
    Path(stolen.place).mkdir(parents=True)
    for path in Path(keeper.place).rglob("*"):
        if path.is_file():
            copy = Path(stolen.place, path.relative_to(keeper.place))
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    keeper.rotate("1d")
    stolen.clock.pass_time(DAY)
    late = stolen.attest()
    keeper.clock.pass_time(DAY + 5)
    with pytest.raises(RetiredKey):
        keeper.verify(late.out)


def test_a_revoked_key_counts_for_nothing_since(keeper: Keeper) -> None:
    keyid = keeper.create().key.keyid
    first = keeper.attest("first")
    keeper.clock.pass_time(DAY)
    second = keeper.attest("second")
    keeper.clock.pass_time(DAY)
    done = keeper.revoke(keyid[:12], since="2026-01-01T12:00:00Z")
    assert (done.key.state, done.signs) == ("revoked", None)
    assert f"{keyid[:16]}.key" not in keeper.private()
    assert keeper.verify(first.out).keyid == keyid
    with pytest.raises(RevokedKey):
        keeper.verify(second.out)
    with pytest.raises(errors.NoActiveKey):
        keeper.attest("third")
    assert service.show(keeper.ctx, ShowKey(keyid=keyid, dir=keeper.place)).reason == "stolen"


def test_a_revocation_only_ever_reaches_further_back(keeper: Keeper) -> None:
    keyid = keeper.create().key.keyid
    keeper.clock.pass_time(DAY)
    assert keeper.revoke(keyid, since="2026-01-01T10:00:00Z").key.revoked == "2026-01-01T10:00:00Z"
    assert keeper.revoke(keyid).key.revoked == "2026-01-01T10:00:00Z"
    assert keeper.revoke(keyid, since="2026-01-01T09:00:00Z").key.revoked == "2026-01-01T09:00:00Z"


def test_after_a_revocation_a_rotation_makes_a_key_that_signs_at_once(keeper: Keeper) -> None:
    keeper.revoke(keeper.create().key.keyid)
    turned = keeper.rotate("7d")
    assert (turned.old, turned.statement, turned.new.state) == (None, None, "active")


def test_a_next_key_that_is_revoked_never_signs(keeper: Keeper) -> None:
    keeper.create()
    waiting = keeper.rotate("7d").new.keyid
    keeper.revoke(waiting)
    new = keeper.rotate("1d").new.keyid
    keeper.clock.pass_time(DAY)
    assert keeper.states()[new] == "active"
    assert keeper.attest().signer.keyid == new


def test_each_purpose_has_a_key_of_its_own(keeper: Keeper) -> None:
    policy, sdk = keeper.create().key.keyid, keeper.create(purpose="sdk", algorithm="ed25519").key.keyid
    done = keeper.attest(purpose="sdk")
    assert done.signer.keyid == sdk != policy
    assert keeper.verify(done.out, purpose="sdk").keyid == sdk
    with pytest.raises(SignerUnknown):
        keeper.verify(done.out, purpose="policy")
    keeper.rotate("0s")
    assert keeper.states()[sdk] == "active"


def test_a_verifier_with_the_trust_of_before_does_not_know_the_new_key(keeper: Keeper) -> None:
    keeper.create()
    before = keeper.trust()
    keeper.rotate("1h")
    between = keeper.trust()
    keeper.clock.pass_time(3600)
    done = keeper.attest()
    with pytest.raises(SignerUnknown):
        keeper.verify(done.out, before)
    assert keeper.verify(done.out, between)


def test_a_key_that_signs_too_early_is_refused(keeper: Keeper) -> None:
    keeper.create()
    new = keeper.rotate("1h").new.keyid
    keys = KeyFolder(keeper.ctx, keeper.place)
    store = keys.read()
    key = keys.files.key(store.handles[new])
    payload = attestation.statement(KIND, {"x": "ab" * 32}, {})
    path = keeper.folder / "early.sigstore"
    path.write_bytes(attestation.by_key(payload, key.public, key.sign, lambda data: keys.stamp(store, data)))
    with pytest.raises(KeyNotBegun):
        keeper.verify(str(path))
    keeper.clock.pass_time(3600)
    with pytest.raises(KeyNotBegun):
        keeper.verify(str(path))


WRONG = [
    ("", errors.BadPurpose),
    ("Policy", errors.BadPurpose),
    ("a" * 41, errors.BadPurpose),
    ("*", errors.BadPurpose),
]


@pytest.mark.parametrize(("purpose", "kind"), WRONG)
def test_a_purpose_is_a_word(keeper: Keeper, purpose: str, kind: type[StellaError]) -> None:
    with pytest.raises(kind):
        keeper.create(purpose=purpose)
    assert not Path(keeper.place, "store.json").exists()


def test_what_is_refused(keeper: Keeper) -> None:
    with pytest.raises(StellaError):
        keeper.list()
    keyid = keeper.create().key.keyid
    with pytest.raises(errors.KeyThere):
        keeper.create()
    for wrong in ("", keyid[:7], "f" * 64, "../../x"):
        with pytest.raises(errors.KeyNotListed):
            keeper.revoke(wrong)
    with pytest.raises(errors.BadSince):
        keeper.revoke(keyid, since="2026-02-01T00:00:00Z")
    with pytest.raises(errors.BadOverlap):
        keeper.rotate("366d")
    with pytest.raises(errors.NoActiveKey):
        keeper.attest(purpose="sdk")
    assert keeper.states() == {keyid: "active"}


def test_a_passphrase_is_needed_and_is_not_short(keeper: Keeper) -> None:
    keeper.env["PASS"] = "short"
    with pytest.raises(errors.PassphraseTooShort):
        keeper.create()
    keeper.env["PASS"] = "correct horse"
    keeper.create()
    keeper.env["PASS"] = "another horse"
    with pytest.raises(WrongPassphrase):
        keeper.attest()


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"schema": "stella.key-store@1"}'])
def test_a_store_that_is_damaged(keeper: Keeper, data: bytes) -> None:
    keeper.create()
    Path(keeper.place, "store.json").write_bytes(data)
    for attempt in (keeper.list, keeper.create, keeper.rotate, keeper.attest):
        with pytest.raises(errors.BadStore):
            attempt()


def test_a_custody_that_is_not_there(keeper: Keeper) -> None:
    keeper.set("keys", custody="vault")
    with pytest.raises(errors.BadCustody):
        keeper.create()


def test_a_key_of_cosign_is_taken(keeper: Keeper, tmp_path: Path) -> None:
    theirs = SigningKey.generate(counted_entropy("cosign"))
    path = tmp_path / "cosign.key"
    path.write_bytes(theirs.to_pem(b"correct horse", counted_entropy("salt")))
    assert keeper.create(private=str(path)).key.keyid == theirs.keyid
    assert keeper.verify(keeper.attest().out).keyid == theirs.keyid
    keeper.rotate("0s")
    keeper.revoke(keeper.rotate("0s").new.keyid)
    with pytest.raises(errors.KeyThere):
        keeper.create(private=str(path))


def test_a_key_in_pkcs8_is_taken_and_other_files_are_not(keeper: Keeper, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"

    def put(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, words: bytes = b"correct horse") -> str:
        form = serialization.PrivateFormat.PKCS8
        encryption = serialization.BestAvailableEncryption(words) if words else serialization.NoEncryption()
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
        return str(path)

    p256, p384 = (ec.derive_private_key(7, curve()) for curve in (ec.SECP256R1, ec.SECP384R1))
    with pytest.raises(UnusableKey, match="P-256"):
        keeper.create(private=put(p384))
    with pytest.raises(UnusableKey, match="encrypted"):
        keeper.create(private=put(p256, b""))
    with pytest.raises(WrongPassphrase):
        keeper.create(private=put(p256, b"another horse"))
    assert keeper.create(private=put(p256)).key.algorithm == "ecdsa-p256"


class Killed(BaseException):
    """The process ends here."""


def steps_of(folder: Path) -> int:
    count = 0

    def counting(kind: str, path: str) -> None:
        nonlocal count
        del kind, path
        count += 1

    keeper = Keeper(folder)
    keeper.create()
    observe_steps(counting)
    try:
        keeper.rotate("1d")
    finally:
        observe_steps(None)
    return count


def test_a_kill_at_any_step_of_a_rotation_leaves_the_old_list_or_the_new_one(tmp_path: Path) -> None:
    total = steps_of(tmp_path / "count")
    assert total > 10
    outcomes = set()
    for stop in range(total):
        keeper = Keeper(tmp_path / str(stop), seed=str(stop))
        old = keeper.create().key.keyid
        left = stop

        def kill(kind: str, path: str) -> None:
            nonlocal left
            del kind, path
            if left == 0:
                raise Killed
            left -= 1

        observe_steps(kill)
        try:
            keeper.rotate("1d")
        except Killed:
            pass
        finally:
            observe_steps(None)
        states = keeper.states()
        outcomes.add(len(states))
        assert states[old] == "active"
        assert keeper.verify(keeper.attest().out).keyid == old
        try:
            keeper.rotate("1d")
        except errors.NextKeyWaits:
            assert len(states) == 2
        assert len(keeper.states()) == 2
        assert {key.keyid for key in keeper.trust().keys} == set(keeper.states())
        assert len(keeper.private()) == 4, "two authorities, two keys, and nothing that a kill has left"
        keeper.clock.pass_time(DAY)
        assert keeper.attest("later").signer.keyid != old
    assert outcomes == {1, 2}


def revocable(folder: Path, seed: str) -> tuple[Keeper, str]:
    keeper = Keeper(folder, seed=seed)
    return keeper, keeper.create().key.keyid


def stopped(keeper: Keeper, keyid: str, after: int, **want: str) -> bool:
    """Revoke, with a kill after so many steps; whether it was killed."""
    left = after

    def kill(kind: str, path: str) -> None:
        nonlocal left
        del kind, path
        if left == 0:
            raise Killed
        left -= 1

    observe_steps(kill)
    try:
        keeper.revoke(keyid, **want)
    except Killed:
        return True
    finally:
        observe_steps(None)
    return False


def test_a_kill_at_any_step_of_a_revocation_never_shows_what_verifiers_do_not_know(tmp_path: Path) -> None:
    """List and trust say the same after each step, and the next change finishes what was cut off."""
    outcomes = []
    for stop in range(200):
        keeper, keyid = revocable(tmp_path / str(stop), str(stop))
        out = keeper.attest().out
        killed = stopped(keeper, keyid, stop)
        (believed,) = keeper.trust().keys
        assert keeper.states()[keyid] == believed.state(keeper.now)
        outcomes.append(believed.state(keeper.now))
        if outcomes[-1] == "revoked":
            with pytest.raises(RevokedKey):
                keeper.verify(out)
            with pytest.raises(errors.NoActiveKey):
                keeper.attest("later")
        serial = keeper.list().serial
        other = keeper.create(purpose="sdk").key.keyid
        assert keeper.list().serial == serial + 1
        assert keeper.states()[keyid] == outcomes[-1]
        assert {key.keyid: key.state(keeper.now) for key in keeper.trust().keys} == keeper.states()
        assert len(keeper.private()) == (3 if outcomes[-1] == "revoked" else 4)
        assert keeper.revoke(keyid).key.state == "revoked"
        assert keeper.states() == {keyid: "revoked", other: "active"}
        if not killed:
            break
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {"active", "revoked"}
    assert not killed


def test_a_kill_while_a_revocation_is_moved_back_is_finished_as_well(tmp_path: Path) -> None:
    for stop in range(200):
        keeper, keyid = revocable(tmp_path / str(stop), str(stop))
        keeper.clock.pass_time(2 * DAY)
        keeper.revoke(keyid)
        killed = stopped(keeper, keyid, stop, since="2026-01-02T00:00:00Z")
        (believed,) = keeper.trust().keys
        assert keeper.list().keys[0].revoked == believed.revoked
        keeper.create(purpose="sdk")
        assert keeper.list().keys[-1].revoked == believed.revoked
        if not killed:
            break
    assert not killed


def test_an_older_or_unreadable_list_for_verifiers_changes_nothing(keeper: Keeper) -> None:
    keyid = keeper.create().key.keyid
    place = Path(keeper.place, "trust", "keys.json")
    for text in (b"{", place.read_bytes().replace(b'"revoked":null', b'"revoked":"2026-01-01T00:00:00Z"')):
        place.write_bytes(text)
        assert keeper.states() == {keyid: "active"}
    keeper.create(purpose="sdk")
    assert set(keeper.states().values()) == {key.state(keeper.now) for key in keeper.trust().keys} == {"active"}


def test_the_same_makes_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        keeper = Keeper(tmp_path / name)
        keeper.create()
        keeper.rotate()
        keeper.attest()
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        made.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert made[0] == made[1]
