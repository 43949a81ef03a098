"""Old bundles, old proofs of time and wrong clocks: what was, cannot be made to be again."""

# every forger takes the world and the parts of the good bundle

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from stella.bundle import cutting
from stella.kernel.digest import sha256
from stella.signing import authority
from stella.testing import counted_entropy
from tests.e2e.forgers import by_a_stranger, other_bytes, other_entries
from tests.e2e.refusal import refused
from tests.world import (
    DAY,
    NOW,
    YEAR,
    Parts,
    World,
    at,
    first_release,
    forged,
    second_release,
)

# ---- replay, rollback, freeze


def test_a_replayed_older_generation(world: World) -> None:
    world.import_("2.stella")
    refused(world, "1.stella", "not_monotonic")
    refused(world, "1.stella", "not_monotonic", quarantined=False, dry_run=True)
    assert world.files() == second_release()


def test_older_trust_below_a_generation_that_is_not_older(world: World) -> None:
    """After a rollback to 1, generation 2 is newer than what runs, but its trust is older than what was seen."""
    world.import_("2.stella")
    world.pass_time(60)
    world.create(first_release(), "3.stella")
    world.import_("3.stella")
    world.rollback(1)
    refused(world, "2-full.stella", "rollback")
    assert world.import_("3.stella").generation == 3


def test_a_bundle_that_is_too_old(world: World) -> None:
    world.pass_time(15 * DAY)
    refused(world, "2.stella", "stale")
    world.create(second_release(), "3.stella", renew=True)
    assert world.import_("3.stella").generation == 3


def test_trust_that_is_no_longer_renewed(world: World) -> None:
    world.pass_time(29 * DAY)
    refused(world, "2.stella", "expired")
    world.create(second_release(), "3.stella", renew=True)
    assert world.import_("3.stella").generation == 3


def test_who_renews_trust_alone_cannot_hide_the_age_of_the_content(world: World) -> None:
    """Keys of targets, snapshot and timestamp are stolen: an old generation no longer expires, but it is stale."""
    world.pass_time(29 * DAY)
    renewed = Parts.read(world.top / "2.stella").targeted(world)
    refused(world, renewed.write(world.top / "evil.stella"), "stale")


def test_a_clock_that_was_set_back_revives_nothing(world: World) -> None:
    world.pass_time(20 * DAY)
    world.site_clock.set_wall(NOW + 2 * DAY)
    error = refused(world, "2.stella", "clock_behind")
    assert error.facts["local"] == at(NOW + 2 * DAY)
    world.create(second_release(), "3.stella", renew=True)
    found = world.import_("3.stella")
    assert (found.generation, found.clock) == (3, "clock_behind")


def test_a_clock_that_was_set_back_across_a_reboot(world: World) -> None:
    """After a reboot only what is written down counts: the newest proof of time and what was carried on from it."""
    world.pass_time(20 * DAY)
    world.create(second_release(), "3.stella", renew=True)
    world.import_("3.stella")
    world.site_clock.reboot("boot-2")
    world.site_clock.set_wall(NOW)
    world.pass_time(3600)
    assert world.status().clock == "clock_behind"
    refused(world, "2-full.stella", "not_monotonic")
    world.clock.set_wall(NOW + 3600)
    parts = Parts.read(world.top / "3.stella")
    dated_back = forged(world, parts, parts.entries, generation=4)
    refused(world, dated_back.write(world.top / "evil.stella"), "anchor_replayed")


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_ten_years_off_changes_no_verdict(years: int, world: World) -> None:
    """A good bundle imports, a bad one is refused for its own reason, whatever the clock of the site says."""
    world.site_clock.set_wall(NOW + years * YEAR)
    parts = Parts.read(world.top / "2.stella")
    for forge, reason in (
        (by_a_stranger, "key_unknown"),
        (other_entries, "root_mismatch"),
        (other_bytes, "digest_mismatch"),
    ):
        refused(world, forge(world, parts).write(world.top / "evil.stella"), reason)
    future = forged_time(world, parts, NOW + 5 * DAY)
    refused(world, future.write(world.top / "evil.stella"), "anchor_invalid")
    found = world.import_("2.stella")
    assert found.clock == ("clock_ahead_suspected" if years > 0 else "clock_behind")
    assert found.trusted_time == at(NOW + 3600)
    refused(world, "1.stella", "not_monotonic")
    assert world.files() == second_release()


