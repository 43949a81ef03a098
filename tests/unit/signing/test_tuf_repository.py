"""What a channel publishes: versions, what is listed, who signed, and the same bytes for the same input."""

from __future__ import annotations

import json

import pytest

from stella.signing import tuf_repository
from stella.signing.errors import BadRotation
from stella.signing.tuf_client import Trusted, verify_update
from stella.signing.tuf_repository import KEEP_GENERATIONS, LATEST, Expiries
from tests.unit.signing.laid import DAY, EXPIRIES, NOW, POLICY, Laid


def signers_of(data: bytes) -> set[str]:
    return {signature["keyid"] for signature in json.loads(data)["signatures"]}


def test_the_first_state_has_one_file_per_role() -> None:
    laid = Laid()
    assert sorted(laid.state) == ["1.root.json", "1.snapshot.json", "1.targets.json", "timestamp.json"]
    root = tuf_repository.root_of(laid.state)
    assert root.consistent_snapshot
    assert (len(root.roles["root"].keyids), root.roles["root"].threshold) == (3, 2)
    assert len({keyid for role in root.roles.values() for keyid in role.keyids}) == 6


def test_equal_input_gives_equal_bytes() -> None:
    one = Laid().publish({"b": b"2", "a": b"1"}).rotate("root")
    two = Laid().publish({"a": b"1", "b": b"2"}).rotate("root")
    assert one.state == two.state


def test_a_publication_adds_and_replaces_and_keeps_the_roots() -> None:
    laid = Laid().publish({"generations/00000001.json": b"one"}).publish({"signers.json": b"{}"}, now=NOW + DAY)
    assert sorted(laid.state) == ["1.root.json", "3.snapshot.json", "3.targets.json", "timestamp.json"]
    update = verify_update(Trusted(laid.state["1.root.json"]), laid.state)
    assert {path: length for path, (length, _) in update.targets.items()} == {
        "generations/00000001.json": 3,
        "signers.json": 2,
    }
    assert update.expiry == ("timestamp", NOW + 4 * DAY)


def test_only_the_newest_generations_stay_listed() -> None:
    many = {f"generations/{number:08d}.json": b"x" for number in range(1, KEEP_GENERATIONS + 3)}
    update = verify_update(Trusted(Laid().state["1.root.json"]), Laid().publish(many).state)
    assert len(update.targets) == KEEP_GENERATIONS + len(POLICY)
    assert "generations/00000002.json" not in update.targets
    assert "generations/00000003.json" in update.targets


def test_a_root_rotation_is_signed_by_old_and_new() -> None:
    laid = Laid()
    old = laid.roots
    laid.rotate("root")
    assert signers_of(laid.state["2.root.json"]) == {key.keyid for key in (*old[:2], *laid.roots)}
    assert laid.state["1.root.json"] == Laid().state["1.root.json"]
    assert tuf_repository.root_of(laid.state).version == 2
    assert tuf_repository.newest_root(laid.state) == laid.state["2.root.json"]


def test_the_tenth_root_is_newer_than_the_ninth() -> None:
    names = ["9.root.json", "10.root.json", "timestamp.json"]
    assert tuf_repository.newest_root_name(names) == "10.root.json"


@pytest.mark.parametrize("role", tuf_repository.ONLINE)
def test_an_online_rotation_changes_that_role_alone(role: str) -> None:
    laid = Laid()
    before = tuf_repository.root_of(laid.state).roles
    laid.rotate(role)
    after = tuf_repository.root_of(laid.state).roles
    assert [name for name in before if before[name].keyids != after[name].keyids] == [role]
    assert signers_of(laid.state[laid.name(role)]) == {laid.online[role].keyid}
    assert len(tuf_repository.root_of(laid.state).keys) == 6


@pytest.mark.parametrize(("old", "new", "word"), [(1, 3, "old"), (2, 1, "new"), (0, 3, "old"), (2, 0, "new")])
def test_a_rotation_below_a_threshold_is_refused(old: int, new: int, word: str) -> None:
    laid = Laid()
    made = laid.keys(3)
    public = [key.public for key in made]
    with pytest.raises(BadRotation, match=f"of the 2 required keys of the {word} root"):
        tuf_repository.rotate(laid.state, "root", public, laid.roots[:old], made[:new], NOW, EXPIRIES)


def test_a_rotation_may_keep_some_keys_of_the_role() -> None:
    laid = Laid()
    kept = [*laid.roots[:2], *laid.keys(1)]
    public = [key.public for key in kept]
    state = tuf_repository.rotate(laid.state, "root", public, laid.roots[:2], kept, NOW, EXPIRIES)
    assert verify_update(Trusted(laid.state["1.root.json"]), state).new_roots == (2,)
    assert set(tuf_repository.root_of(state).roles["root"].keyids) == {key.keyid for key in kept}


def test_one_root_key_twice_is_one() -> None:
    laid = Laid()
    made = laid.keys(1)[0]
    with pytest.raises(BadRotation, match="1 keys cannot meet the threshold of 2"):
        tuf_repository.rotate(laid.state, "root", [made.public] * 3, laid.roots, [made], NOW, EXPIRIES)


@pytest.mark.parametrize("holder", ["root", "snapshot"])
def test_one_key_serves_one_role(holder: str) -> None:
    laid = Laid()
    taken = laid.roots[0] if holder == "root" else laid.online[holder]
    with pytest.raises(BadRotation, match=f"a key of the role {holder}"):
        tuf_repository.rotate(laid.state, "timestamp", [taken.public], laid.roots, laid.roots, NOW, EXPIRIES)
    online = laid.online | {"timestamp": taken}
    with pytest.raises(BadRotation, match="is a key of the role"):
        tuf_repository.initial(laid.roots, online, POLICY, NOW, EXPIRIES)


def test_a_life_without_end_stops_at_the_last_year() -> None:
    forever = 10**12
    laid = Laid(expiries=Expiries(forever, forever, forever, forever))
    assert verify_update(Trusted(laid.state["1.root.json"]), laid.state).expiry[1] == LATEST


def test_roles_are_shown_with_their_newest_facts() -> None:
    laid = Laid().rotate("root").publish(now=NOW + DAY)
    shown = tuf_repository.roles(laid.state)
    assert list(shown) == ["root", "targets", "snapshot", "timestamp"]
    assert {role: facts.version for role, facts in shown.items()} == {
        "root": 2,
        "targets": 3,
        "snapshot": 3,
        "timestamp": 3,
    }
    assert shown["root"].threshold == 2
    assert set(shown["root"].keyids) == {key.keyid for key in laid.roots}
    assert shown["root"].expires == NOW + EXPIRIES.root
    assert shown["timestamp"].expires == NOW + DAY + EXPIRIES.timestamp
