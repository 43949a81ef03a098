"""`make figures`: what the last bench found, as a table; README shows the same text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from policy_figures import policies

CORPORA = {"mixed": "1 GB, packages and archives", "compressible": "600 MB of packages", "small": "100,000 small files"}


def _corpus(title: str, part: dict[str, Any]) -> Iterator[tuple[str, str]]:
    peers = (f"{peer['create_is_times_as_fast']:.1f} x {line}" for line, peer in part["peers"].items())
    yield f"{title}: create", ", ".join((f"{part['create']['mb_per_cpu_s']:.0f} MB/CPU-s", *peers))
    yield f"{title}: import", f"{part['import']['mb_per_cpu_s']:.0f} MB/CPU-s"


def rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What was measured, and the figures, from the content of results.json; the speed of a peer is 1 x."""
    for name, title in CORPORA.items():
        yield from _corpus(title, found[name])
    limits = (f"{name.replace('_', ' -')} {rate:.0f}" for name, rate in found["limits_mb_per_cpu_s"].items())
    yield "limits of the machine", ", ".join(limits) + " MB/CPU-s"
    peak = max(found["two_gigabytes"][side]["peak_mib"] for side in ("create", "import"))
    yield "2.2 GB: peak memory", f"{peak:.0f} MiB"
    if "bytes" in found["thin"]:
        yield "nats-server 2.15.0 -> 2.15.1", f"{found['thin']['bytes']['stella thin'] / 1e6:.2f} MB thin"
        for name, ratio in found["thin"]["times_as_large_as_thin"].items():
            yield f"  {name}", f"{ratio:.2f} x as large"
    for name, cost in found["start_cpu_ms"].items():
        yield name, f"{cost:.0f} ms of CPU"
    yield from _platform(found)
    yield from policies(found)


def _platform(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if stack := found.get("stack"):
        yield "stella up", f"{stack['cold_s']:.2f} s cold, {stack['warm_s']:.2f} s warm; down {stack['down_s']:.2f} s"
    if service := found.get("service"):
        ratio = service["stella_ratio"]
        for kind in ("raw", "litestar", "fastapi"):
            if f"get_to_{kind}" in ratio:
                yield (
                    f"a request, CPU beside {kind}",
                    f"{ratio[f'get_to_{kind}']:.2f} x GET, {ratio[f'post_to_{kind}']:.2f} x POST",
                )
    if index := found.get("index"):
        seconds, search = index["enter_s"], index["search_ms"]
        yield f"index of {index['entries']:,} entries", f"{seconds:.2f} s to write, {search:.2f} ms a search"
    yield from _tokens(found.get("tokens", {}))
    yield from _tenancy(found.get("tenancy", {}))
    if migrations := found.get("migrations"):
        mine = migrations["stella"]
        yield (
            f"{migrations['files']} migrations",
            f"{mine['apply_s']:.2f} s; nothing to do {mine['nothing_to_do_s']:.2f} s",
        )
        for name, times in migrations["times_as_long_as_stella"].items():
            yield f"  {name}", f"{times['apply']:.2f} x as long; nothing to do {times['nothing_to_do']:.2f} x"
    if lint := found.get("lint"):
        mine = lint["stella"]
        yield (
            "tenancy lint of Stella",
            f"{mine['cpu_s']:.2f} s of CPU; {mine['found']} of {lint['shapes']} shapes found",
        )
        for name in ("ruff S608", "bandit B608", "semgrep taint"):
            if name in lint:
                peer = lint[name]
                yield f"  {name}", f"{peer['times_as_long_as_stella']:.2f} x as long; {peer['found']} found"
    if objects := found.get("objects"):
        yield from _objects(objects)


def _tokens(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for alg in ("RS256", "ES256", "EdDSA"):
        if part := found.get(alg):
            cost = part["us"]
            peers = (f"{1 / ratio:.2f} x {name}" for name, ratio in part["peer_to_cold"].items())
            yield (
                f"a token, {alg}",
                f"{cost['stella, cold']:.0f} us, kept {cost['stella, kept']:.1f} us; "
                + ", ".join((f"{part['cold_to_signature_alone']:.2f} x the signature alone", *peers)),
            )
    if flood := found.get("flood"):
        yield f"{flood['tokens']:,} unknown key ids", f"{flood['us']:.0f} us each, {flood['downloads']} downloads"


def _objects(part: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for place, title in (("disk", "object of 64 KiB in a folder"), ("bucket", "object of 64 KiB in a bucket")):
        own = part[place]["handle"]
        yield title, f"{own['put']['wall_us'] / 1000:.2f} ms put, {own['get']['wall_us'] / 1000:.2f} ms get"
        for name in part[place].keys() - {"handle", "skipped"} - {"plain file, careless"}:
            ratios = [part[place][name][verb]["times_as_long_as_handle"] for verb in ("put", "get")]
            yield f"  {name}", f"{ratios[0]:.2f} x as long to put, {ratios[1]:.2f} x to get"


def _tenancy(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for count, part in found.get("row_level_security", {}).items():
        words = (
            f"{kind} {one['policy']:.2f} x, sealed {one['policy, sealed']:.2f} x"
            for kind, one in part.items()
            if kind != "where_us"
        )
        yield f"a policy beside WHERE, {int(count):,} tenants", "; ".join(words)
    if found:
        over, gate = found["transaction_us"]["over_bare"], found["gate_ms"]
        yield "a transaction of a tenant", f"{over:.0f} us more than a bare one"
        yield "the gate between tenants", f"{gate['first']:.0f} ms, then {gate['again']:.0f} ms"


if __name__ == "__main__":
    table = list(rows(json.loads((Path(__file__).parent / "results.json").read_text())))
    width = max(len(what) for what, _ in table)
    print("\n".join(f"{what:{width}}  {figures}" for what, figures in table))
