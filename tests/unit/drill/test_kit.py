"""The files of the drill kit: valid, made from the tables, and about metrics that the code counts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stella.drill import kit
from stella.drill.alerts import ALERTS, JWKS_CACHE_EXPIRED, RECORDED, Watch
from stella.runtime.counts import Counts
from stella.runtime.telemetry import METRICS

ROOT = Path(__file__).parents[3]
KIT = ROOT / "examples" / "drills"
NAMED = {  # alerts that the kit promises by name
    "tenant_error_rate_gt_0_5pct",
    "jwks_cache_miss_spike",
    "tenant_rate_limit_exceeded",
    "tenant_latency_p95_high",
    "tenant_auth_failures_spike",
    "jwks_cache_expired",
}
WORDS = {"sum", "by", "rate", "increase", "histogram_quantile", "or", "unless"}
SELECTED = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")
GROUPED = re.compile(r"by \(([^)]*)\)")


def read(name: str) -> Any:
    return yaml.safe_load((KIT / name).read_text())


def expressions() -> Iterator[str]:
    for name in ("recording-rules.yaml", "alerts.yaml"):
        for group in read(name)["groups"]:
            yield from (rule["expr"] for rule in group["rules"])
    for panel in json.loads((KIT / "dashboards/tenant-audit.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def labels_of(name: str) -> set[str]:
    """The labels of a metric, or of a recorded figure by what it is grouped by."""
    recorded = {one.name: one.expression for one in RECORDED}
    if name in recorded:
        return {label.strip() for found in GROUPED.findall(recorded[name]) for label in found.split(",")} - {"le"}
    base = name.removesuffix("_bucket")
    return set(METRICS[base].labels) | ({"le"} if name != base else set())  # type: ignore[index]


def names_in(expression: str) -> set[str]:
    """What an expression names, apart from texts, labels, durations and words of the language."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|by \([^)]*\)", " ", expression)
    return set(re.findall(r"(?<![\w:.])[a-zA-Z_][\w:]*", bare)) - WORDS


def test_the_files_are_what_the_tables_make() -> None:
    for name, make in kit.FILES.items():
        assert (KIT / name).read_text() == make(), f"run `python -m stella.drill.kit examples/drills` ({name})"


def test_writing_makes_every_file(tmp_path: Path) -> None:
    kit.write(tmp_path / "kit")
    assert {path.relative_to(tmp_path / "kit").as_posix() for path in (tmp_path / "kit").rglob("*.*")} == set(kit.FILES)


def test_every_promised_alert_is_there_and_says_what_to_do() -> None:
    rules = {rule["alert"]: rule for group in read("alerts.yaml")["groups"] for rule in group["rules"]}
    assert set(rules) >= NAMED
    for rule in rules.values():
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["action"]


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_an_expression_names_what_is_counted(expression: str) -> None:
    known = {one.name for one in RECORDED}
    counted = {f"{name}_bucket" if metric.kind == "histogram" else name for name, metric in METRICS.items()}
    assert names_in(expression)
    assert names_in(expression) <= known | counted
    assert all(expression.count(left) == expression.count(right) for left, right in ("()", "{}", "[]"))
    for name, chosen in SELECTED.findall(expression):
        assert set(re.findall(r"(\w+)=", chosen)) <= labels_of(name)
    for group in GROUPED.findall(expression):
        used = {label.strip() for label in group.split(",")}
        assert all(used <= labels_of(name) for name in names_in(expression))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_speaks_of_labels_that_its_expression_keeps(alert: Any) -> None:
    kept = set.union(*(labels_of(name) for name in names_in(alert.expression)))
    for group in GROUPED.findall(alert.expression)[:1]:
        kept = {label.strip() for label in group.split(",")}
    assert set(re.findall(r"\$labels\.(\w+)", alert.summary)) <= kept


def test_every_metric_of_the_kit_is_counted_somewhere() -> None:
    code = "".join(
        path.read_text()
        for path in (ROOT / "src/stella").rglob("*.py")
        if path.name not in {"telemetry.py", "alerts.py"}
    )
    used = {name.removesuffix("_bucket") for text in expressions() for name in names_in(text) if ":" not in name}
    for name in used:
        called = {"counter": "count|add", "gauge": "gauge", "histogram": "observe"}[METRICS[name].kind]  # type: ignore[index]
        assert re.search(rf'(\.({called})|Series)\(\s*"{name}"', code), name


def test_the_dashboard_is_one_and_has_a_folder() -> None:
    board = json.loads((KIT / "dashboards/tenant-audit.json").read_text())
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in board["panels"]})
    assert board["uid"]
    assert [one["folder"] for one in read("dashboards/provider.yaml")["providers"]] == ["Stella / Tenancy"]


def test_the_alert_that_a_drill_judges_is_the_one_of_the_kit() -> None:
    assert JWKS_CACHE_EXPIRED.judged is not None
    assert JWKS_CACHE_EXPIRED.expression == (
        'sum by (issuer) (increase(jwks_cache_requests_total{result="expired"}[5m])) > 0'
    )
    rules = {rule["alert"]: rule["expr"] for group in read("alerts.yaml")["groups"] for rule in group["rules"]}
    assert rules["jwks_cache_expired"] == JWKS_CACHE_EXPIRED.expression


def test_the_alert_fires_when_keys_expire_and_resolves_five_minutes_later() -> None:
    counts, watch = Counts(), Watch(JWKS_CACHE_EXPIRED)
    told = []
    for second in range(1, 400):
        if second in {20, 30}:
            counts.count("jwks_cache_requests_total", issuer="i", result="expired")
        counts.count("jwks_cache_requests_total", issuer="i", result="hit")
        changed = watch.look(second, counts)
        if changed is not None:
            told.append((second, changed))
    assert told == [(20, True), (330, False)]
    assert watch.fired == 1


def test_an_alert_of_another_form_is_not_judged() -> None:
    with pytest.raises(ValueError, match="tenant_rate_limit_exceeded"):
        Watch(next(alert for alert in ALERTS if alert.name == "tenant_rate_limit_exceeded"))
