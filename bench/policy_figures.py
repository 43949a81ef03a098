"""What the last bench found about policies, as rows of the table of figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Rows = Iterator[tuple[str, str]]


def policies(found: dict[str, Any]) -> Rows:
    """The rows about policies: their text, proofs, evaluation, signatures."""
    yield from _language(found.get("language", {}))
    yield from _proofs(found.get("proofs", {}))
    yield from _lint(found.get("policy_lint", {}))
    if part := found.get("policy"):
        yield from _evaluation(part)
    yield from _statements(found.get("statements", {}))


def _proofs(found: dict[str, Any]) -> Rows:
    for rules, part in found.items():
        told = f"{part['prove_ms']:.0f} ms, again {part['again_ms']:.1f} ms, one rule edited {part['edited_ms']:.0f} ms"
        yield f"proofs of {rules} rules", told


def _lint(found: dict[str, Any]) -> Rows:
    for rules, part in found.items():
        told = f"{part['start_cpu_ms']:.0f} ms of CPU from the start; proofs {part['proofs_warm_ms']:.0f} ms"
        yield f"policy lint, {rules}", told


def _evaluation(part: dict[str, Any]) -> Rows:
    size = f"{part['findings'] / 1e6:.0f} M findings, {part['rules']} rules"
    for name, cost in part["decisions"].items():
        cel = f", {part['times_rust_cel'][name]:,} x Rust CEL" if name in part["times_rust_cel"] else ""
        yield f"{size}: {name}", f"{cost['per_s'] / 1e6:.0f} M/s, {cost['per_cpu_s'] / 1e6:.0f} M/CPU-s{cel}"
    for name, peer in part["peers"].items():
        yield f"  {name}", f"{peer['per_cpu_s']:,} /CPU-s"
    before = ", ".join(f"{cost['wall_s']:.2f} s with {name}" for name, cost in part["simulate"].items())
    yield "  before and after", before
    yield "  one rule edited, to new counts", f"{part['edit']['to_counts_s']:.2f} s"
    yield f"  a feed that touches {part['feed']['touched']:,}", f"{part['feed']['wall_s']:.2f} s"
    if peak := part.get("hundred_million"):
        told = f"{peak['evaluate_peak_mib']:,} MiB at most, {peak['simulate_peak_mib']:,} MiB before and after"
        yield "100 M findings", told


def _language(found: dict[str, Any]) -> Rows:
    for size, cost in found.items():
        if isinstance(cost, dict) and "lark_ms" in cost:
            ratio = f"lark takes {cost['lark_takes_times_as_long']:.1f} x as long"
            yield f"a policy of {size.replace('_', ' ')}", f"{cost['parse_ms']:.1f} ms to parse, {ratio}"


def _statements(found: dict[str, Any]) -> Rows:
    for algorithm, part in found.items():
        rate = part["per_s"]
        for act in ("sign", "verify"):
            peers = (
                f"{part[f'{act} to {name}']:.2f} x {name}"
                for name in ("signature alone", "securesystemslib")
                if f"{act} to {name}" in part
            )
            dated, keyless = (rate[f"{act}: stella, {how}"] for how in ("dated", "keyless"))
            yield (
                f"{act} a statement, {algorithm}",
                f"{rate[f'{act}: stella']:,} /s, dated {dated:,}, keyless {keyless:,}; " + ", ".join(peers),
            )
