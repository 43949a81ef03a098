"""Changes of root keys, going back on purpose, two histories, and the same bundle once more."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.forgers import by_a_stranger, other_bytes
from tests.e2e.refusal import refused, stands
from tests.world import (
    Parts,
    World,
    first_release,
    second_release,
)

# ---- change of root


def rotated(world: World, role: str = "root") -> str:
    world.rotate(role)
    world.pass_time(60)
    world.create(second_release(), f"{role}.stella", renew=True)
    return f"{role}.stella"


def test_a_change_of_root_needs_a_second_person(world: World) -> None:
    bundle = rotated(world)
    error = refused(world, bundle, "approval_required", quarantined=False)
    assert int(error.exit) == 3
    refused(world, bundle, "approval_required", quarantined=False, approver="op")
    refused(world, bundle, "approval_required", quarantined=False, approver=" ")
    found = world.import_(bundle, approver="kim")
    assert found.new_roots == (2,)
    assert world.state().root_version == 2
    assert world.files() == second_release()


def test_a_root_is_left_out(world: World) -> None:
    rotated(world)
    parts = Parts.read(world.top / rotated(world))
    gap = Parts({title: data for title, data in parts.documents.items() if title != "tuf/2.root.json"}, parts.blobs)
    refused(world, gap.write(world.top / "evil.stella"), "root_gap", approver="kim")
    assert world.import_("root.stella", approver="kim").new_roots == (2, 3)


def test_a_root_signed_by_too_few_of_the_old_keys(world: World) -> None:
    parts = Parts.read(world.top / rotated(world))
    old = json.loads(parts.documents["tuf/1.root.json"])["signed"]["roles"]["root"]["keyids"]
    root = json.loads(parts.documents["tuf/2.root.json"])
    first = next(mark["keyid"] for mark in root["signatures"] if mark["keyid"] in old)
    root["signatures"] = [mark for mark in root["signatures"] if mark["keyid"] not in old or mark["keyid"] == first]
    weak = Parts(parts.documents | {"tuf/2.root.json": json.dumps(root).encode()}, parts.blobs)
    refused(world, weak.write(world.top / "evil.stella"), "threshold", approver="kim")
    assert world.import_("root.stella", approver="kim").new_roots == (2,)


def test_two_people_who_force_an_older_generation_under_a_newer_root_keep_a_site_that_works(world: World) -> None:
    """Generation 1 with the newer root beside it: forced, it runs; the site still trusts what follows."""
    world.import_("2.stella")
    newer = Parts.read(world.top / rotated(world))
    first = Parts.read(world.top / "1.stella")
    mixed = Parts(first.documents | {"tuf/2.root.json": newer.documents["tuf/2.root.json"]}, first.blobs)
    evil = mixed.write(world.top / "evil.stella")
    refused(world, evil, "not_monotonic", approver="kim")
    assert world.import_(evil, force=True, reason="drill", approver="kim").generation == 1
    assert world.import_("root.stella").generation == 3


# ---- going back on purpose


def test_force_needs_a_reason_and_another_person(world: World) -> None:
    world.import_("2.stella")
    refused(world, "1.stella", "usage", quarantined=False, force=True, approver="kim")
    refused(world, "1.stella", "approval_required", quarantined=False, force=True, reason="drill")
    refused(world, "1.stella", "approval_required", quarantined=False, force=True, reason="drill", approver="op")
    assert world.import_("1.stella", force=True, reason="drill", approver="kim").generation == 1
    assert world.files() == first_release()
    last = world.state().history[-1]
    assert (last.why, last.approver, last.actor) == ("drill", "kim", "op")
    assert world.import_("2.stella").generation == 2, "what was seen stays seen, and the way forward is open"


def test_force_makes_nothing_else_acceptable(world: World) -> None:
    parts = Parts.read(world.top / "2.stella")
    evil = by_a_stranger(world, parts).write(world.top / "evil.stella")
    stands(world, evil, "key_unknown", force=True, reason="I want it", approver="kim")


# ---- two histories


@pytest.mark.parametrize("later", [False, True], ids=["same trust version", "later trust version"])
def test_two_roots_for_one_generation(later: bool, world: World, tmp_path: Path) -> None:
    """The vendor, or all of his keys, tell this site another generation 2 than the one it runs."""
    other = World(tmp_path / "fork", "fork")
    other.clock.reading = world.clock.reading
    shutil.copytree(world.m, other.m)
    head = other.m / "head.json"
    record = json.loads((other.m / "generations/00000001.json").read_bytes())
    trust = {
        title: digest for title, digest in record["documents"].items() if title == "signers.json" or title[:4] == "tuf/"
    }
    mark = {"generation": 1, "root": record["root"]}
    head.write_bytes(json.dumps({"schema": "stella.head@1", "generation": mark, "documents": trust}).encode())
    if later:
        other.rotate("packer")
    other.create(second_release() | {"policies/gate.stella": b"allow all\n"}, "2.stella")
    world.import_("2.stella")
    refused(world, other.top / "2.stella", "equivocation")
    refused(world, other.top / "2.stella", "equivocation", force=True, reason="the vendor says so", approver="kim")
    assert world.files() == second_release()


# ---- once more


def test_importing_twice_changes_nothing(world: World) -> None:
    world.import_("2.stella")
    before = (world.d / "state.json").read_bytes()
    found = world.import_("2.stella")
    assert found.notes == ("already active; nothing was changed",)
    assert world.import_("2-full.stella").generation == 2
    assert (world.d / "state.json").read_bytes() == before


def test_a_thin_bundle_without_its_base(world: World) -> None:
    world.d.rename(world.top / "other")
    world.lay_site()
    error = refused(world, "2.stella", "base_missing")
    assert error.facts["generation"] == 1
    assert "generation 1" in error.advice
    assert world.import_("2-full.stella").generation == 2
    assert world.files() == second_release()


def test_a_dry_run_of_a_bad_bundle_leaves_no_trace(world: World) -> None:
    before = (world.d / "state.json").read_bytes()
    evil = other_bytes(world, Parts.read(world.top / "2.stella")).write(world.top / "evil.stella")
    refused(world, evil, "digest_mismatch", quarantined=False, dry_run=True)
    refused(world, by_a_stranger(world, Parts.read(evil)).write(evil), "key_unknown", quarantined=False, dry_run=True)
    assert (world.d / "state.json").read_bytes() == before
