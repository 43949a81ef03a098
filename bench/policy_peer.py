"""Row engines and flat engines on the twenty rules, in an environment of their own: one JSON object of rates.

Rules:
- Input is a folder: `columns.npz` has an array for each column, `rules.json` the tests, `masks.npy` the right answers.
- Every engine answers which of the twenty rules match, and is refused when it differs.
- Row engines are called as their users call them from Python: a dict a finding; making it is part of the work.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 20_000  # of engines that take one finding at a time
BATCH = 2_000
ROUNDS = 3


def main(folder: Path) -> None:
    """Measure all and print rates in findings for each second."""
    held = np.load(folder / "columns.npz", allow_pickle=True)
    columns = {name: held[name] for name in held.files}
    rules = json.loads((folder / "rules.json").read_text())
    masks = np.load(folder / "masks.npy")
    rates: dict[str, Any] = {}
    for name, measure in {
        "Rust CEL": rust_cel,
        "cedarpy": cedar,
        "DuckDB flat SQL": duck,
        "Polars flat": polars,
    }.items():
        try:
            rates[name] = measure(columns, rules, masks)
        except ImportError as error:
            rates[name] = f"not installed: {error}"
    print(json.dumps(rates))


def timed(count: int, work: Callable[[], Any], right: Callable[[Any], bool]) -> dict[str, float]:
    """The best of some rounds, for load only adds; wall and CPU."""
    wall = cpu = float("inf")
    for _ in range(ROUNDS):
        begin, used = time.perf_counter(), time.process_time()
        found = work()
        wall, cpu = min(wall, time.perf_counter() - begin), min(cpu, time.process_time() - used)
        if not right(found):
            raise SystemExit("an engine differs")
    return {"findings": count, "per_s": round(count / wall), "per_cpu_s": round(count / cpu)}


def dicts(columns: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """One dict a finding."""
    names = list(columns)
    return [
        dict(zip(names, row, strict=True)) for row in zip(*(columns[n][:count].tolist() for n in names), strict=True)
    ]


def bits(rows: list[list[int]]) -> Any:
    """Masks of lists of rules."""
    return np.array([sum(1 << number for number in row) for row in rows], np.uint64)


def cel_text(tests: list[list[Any]]) -> str:
    """A conjunction in CEL."""
    parts = []
    for column, sign, value in tests:
        match sign:
            case "is":
                parts.append(column if value else f"!{column}")
            case "in":
                parts.append(f"{column} in {json.dumps(value)}")
            case "not in":
                parts.append(f"!({column} in {json.dumps(value)})")
            case _:
                parts.append(f"{column} {sign} {value}")
    return " && ".join(parts)


def rust_cel(columns: dict[str, Any], rules: list[Any], masks: Any) -> dict[str, float]:
    """One expression: a list of twenty booleans."""
    import cel  # type: ignore[import-not-found]

    program = cel.compile("[" + ", ".join(cel_text(tests) for tests in rules) + "]")

    def work() -> Any:
        return bits([[i for i, held in enumerate(program.execute(row)) if held] for row in dicts(columns, ROWS)])

    return timed(ROWS, work, lambda found: bool((found == masks[:ROWS]).all()))


def cedar(columns: dict[str, Any], rules: list[Any], masks: Any) -> dict[str, float]:
    """Twenty policies, asked in batches; the reasons are those that match."""
    import cedarpy  # type: ignore[import-not-found]

    def when(tests: list[list[Any]]) -> str:
        parts = []
        for column, sign, value in tests:
            match sign:
                case "is":
                    parts.append(f"context.{column} == {json.dumps(value)}")
                case "in" | "not in":
                    found = f"{json.dumps(value)}.contains(context.{column})"
                    parts.append(found if sign == "in" else f"!({found})")
                case _:
                    parts.append(f"context.{column} {sign} {value}")
        return " && ".join(parts)

    text = "\n".join(
        f'@id("{i}") permit(principal, action, resource) when {{ {when(t)} }};' for i, t in enumerate(rules)
    )
    policies = cedarpy.PolicySet.from_str(text)
    number = {f"policy{i}": i for i in range(len(rules))} | {str(i): i for i in range(len(rules))}

    def work() -> Any:
        found: list[list[int]] = []
        listed = dicts(columns, ROWS)
        for start in range(0, ROWS, BATCH):
            asked = [
                {"principal": 'U::"u"', "action": 'Action::"a"', "resource": 'R::"r"', "context": row}
                for row in listed[start : start + BATCH]
            ]
            answers = cedarpy.is_authorized_batch(asked, policies, [])
            found += [[number[reason] for reason in answer.diagnostics.reasons] for answer in answers]
        return bits(found)

    return timed(ROWS, work, lambda found: bool((found == masks[:ROWS]).all()))


def duck(columns: dict[str, Any], rules: list[Any], masks: Any) -> dict[str, float]:
    """One query over a native table."""
    import duckdb

    def case(number: int, tests: list[list[Any]]) -> str:
        parts = []
        for column, sign, value in tests:
            words = "(" + ", ".join(f"'{word}'" for word in value) + ")" if isinstance(value, list) else str(value)
            parts.append(f"{column} = {value}" if sign == "is" else f"{column} {sign.upper()} {words}")
        return f"(CASE WHEN {' AND '.join(parts)} THEN {1 << number} ELSE 0 END)"

    base = duckdb.connect(config={"threads": 2})
    base.register("given", {**columns, "id": np.arange(len(masks))})
    base.execute("CREATE TABLE flat AS SELECT * FROM given")
    query = f"SELECT id, CAST({' | '.join(case(i, t) for i, t in enumerate(rules))} AS BIGINT) AS m FROM flat"  # noqa: S608

    def right(found: Any) -> bool:
        ordered = np.empty(len(masks), np.uint64)
        ordered[found["id"]] = found["m"].astype(np.uint64)
        return bool((ordered == masks).all())

    return timed(len(masks), lambda: base.sql(query).fetchnumpy(), right)


def polars(columns: dict[str, Any], rules: list[Any], masks: Any) -> dict[str, float]:
    """Expressions over a frame in memory, texts as categories."""
    import polars as pl

    def held(tests: list[list[Any]]) -> Any:
        found = pl.lit(True)
        for column, sign, value in tests:
            one = pl.col(column)
            match sign:
                case "is":
                    found &= one if value else ~one
                case "in" | "not in":
                    among = one.is_in(value)
                    found &= among if sign == "in" else ~among
                case ">=":
                    found &= one >= value
                case _:
                    found &= one < value
        return found

    frame = pl.DataFrame({k: pl.Series(v.tolist()) if v.dtype == object else v for k, v in columns.items()})
    frame = frame.with_columns(pl.col(pl.String).cast(pl.Categorical))
    mask = pl.lit(0, dtype=pl.UInt64)
    for i, tests in enumerate(rules):
        mask = mask | pl.when(held(tests)).then(pl.lit(1 << i, dtype=pl.UInt64)).otherwise(pl.lit(0, dtype=pl.UInt64))

    def work() -> Any:
        return frame.lazy().select(mask.alias("m")).collect()["m"].to_numpy()

    return timed(len(masks), work, lambda found: bool((found == masks).all()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
