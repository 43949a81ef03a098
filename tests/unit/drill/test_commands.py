"""Drills as commands: results, exit codes, reports, and drills that are not run."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stella import bootstrap, operations
from stella.drill import clock_skew, faults, inside, namespace, report, service
from stella.drill.errors import BadOutage, NamespaceEnded, NoNamespace
from stella.drill.model import Drilled, DrillOutage, DrillSkew, Measure
from stella.drill.rules import measured, outage_of, share, shown
from stella.kernel.errors import BadDuration, Exit
from stella.operations import Context
from stella.runtime.errors import BadReport
from stella.runtime.settings import Settings
from stella.tenancy import claims
from stella.testing import ManualClock, SilentProgress, counted_entropy
from tests.unit.drill.planned import no_namespace

CONTEXT = Context(ManualClock(), counted_entropy("drill"), SilentProgress(), Settings(), str.encode, "operator")
ROOT = Path(__file__).parents[3]


def stella(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "stella", *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def skewed(**more: Any) -> Drilled:
    return service.drill(CONTEXT, "clock-skew", DrillSkew(tenants=2, speed=10_000, **more))


@pytest.mark.network
def test_a_result_says_what_was_measured_beside_its_limit() -> None:
    found = json.loads(msgspec.json.encode(skewed(seed=9)))
    assert (found["schema"], found["name"], found["passed"], found["mode"]) == (
        "stella.drill@1",
        "clock-skew",
        True,
        "endpoint",
    )
    assert found["seed"] == 9
    assert found["requests"] > 0
    assert all(measure["passed"] for measure in found["measures"])
    assert {"name", "found", "relation", "limit", "unit", "passed"} == set(found["measures"][0])
    assert {"at", "name", "detail"} == set(found["events"][0])


@pytest.mark.network
def test_a_seed_is_drawn_and_told() -> None:
    drawn = skewed().seed
    assert drawn > 0
    assert skewed().seed != drawn


@pytest.mark.network
def test_a_broken_limit_is_a_negative_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    operation = {found.name: found for found in bootstrap.load("drill")}["drill.clock-skew"]
    want = DrillSkew(tenants=2, speed=10_000)
    assert operation.verdict(operation.run(CONTEXT, want)) is Exit.OK
    monkeypatch.setattr(claims, "SKEW", 5)
    found = operation.run(CONTEXT, want)
    assert not found.passed
    assert operation.verdict(found) is Exit.NEGATIVE
    assert operation.view(found)


@pytest.mark.network
def test_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "SKEW", 29)
    paths = {form: str(tmp_path / "out" / form) for form in report.FORMATS}
    found = skewed(report=tuple(f"{form}={path}" for form, path in paths.items()))
    assert set(found.reports) == set(paths.values())
    suite = ET.parse(paths["junit"]).getroot()
    failed = [measure for measure in found.measures if not measure.passed]
    assert (suite.get("tests"), suite.get("failures")) == (str(len(found.measures)), str(len(failed)))
    assert failed
    assert [case.get("name") for case in suite if case.find("failure") is not None] == [one.name for one in failed]
    text = Path(paths["markdown"]).read_text()
    assert text.startswith("# Drill clock-skew: failed")
    assert text.count("**failed**") == len(failed)


@pytest.mark.parametrize("given", ["junit", "junit=", "html=x", "=x", ""])
def test_a_report_that_is_none_costs_no_drill(given: str) -> None:
    with pytest.raises(BadReport):
        skewed(report=(given,))


@pytest.mark.parametrize("text", ["1m", "119s", "3601s", "2h", "0s"])
def test_an_outage_out_of_bounds(text: str) -> None:
    with pytest.raises(BadOutage):
        service.drill(CONTEXT, "jwks-outage", DrillOutage(outage=text))


def test_an_outage_within_bounds() -> None:
    assert [outage_of(text) for text in ("2m", "5m", "1h", "3600s")] == [120, 300, 3600, 3600]
    with pytest.raises(BadDuration):
        outage_of("soon")


@pytest.mark.parametrize(
    "bad",
    [{"speed": 0}, {"tenants": 1}, {"tenants": 101}, {"seed": -1}, {"speed": "fast"}, {"netns": 1}, {"more": 1}],
)
def test_a_request_out_of_bounds_is_none(bad: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, DrillSkew)


def test_measures() -> None:
    assert measured("x", 3, "<=", 3).passed
    assert not measured("x", 3, "<", 3).passed
    assert measured("x", True, "=", 1).found == 1  # a truth is counted
    assert shown(Measure("x", 1_000_000, "<=", 0.5, "%", passed=False)) == ("1,000,000 %", "<= 0.500 %")
    assert share(0, 0) == 100.0
    assert share(1, 300) == 0.333


BROKEN = """import sys
from stella.tenancy import claims
claims.SKEW = 5
from stella.cli.main import main
main()
"""


def test_a_drill_that_is_negative_ends_with_6(tmp_path: Path) -> None:
    words = ("drill", "clock-skew", "--speed", "10000", "--tenants", "2", "--json")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", BROKEN, *words]
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == Exit.NEGATIVE, found.stderr
    assert not json.loads(found.stdout)["passed"]


def test_a_drill_that_passes_ends_with_0(tmp_path: Path) -> None:
    found = stella("drill", "clock-skew", "--speed", "10000", "--tenants", "2", "--json", folder=tmp_path)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["schema"] == "stella.drill@1"
    shown_to_people = stella("drill", "clock-skew", "--speed", "10000", "--tenants", "2", folder=tmp_path)
    assert "limit" in shown_to_people.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "stella", "drill", "pool-leak", "--rounds", "1000000"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not any("ready" in path.read_text() for path in tmp_path.glob("stella-drill-*/data/postmaster.pid")):
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED, said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.nightly
def test_real_packets_are_lost_in_a_network_of_its_own(tmp_path: Path) -> None:
    if problem := no_namespace():
        pytest.skip(problem)
    words = ("drill", "jwks-outage", "--netns", "--outage", "2m", "--speed", "10000", "--tenants", "4", "--json")
    found = stella(*words, folder=tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    result = json.loads(found.stdout)
    kinds = {event["detail"].rpartition(" ")[2] for event in result["events"] if event["name"] == "outage.began"}
    assert (result["mode"], kinds) == ("packets", set(faults.LOSSES))
    degraded = [event["detail"] for event in result["events"] if event["name"] == "auth.degraded"]
    assert any("timed out" in detail for detail in degraded)
    assert any("refused" in detail for detail in degraded)


def test_a_machine_without_namespaces_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "start_child", refuse)
    with pytest.raises(NoNamespace, match="not permitted") as raised:
        skewed(netns=True)
    assert raised.value.exit is Exit.SEALED
    assert "unshare" in raised.value.advice


def refuse(command: list[str], **more: Any) -> subprocess.Popen[bytes]:
    """A child that is told by the kernel what one without rights is told."""
    told = command[-1]
    program = f'import pathlib; pathlib.Path({told!r}).write_text(\'{{"refused": "unshare: not permitted"}}\')'
    return subprocess.Popen([sys.executable, "-c", program], env=more["env"])


def test_a_child_that_is_killed_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_: list[str], **more: Any) -> subprocess.Popen[bytes]:
        more["log"].write_text("first\nout of memory\n")
        return subprocess.Popen([sys.executable, "-c", "import sys; sys.exit(9)"])

    monkeypatch.setattr(namespace, "start_child", killed)
    with pytest.raises(NamespaceEnded, match="exit code 9; out of memory") as raised:
        skewed(netns=True)
    assert raised.value.exit is Exit.TRANSIENT


def test_a_machine_without_a_packet_filter_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults.shutil, "which", lambda *_, **__: None)
    with pytest.raises(NoNamespace, match="nft: it is not installed; iptables: it is not installed"):
        faults.packet_filter()


def test_iptables_serves_where_nft_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        failed = command[0].endswith("nft")
        return subprocess.CompletedProcess(command, int(failed), "", "no such table" if failed else "")

    monkeypatch.setattr(faults.shutil, "which", lambda name, **_: f"/usr/sbin/{name}")
    monkeypatch.setattr(faults.subprocess, "run", run)
    switch = faults.packet_filter()
    switch(8080, reset=True, begins=True)
    switch(8080, reset=False, begins=False)
    assert ran[-2:] == [
        [
            "/usr/sbin/iptables",
            "-A",
            "OUTPUT",
            "-p",
            "tcp",
            "--dport",
            "8080",
            "-j",
            "REJECT",
            "--reject-with",
            "tcp-reset",
        ],
        ["/usr/sbin/iptables", "-D", "OUTPUT", "-p", "tcp", "--dport", "8080", "-j", "DROP"],
    ]


def test_entering_without_rights_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Libc:
        def unshare(self, flags: int) -> int:
            assert flags == inside.CLONE_NEWUSER | inside.CLONE_NEWNET
            return -1

    monkeypatch.setattr(inside.ctypes, "get_errno", lambda: 1)
    assert inside.enter(Libc()) == "unshare: Operation not permitted"  # type: ignore[arg-type]


def test_every_drill_is_in_the_table() -> None:
    names = {found.verb for found in bootstrap.load("drill")}
    assert names == {*service.DRILLS, "pool-leak"}
    assert all(operations.find(f"drill.{name}").long for name in names)
    assert dataclasses.is_dataclass(operations.find("drill.pool-leak"))
    assert clock_skew.PLAY == claims.SKEW
