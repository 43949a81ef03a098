"""The client workflow accepts what a channel publishes, through every rotation, and says what is new."""

from __future__ import annotations

import pytest

from stella.kernel.digest import sha256
from stella.signing.errors import BadMetadata, MetadataMixed, TrustDamaged, UntrustedMetadata
from stella.signing.keys import PublicKey
from stella.signing.tuf_client import (
    MAX_ROOT_STEPS,
    Trusted,
    check_root,
    check_target,
    verify_update,
)
from tests.unit.signing.laid import DAY, NOW, POLICY, Laid, trusted_after

ROLES = ("root", "targets", "snapshot", "timestamp")


def first(laid: Laid) -> Trusted:
    return Trusted(laid.state["1.root.json"])


def test_a_first_update_gives_targets_versions_and_what_to_keep() -> None:
    laid = Laid().publish({"generations/00000001.json": b"one"})
    update = verify_update(first(laid), laid.state)
    assert update.targets == {
        "generations/00000001.json": (3, sha256(b"one")),
        "signers.json": (7, sha256(POLICY["signers.json"])),
    }
    assert (update.root_version, update.new_roots) == (1, ())
    assert (update.timestamp_version, update.snapshot_version, update.targets_version) == (2, 2, 2)
    assert update.trusted_files() == {
        "timestamp.json": laid.state["timestamp.json"],
        "snapshot.json": laid.state["2.snapshot.json"],
        "targets.json": laid.state["2.targets.json"],
    }


def test_the_same_files_are_accepted_again() -> None:
    laid = Laid()
    update = verify_update(first(laid), laid.state)
    assert verify_update(trusted_after(update, laid.state["1.root.json"]), laid.state) == update


@pytest.mark.parametrize("role", ROLES)
def test_a_site_follows_a_rotation_and_names_the_new_root(role: str) -> None:
    laid = Laid()
    trusted = trusted_after(verify_update(first(laid), laid.state), laid.state["1.root.json"])
    laid.rotate(role)
    update = verify_update(trusted, laid.state)
    assert (update.root_version, update.new_roots, update.targets_version) == (2, (2,), 2)
    assert update.files["2.root.json"] == laid.state["2.root.json"]
    again = verify_update(trusted_after(update, b""), laid.state)
    assert again.new_roots == ()


def test_a_site_that_missed_many_rotations_follows_them_all() -> None:
    laid = Laid()
    trusted = first(laid)
    for role in (*ROLES, "root", "root"):
        laid.rotate(role)
    assert verify_update(trusted, laid.state).new_roots == (2, 3, 4, 5, 6, 7)


def test_the_trusted_root_itself_need_not_travel() -> None:
    laid = Laid()
    trusted = first(laid)
    laid.rotate("root")
    del laid.state["1.root.json"]
    assert verify_update(trusted, laid.state).new_roots == (2,)


def test_root_steps_are_capped() -> None:
    laid = Laid()
    trusted = first(laid)
    for _ in range(MAX_ROOT_STEPS):
        laid.rotate("timestamp", publish=False)
    laid.publish()
    assert verify_update(trusted, laid.state).root_version == MAX_ROOT_STEPS + 1
    laid.rotate("timestamp")
    with pytest.raises(BadMetadata, match=f"more than {MAX_ROOT_STEPS} new roots"):
        verify_update(trusted, laid.state)


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_rotating_an_online_key_recovers_from_a_fast_forward(role: str) -> None:
    laid = Laid()
    laid.resign("timestamp", [laid.online["timestamp"]], lambda signed: signed.update(version=2**31))
    trusted = trusted_after(verify_update(first(laid), laid.state), laid.state["1.root.json"])
    laid.resign("timestamp", [laid.online["timestamp"]], lambda signed: signed.update(version=1))
    laid.rotate(role)
    assert verify_update(trusted, laid.state).timestamp_version == 2


def test_a_rotation_there_and_back_between_two_updates_is_a_rotation() -> None:
    laid = Laid()
    laid.resign("timestamp", [laid.online["timestamp"]], lambda signed: signed.update(version=2**31))
    trusted = trusted_after(verify_update(first(laid), laid.state), laid.state["1.root.json"])
    laid.resign("timestamp", [laid.online["timestamp"]], lambda signed: signed.update(version=1))
    old = laid.online["timestamp"]
    laid.rotate("timestamp", publish=False)
    laid.keys = lambda count: [old] * count  # type: ignore[method-assign]  # the old key comes back
    laid.rotate("timestamp")
    assert verify_update(trusted, laid.state).timestamp_version == 2


def test_rotating_the_targets_key_recovers_from_a_fast_forward_of_targets() -> None:
    laid = Laid()
    trusted = trusted_after(verify_update(first(laid), laid.state), laid.state["1.root.json"])
    ahead = Laid().publish().publish()
    trusted = Trusted(trusted.root, None, None, ahead.state["3.targets.json"])
    laid.rotate("snapshot")
    with pytest.raises(Exception, match="already seen 3"):
        verify_update(trusted, laid.state)
    laid = Laid().rotate("targets")
    assert verify_update(trusted, laid.state).targets_version == 2


def test_expiry_is_a_separate_step_and_names_the_role_that_ends_first() -> None:
    laid = Laid()
    update = verify_update(first(laid), laid.state)
    assert update.expiry == ("timestamp", NOW + 3 * DAY)


def test_only_the_last_root_must_be_in_force() -> None:
    laid = Laid()
    trusted = first(laid)
    laid.resign("root", laid.roots, lambda signed: signed.update(expires="2026-01-01T00:00:00Z"))
    trusted = Trusted(laid.state["1.root.json"])
    laid.rotate("root")
    assert verify_update(trusted, laid.state).expiry[1] > NOW + DAY


def test_a_target_is_its_own_bytes() -> None:
    laid = Laid()
    update = verify_update(first(laid), laid.state)
    check_target(update, "signers.json", POLICY["signers.json"])
    with pytest.raises(MetadataMixed):
        check_target(update, "signers.json", b'{"a":2}')
    with pytest.raises(MetadataMixed):
        check_target(update, "other.json", POLICY["signers.json"])


def test_a_root_vouches_for_itself_before_it_is_trusted() -> None:
    laid = Laid()
    assert check_root(laid.state["1.root.json"]) == 1
    laid.resign("root", laid.keys(3), lambda _: None)
    with pytest.raises(UntrustedMetadata):
        check_root(laid.state["1.root.json"])


@pytest.mark.parametrize("kept", ["root", "timestamp", "snapshot", "targets"])
def test_damage_on_this_side_is_not_blamed_on_the_bundle(kept: str) -> None:
    laid = Laid()
    parts = {"root": laid.state["1.root.json"]} | {kept: b"{"}
    with pytest.raises(TrustDamaged) as caught:
        verify_update(Trusted(**parts), laid.state)
    assert caught.value.facts["name"] == f"{kept}.json"


def test_another_signature_on_the_same_content_is_no_second_history() -> None:
    laid = Laid()
    trusted = trusted_after(verify_update(first(laid), laid.state), laid.state["1.root.json"])
    laid.resign("timestamp", [laid.online["timestamp"], *laid.keys(1)], lambda _: None)
    assert laid.state["timestamp.json"] != trusted.timestamp
    assert verify_update(trusted, laid.state).timestamp_version == 1


def test_key_ids_are_those_of_the_keys() -> None:
    laid = Laid()
    key = laid.roots[0].public
    assert PublicKey(key.raw).keyid == key.keyid
    assert key.keyid in laid.state["1.root.json"].decode()
