"""`stella policy simulate` as a person runs it, over an inventory of two assets: counts, limits, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import junitparser
import pytest

from stella.cli.main import run
from tests.e2e.fleet import AS_OF, NO_VEX, OPEN, TODAY, Fleet, advisory, asset, laid

DATA = Path(__file__).parents[3] / "shared/data"


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fleet:
    return laid(tmp_path, monkeypatch, capsys)


def test_all_findings_are_counted(fleet: Fleet) -> None:
    code, told = fleet.simulate(fleet.load())
    assert (code, told["verdict"], told["findings"], told["as_of"]) == (0, "passed", 4, AS_OF)
    assert told["statuses"] == [
        {"word": "affected", "before": 4, "after": 2},
        {"word": "blocked", "before": 0, "after": 2},
    ]
    assert told["transitions"] == [
        {"before": "default", "after": "default", "findings": 2},
        {"before": "default", "after": "exploited", "findings": 2},
    ]
    assert [(one["name"], one["changed"]) for one in told["environments"]] == [("dev", 1), ("prod", 1)]
    assert [(one["name"], one["newly_blocked"]) for one in told["movers"]] == [("batch", 1), ("web", 1)]


def test_vex_is_respected_by_the_exit_code(fleet: Fleet) -> None:
    """What a statement clears must not fail the build; without it, or with a policy that ignores it, it must."""
    fleet.text("limits.toml", "max_newly_blocked = 0\n")
    silent, cleared = fleet.load(), fleet.load("--vex", "vex")
    limits = ("--limits", "limits.toml")
    code, told = fleet.simulate(silent, *limits)
    assert (code, told["reason"]) == (6, "threshold_exceeded")
    code, told = fleet.simulate(cleared, *limits)
    assert (code, told["reason"], told["total"]["newly_blocked"]) == (0, None, 0)
    code, told = fleet.simulate(cleared, *limits, after=NO_VEX)
    assert (code, told["reason"]) == (6, "threshold_exceeded")
    code, told = fleet.simulate(cleared, before=NO_VEX)
    assert (code, told["total"]["unblocked_kev"]) == (6, 2)  # that a statement lets go of it is seen too


def test_nothing_known_to_be_exploited_is_unblocked_unless_somebody_says_so(fleet: Fleet) -> None:
    inventory = fleet.load()
    code, told = fleet.simulate(inventory, before=TODAY, after=OPEN)
    assert (code, told["reason"]) == (6, "threshold_exceeded")
    (limit,) = told["limits"]
    assert (limit["limit"], limit["value"], limit["allowed"]) == ("max_unblocked_kev", "1", "0")
    (finding,) = limit["top"]
    assert finding["asset"] == "web"
    assert finding["environment"] == "prod"
    assert finding["advisory"] == "GHSA-aaaa"
    assert finding["kev"]
    assert (finding["status_before"], finding["status_after"]) == ("blocked", "affected")
    assert (finding["rule_before"], finding["rule_after"]) == ("exploited", "default")
    fleet.text("limits.toml", "max_unblocked_kev = 1\n")
    assert fleet.simulate(inventory, "--limits", "limits.toml", before=TODAY, after=OPEN)[0] == 0


def test_limits_of_an_environment_are_about_its_findings(fleet: Fleet) -> None:
    inventory = fleet.load()
    fleet.text("limits.toml", "max_newly_blocked = 9\n[environments.prod]\nmax_newly_blocked = 0\nmax_per_asset = 0\n")
    code, told = fleet.simulate(inventory, "--limits", "limits.toml")
    assert code == 6
    exceeded = [
        (one["limit"], one["scope"], one["asset"], len(one["top"])) for one in told["limits"] if one["exceeded"]
    ]
    assert exceeded == [("max_newly_blocked", "prod", "", 1), ("max_per_asset", "prod", "web", 1)]
    assert {one["asset"] for limit in told["limits"] if limit["exceeded"] for one in limit["top"]} == {"web"}
    code, told = fleet.simulate(inventory, "--limits", "limits.toml", after=OPEN)
    assert code == 0, told


def test_findings_of_an_environment_are_shown_however_many_others_change(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stella.policy.simulation.simulating.SCANNED", 1)  # `batch` in dev comes before `web` in prod
    fleet.text("limits.toml", "[environments.prod]\nmax_newly_blocked = 0\nmax_per_asset = 0\n")
    code, told = fleet.simulate(fleet.load(), "--limits", "limits.toml")
    exceeded = [one for one in told["limits"] if one["exceeded"]]
    assert (code, [[found["asset"] for found in one["top"]] for one in exceeded]) == (6, [["web"], ["web"]])


def test_an_unknown_environment_has_limits_like_any_other(fleet: Fleet) -> None:
    named = asset("web", "unknown").replace('asset.id = "web"', 'asset.id = "named"')
    fleet.text("assets.toml", named + '[[asset]]\nsbom = "batch.json"\nasset.id = "nameless"\n')
    fleet.text("limits.toml", "[environments.unknown]\nmax_newly_blocked = 1\nmax_per_asset = 0\n")
    code, told = fleet.simulate(fleet.load(), "--limits", "limits.toml")
    exceeded = [(one["limit"], one["value"], len(one["top"])) for one in told["limits"] if one["exceeded"]]
    assert (code, exceeded) == (6, [("max_newly_blocked", "2", 2), ("max_per_asset", "1", 1)])
    assert [(one["name"], one["findings"]) for one in told["environments"]] == [("unknown", 4)]


def test_what_holds_nothing_back_is_said(fleet: Fleet) -> None:
    words = ("inventory", "load", "--dir", "J", "--sbom", "sboms", "--advisories", "osv", "--as-of", AS_OF)
    _, loaded = fleet(*words)
    fleet.text("limits.toml", "[environments.prd]\nmax_newly_blocked = 0\n")
    reports = ("--report=markdown=out.md", "--report=junit=out.xml", "--limits", "limits.toml")
    code, told = fleet.simulate(loaded["path"], *reports)
    assert (code, told["kev_unknown"], told["environments_missing"]) == (0, 2, ["prd"])
    skipped = [one.name for suite in junitparser.JUnitXml.fromfile("out.xml") for one in suite if one.is_skipped]
    assert skipped == ["undecided", "kev", "environment prd"]
    text = (fleet.folder / "out.md").read_text()
    assert "no catalogue" in text
    assert "Limits of the environment `prd` hold nothing back" in text


def test_an_inventory_without_findings_shows_nothing(fleet: Fleet) -> None:
    fleet.text("osv/a.json", advisory("GHSA-aaaa", "CVE-2026-0001").replace('"lib"', '"other"'))
    (fleet.folder / "osv/b.json").unlink()
    code, told = fleet.simulate(fleet.load(), "--report=markdown=out.md")
    assert (code, told["findings"]) == (0, 0)
    assert "the snapshot has no finding" in (fleet.folder / "out.md").read_text()


def test_exceptions_count_as_long_as_they_last(fleet: Fleet) -> None:
    inventory = fleet.load()
    fleet.text("limits.toml", "max_newly_blocked = 0\n")
    for expires, code in (("2026-02-01T00:00:00Z", 0), (AS_OF, 6)):
        row = f"[[exception]]\nname = 'e'\nwhen = 'kev'\njustification = 'j'\nauthor = 'a'\nexpires = {expires}\n"
        fleet.text("e.toml", row)
        found, told = fleet.simulate(inventory, "--limits", "limits.toml", "--exceptions", "e.toml")
        assert (found, told["exceptions"]) == (code, 1)


def test_reports_say_the_same(fleet: Fleet) -> None:
    reports = [f"--report={form}=out.{form}" for form in ("markdown", "json", "sarif", "junit")]
    code, told = fleet.simulate(fleet.load(), *reports, before=TODAY, after=OPEN)
    assert code == 6
    assert told["reports"] == ["out.markdown", "out.json", "out.sarif", "out.junit"]
    text = (fleet.folder / "out.markdown").read_text()
    assert text.startswith("<!-- stella policy simulate gate -->\n\n### Policy gate: failed")
    kept = json.loads((fleet.folder / "out.json").read_text())
    assert kept == told | {"reports": []}
    (run_,) = json.loads((fleet.folder / "out.sarif").read_text())["runs"]
    assert [one["ruleId"] for one in run_["results"]] == ["max_unblocked_kev"]
    xml = junitparser.JUnitXml.fromfile(str(fleet.folder / "out.junit"))
    assert sum(suite.failures for suite in xml) == 1


def test_a_person_reads_the_verdict_first(fleet: Fleet) -> None:
    inventory = fleet.load()
    fleet.text("after.stella", TODAY)
    fleet.capsys.readouterr()
    code = run(["policy", "simulate", "--to", "after.stella", "--inventory", inventory, "--max-age", "any"])
    assert code == 0
    assert fleet.capsys.readouterr().out.startswith("passed, all 1 limits kept")


def test_a_finding_is_explained_with_all_that_it_has(fleet: Fleet) -> None:
    inventory = fleet.load("--vex", "vex")
    fleet.text("limits.toml", "max_newly_blocked = 0\n")
    _, told = fleet.simulate(inventory, "--limits", "limits.toml", before=TODAY, after=NO_VEX)
    number = told["limits"][0]["top"][0]["finding"]
    fleet.text("p.stella", TODAY)
    words = ("policy", "explain", number, "--policy", "p.stella", "--inventory", inventory, "--rule", "exploited")
    code, result = fleet(*words)
    assert code == 0
    assert (result["finding"], result["as_of"], result["explanation"]["status"]) == (number, AS_OF, "affected")
    assert result["values"]["component.purl"] == "pkg:npm/lib@1.0.0"
    assert result["values"]["kev"] == "true"
    assert result["statements"][0]["status"] == "not_affected"
    (reason,) = result["explanation"]["reasons"]
    assert (reason["held"], [one["held"] for one in reason["clauses"]]) == ("false", ["true", "true"])
    fleet.capsys.readouterr()
    assert run([*map(str, words)]) == 0
    shown = fleet.capsys.readouterr().out
    assert "statement 1 true (status not_affected)" in shown


@pytest.mark.parametrize(("more", "code"), [(("4",), "POLICY-211"), (("0", "--rule", "exploted"), "POLICY-212")])
def test_what_is_not_there_is_not_explained(fleet: Fleet, more: tuple[str, ...], code: str) -> None:
    fleet.text("p.stella", TODAY)
    words = ("policy", "explain", "--policy", "p.stella", "--inventory", fleet.load())
    found, problem = fleet(*words, *more)
    assert (found, problem["code"]) == (4, code)


BAD: dict[str, tuple[tuple[str, ...], int, str]] = {
    "a snapshot that is not there": (("--inventory", "nowhere"), 4, "INVENTORY-"),
    "an old snapshot": (("--max-age", "24h"), 6, "INVENTORY-"),
    "an age that is none": (("--max-age", "soon"), 2, "DOC-004"),
    "a policy that is not there": (("--to", "nothing.stella"), 4, ""),
    "a policy that is none": (("--to", "limits.toml"), 2, "POLICY-302"),
    "an active policy without a service": (("--from", "active"), 2, "POLICY-210"),
    "limits that are none": (("--limits", "after.stella"), 2, "POLICY-206"),
    "a limit that is none": (("--limits", "limits.toml"), 2, "POLICY-207"),
    "a report that is none": (("--report", "html=x"), 2, ""),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_its_code(fleet: Fleet, name: str) -> None:
    more, wanted, code = BAD[name]
    fleet.text("limits.toml", "max_blocked = 3\n")
    found, problem = fleet.simulate(fleet.load(), *more)
    assert (found, problem["code"].startswith(code)) == (wanted, True), problem


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not there")
def test_real_sboms_are_simulated(fleet: Fleet) -> None:
    import tarfile

    for name in ("spdx", "osv-go"):
        with tarfile.open(DATA / f"{name}.tar.xz") as archive:
            archive.extractall(fleet.folder / name, filter="data")
    code, loaded = fleet(
        "inventory", "load", "--dir", "R", "--sbom", "spdx", "--advisories", "osv-go", "--skip-refused"
    )
    assert code == 0
    after = TODAY.replace('kev and not vex.any(status == "not_affected")', "fix.available")
    code, told = fleet.simulate(loaded["path"], after=after)
    assert code == 0
    assert told["findings"] > 100
    assert told["total"]["newly_blocked"] == told["statuses"][-1]["after"] > 0
