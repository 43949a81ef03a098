"""Whose report is believed."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import msgspec
import pytest

from stella.runtime import processes, run_file
from stella.runtime.processes import Process
from stella.runtime.run_file import StackState
from stella.stack import service
from stella.stack.errors import StartFailed
from stella.stack.layout import Layout, take
from tests.unit.stack.test_rules import PLAN, run


def test_a_start_does_not_believe_a_report_of_the_past(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "0.1"]) as process:
        past = msgspec.structs.replace(run(StackState.READY), supervisor=Process(process.pid, 1))
        run_file.write(tmp_path, past)
        with pytest.raises(StartFailed, match="its supervisor ended with 0"):
            service._await(Layout(tmp_path), process)


def test_a_start_believes_the_report_of_its_own_process(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        ready = msgspec.structs.replace(run(StackState.READY), supervisor=processes.identify(process.pid))
        run_file.write(tmp_path, ready)
        assert service._await(Layout(tmp_path), process) == ready
        process.kill()


def test_a_second_start_waits_for_one_that_is_ending(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    lock = take(layout)
    over = msgspec.structs.replace(run(StackState.STOPPED), supervisor=processes.identify(os.getpid()))
    run_file.write(tmp_path, over)
    assert service._lock(layout) is None
    timer = threading.Timer(0.1, lock.release)
    timer.start()
    assert service._joined(layout, PLAN, 0.0) is None
    timer.join()
