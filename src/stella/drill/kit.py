"""The files of the drill kit: recorded figures and alerts for Prometheus, a dashboard for Grafana.

`python -m stella.drill.kit FOLDER` writes them; `examples/drills` holds what it writes today.

Rules:
- They are made from `alerts` and from PANELS, so that a panel or an alert shows what the code counts.
- The same table gives the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from stella.drill.alerts import ALERTS, RECORDED
from stella.runtime.files import make_directory, writing

FOLDER = "Stella / Tenancy"
HEAD = "# Made by `python -m stella.drill.kit`; change the table in stella/drill/alerts.py, not this file.\n"
WIDTH, HEIGHT = 12, 8  # of a panel, in the units of Grafana; two in a row


class Panel(NamedTuple):
    """A picture: its title, what it shows, the text of its legend, and the unit in Grafana's words."""

    title: str
    expression: str
    legend: str
    unit: str = "short"


PANELS: tuple[Panel, ...] = (
    Panel("Requests", "sum by (tenant) (tenant:requests:rate5m)", "{{tenant}}", "reqps"),
    Panel("Errors, share of requests", "tenant:errors:ratio5m", "{{tenant}} {{service}}", "percentunit"),
    Panel("Refused: no token, wrong tenant, missing scope", "tenant:denied:rate5m", "{{tenant}} {{service}}", "reqps"),
    Panel("Over the limit", "tenant:limited:rate5m", "{{tenant}} {{service}}", "reqps"),
    Panel("Time of a request, p95", "tenant:request_seconds:p95", "{{tenant}} {{access}}", "s"),
    Panel("Jobs that wait", "tenant_queue_depth", "{{tenant}}"),
    Panel(
        "Bytes of files",
        "sum by (tenant, direction) (rate(tenant_data_volume_bytes_total[5m]))",
        "{{tenant}} {{direction}}",
        "Bps",
    ),
    Panel("Tokens refused, by reason", "token:failures:rate5m", "{{reason}}", "ops"),
    Panel("Keys asked for, by result", "issuer:jwks_requests:rate5m", "{{issuer}} {{result}}", "ops"),
    Panel("Age of kept keys", "jwks_cache_age_seconds", "{{issuer}}", "s"),
    Panel("Keys in use", "jwks_keys", "{{issuer}}"),
    Panel(
        "Downloads of key sets", "sum by (issuer, result) (rate(jwks_fetch_total[5m]))", "{{issuer}} {{result}}", "ops"
    ),
)


def recording_rules() -> str:
    """recording-rules.yaml."""
    rules = ({"record": one.name, "expr": one.expression} for one in RECORDED)
    return f"{HEAD}groups:\n  - name: stella-tenancy-recorded\n    rules:\n{_rules(rules)}"


def alerts() -> str:
    """alerts.yaml."""
    rules: list[Mapping[str, object]] = [
        {
            "alert": one.name,
            "expr": one.expression,
            "for": one.lasting,
            "labels": {"severity": one.severity},
            "annotations": {"summary": one.summary, "action": one.action},
        }
        for one in ALERTS
    ]
    return f"{HEAD}groups:\n  - name: stella-tenancy\n    rules:\n{_rules(rules)}"


def _rules(rules: Iterable[Mapping[str, object]]) -> str:
    lines = []
    for rule in rules:
        mark = "      - "
        for name, value in rule.items():
            if isinstance(value, Mapping):
                lines += [f"{mark}{name}:", *(f"          {key}: {_text(word)}" for key, word in value.items())]
            else:
                lines.append(f"{mark}{name}: {_text(value)}")
            mark = "        "
    return "".join(f"{line}\n" for line in lines)


def _text(value: object) -> str:
    """A text in quotes, which YAML takes from JSON."""
    return json.dumps(value, ensure_ascii=False)


def dashboard() -> str:
    """dashboards/tenant-audit.json."""
    panels = [
        {
            "id": number + 1,
            "type": "timeseries",
            "title": panel.title,
            "datasource": {"type": "prometheus", "uid": "${source}"},
            "gridPos": {"x": number % 2 * WIDTH, "y": number // 2 * HEIGHT, "w": WIDTH, "h": HEIGHT},
            "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
            "targets": [{"refId": "A", "expr": panel.expression, "legendFormat": panel.legend}],
        }
        for number, panel in enumerate(PANELS)
    ]
    shown = {
        "uid": "stella-tenant-audit",
        "title": "Tenants: traffic, refusals, keys",
        "tags": ["stella", "tenancy"],
        "schemaVersion": 39,
        "editable": True,
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": panels,
    }
    return json.dumps(shown, indent=2) + "\n"


def provider() -> str:
    """dashboards/provider.yaml: tells Grafana in which of its folders the dashboard belongs."""
    return (
        f"{HEAD}apiVersion: 1\nproviders:\n  - name: stella-tenancy\n    folder: {_text(FOLDER)}\n    type: file\n"
        "    options:\n      path: /etc/grafana/dashboards/stella\n"
    )


FILES = {
    "recording-rules.yaml": recording_rules,
    "alerts.yaml": alerts,
    "dashboards/tenant-audit.json": dashboard,
    "dashboards/provider.yaml": provider,
}


def write(folder: Path) -> None:
    """Write every file of the kit below a folder; raises the errors of `runtime.files`."""
    for name, make in FILES.items():
        path = folder / name
        make_directory(path.parent)
        with writing(path):
            path.write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