@pytest.mark.parametrize("years", [-10, 10])
def test_a_site_laid_under_a_wrong_clock(years: int, world: World) -> None:
    world.d.rename(world.top / "other")
    world.site_clock.set_wall(NOW + years * YEAR)
    world.lay_site()
    assert world.import_("1.stella").generation == 1
    assert world.import_("2.stella").generation == 2


def test_two_people_may_vouch_for_a_clock_far_ahead(world: World) -> None:
    world.site_clock.set_wall(NOW + YEAR)
    refused(world, "2.stella", "approval_required", quarantined=False, confirm_clock=True, reason="checked by phone")
    refused(world, "2.stella", "usage", quarantined=False, confirm_clock=True, approver="kim")
    refused(world, "2.stella", "expired", confirm_clock=True, approver="kim", reason="checked by phone")


# ---- proofs of time


def forged_time(world: World, parts: Parts, proved: int, **changes: Any) -> Parts:
    """Every key is stolen: the statement names a token of any time."""
    token = world.token(parts.generation.root, proved)
    anchors = (msgspec.structs.replace(parts.generation.anchors[0], digest=sha256(token), time=at(proved)),)
    return parts.anchored(token, proved).released(world.release_keys(), anchors=anchors, **changes).targeted(world)


def over_another_root(world: World, parts: Parts) -> Parts:
    first = Parts.read(world.top / "1.stella")
    made = parts.with_documents(
        anchor_tsr=first.documents["anchor.tsr"], time_anchor_json=first.documents["time-anchor.json"]
    )
    return made.released(world.release_keys(), anchors=first.generation.anchors).targeted(world)


def of_the_future(world: World, parts: Parts) -> Parts:
    return forged_time(world, parts, NOW + 2 * DAY)


def of_the_past(world: World, parts: Parts) -> Parts:
    return forged_time(world, parts, NOW - DAY // 2, created=at(NOW + DAY))


def by_a_foreign_authority(world: World, parts: Parts) -> Parts:
    other = authority.make_authority(counted_entropy("authority"), NOW, "stable")
    token = authority.issue(bytes.fromhex(parts.generation.root), NOW + 3600, other.key, other.certificate)
    anchors = (msgspec.structs.replace(parts.generation.anchors[0], digest=sha256(token)),)
    return parts.anchored(token, NOW + 3600).released(world.release_keys(), anchors=anchors).targeted(world)


def dated_differently(world: World, parts: Parts) -> Parts:
    anchors = (msgspec.structs.replace(parts.generation.anchors[0], time=at(NOW)),)
    return parts.released(world.release_keys(), anchors=anchors).targeted(world)


def not_a_token(world: World, parts: Parts) -> Parts:
    token = b"no token"
    anchors = (msgspec.structs.replace(parts.generation.anchors[0], digest=sha256(token)),)
    return parts.anchored(token, NOW + 3600).released(world.release_keys(), anchors=anchors).targeted(world)


def no_token_named(world: World, parts: Parts) -> Parts:
    return parts.released(world.release_keys(), anchors=()).targeted(world)


TOKENS = {
    over_another_root: "anchor_invalid",
    of_the_future: "anchor_invalid",
    of_the_past: "anchor_invalid",
    by_a_foreign_authority: "anchor_invalid",
    dated_differently: "anchor_invalid",
    not_a_token: "anchor_invalid",
    no_token_named: "structure",
}


@pytest.mark.parametrize("forge", TOKENS, ids=lambda forge: forge.__name__)
def test_proofs_of_time(forge: Callable[[World, Parts], Parts], world: World) -> None:
    parts = forge(world, Parts.read(world.top / "2.stella"))
    evil = parts.write(world.top / "evil.stella")
    refused(world, evil, TOKENS[forge])
    world.create(second_release(), "3.stella", renew=True)
    assert world.import_("3.stella").generation == 3


def test_a_proof_of_time_is_replayed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer generation with an older proof of time; only a reason and a second person make it acceptable."""
    world.import_("2.stella")
    monkeypatch.setattr(cutting, "_created", lambda *_: NOW + 60)
    world.create(first_release(), "3.stella")
    refused(world, "3.stella", "anchor_replayed")
    refused(world, "3.stella", "usage", quarantined=False, force=True, approver="kim")
    refused(world, "3.stella", "approval_required", quarantined=False, force=True, reason="authority was down")
    refused(
        world,
        "3.stella",
        "approval_required",
        quarantined=False,
        force=True,
        reason="authority was down",
        approver="op",
    )
    assert world.import_("3.stella", force=True, reason="authority was down", approver="kim").generation == 3
    assert world.state().anchor == NOW + 3600, "a forced import never lowers what was seen"
