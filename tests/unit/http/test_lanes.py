"""Queues of a tenant for some operations: how many run, how many wait, what is not let in, and what is counted."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stella.http.metrics import Metrics
from stella.http.store import Load
from stella.operations import Context, Lane
from stella.policy import promotion_operations
from stella.policy.errors import InputsStale, QueueFull
from stella.runtime.counts import Counts
from stella.runtime.telemetry import METRICS
from tests.unit.http.test_app import Want, World, play

A, B = "kim@acme", "kim@acme-2"
LANE = Lane("simulation", 2, 3, lambda waiting: QueueFull(waiting=waiting))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path, max_jobs=20)
    rows = made.probe.rows

    def admit(_: Context, want: Want) -> None:
        if want.what == "stale":
            raise InputsStale(digest="d", age=25, limit=24)

    def in_lane() -> list[Any]:
        return [dataclasses.replace(row, lane=LANE, admit=admit) if row.long else row for row in rows()]

    monkeypatch.setattr(made.probe, "rows", in_lane)
    return made


async def asked(world: World, what: str, number: int, token: str = A) -> tuple[int, Mapping[str, str], Any]:
    return await world.call("POST", "/v1/longs", {"dir": f"{what}-{number}", "what": what}, token=token)


async def at_work(world: World, tenant: str) -> int:
    await asyncio.sleep(0.1)
    return sum(job.tenant == tenant and job.state.value == "running" for job in world.store.jobs.values())


def test_so_many_run_and_so_many_wait_and_then_it_is_full(world: World) -> None:
    async def scene(world: World) -> None:
        for number in range(2):
            assert (await asked(world, "wait", number))[0] == 202
        assert await at_work(world, "acme") == 2
        for number in range(2, 5):
            assert (await asked(world, "wait", number))[0] == 202
        assert await at_work(world, "acme") == 2
        status, headers, told = await asked(world, "wait", 5)
        assert (status, told["reason"], told["exit"], told["code"]) == (429, "queue_full", 10, "POLICY-123")
        assert int(headers["retry-after"]) >= 1
        assert (await asked(world, "wait", 0, B))[0] == 202
        assert await at_work(world, "acme-2") == 1
        text = world.service.app._metrics.text(world.store.count_jobs()).decode()
        assert 'policy_simulation_queue_depth{stage="queued"} 3.0' in text
        assert 'policy_simulation_queue_depth{stage="running"} 3.0' in text
        assert 'tenant_rate_limit_hits_total{service="stella",tenant="acme"} 1.0' in text
        world.probe.go.set()
        for _ in range(200):
            if all(job.state.value == "done" for job in world.store.jobs.values()):
                break
            await asyncio.sleep(0.02)
        assert [job.state.value for job in world.store.jobs.values()] == ["done"] * 6
        assert (await asked(world, "wait", 6))[0] == 202

    play(world, scene)


def test_what_is_not_let_in_is_refused_before_it_waits(world: World) -> None:
    async def scene(world: World) -> None:
        status, _, told = await asked(world, "stale", 1)
        assert (status, told["reason"], told["exit"]) == (409, "inputs_stale", 6)
        assert "25 hours" in told["detail"]
        assert world.store.jobs == {}

    play(world, scene)


def test_simulations_have_the_queue_of_the_contract() -> None:
    found = promotion_operations.SIMULATIONS
    assert (found.at_once, found.depth) == (10, 100)
    error = found.full(100)
    assert (error.exit, error.reason, getattr(error, "status", 0)) == (10, "queue_full", 429)


def test_what_was_never_asked_for_is_there_as_nothing() -> None:
    """An alert on what grows, or on a queue that is not empty, needs the figures before anything happens."""
    metrics = Metrics()
    metrics.lanes = {"policy.run": "simulation"}
    lines = metrics.text([]).decode().splitlines()
    for outcome in ("success", "denied", "pending", "failed", "rolled_back"):
        assert f'policy_promotion_total{{outcome="{outcome}"}} 0.0' in lines
    for stage in ("queued", "running"):
        assert f'policy_simulation_queue_depth{{stage="{stage}"}} 0.0' in lines
    for name in ("policy_compile_duration_seconds", "policy_approval_latency_seconds"):
        assert f"{name}_count 0.0" in lines
    assert 'policy_evaluation_seconds_count{backend="numpy"} 0.0' in lines
    loads = [Load("a", "queued", 2, "policy.run"), Load("b", "queued", 3, "mirror.create")]
    assert 'policy_simulation_queue_depth{stage="queued"} 2.0' in metrics.text(loads).decode()


@pytest.mark.parametrize("name", ["policy_compile_duration_seconds", "policy_approval_latency_seconds"])
def test_bounds_of_a_time_reach_beyond_its_limit(name: Any) -> None:
    metrics = Metrics()
    metrics.counts.observe(name, 31)
    lines = metrics.text([]).decode().splitlines()
    assert f'{name}_bucket{{le="30.0"}} 0.0' in lines
    assert f'{name}_bucket{{le="60.0"}} 1.0' in lines
    assert {5.0, 30.0} <= set(METRICS[name].bounds)


def test_counting_knows_the_bounds_of_each_metric() -> None:
    counts = Counts()
    counts.observe("policy_evaluation_seconds", 1000, backend="numpy")
    [one] = counts.series("policy_evaluation_seconds")
    assert one.shares == (0,) * len(METRICS["policy_evaluation_seconds"].bounds) + (1,)
