"""The size gate fails where it should and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gates import size


def function(name: str, lines: int) -> str:
    return f"def {name}():\n" + "    pass\n" * (lines - 1)


def lay(top: Path, text: str, path: str = "src/thing.py") -> Path:
    (top / path).parent.mkdir(parents=True, exist_ok=True)
    (top / path).write_text(text)
    return top


@pytest.mark.parametrize(("lines", "bad"), [(500, False), (501, True)])
def test_a_file_may_have_500_lines(lines: int, bad: bool) -> None:
    found = size.over_limit([size.measure("one.py", "\n" * lines)])
    assert found == (["one.py: 501 lines, limit 500"] if bad else [])


@pytest.mark.parametrize(("lines", "bad"), [(80, False), (81, True)])
def test_a_function_may_have_80_lines(lines: int, bad: bool) -> None:
    found = size.over_limit([size.measure("one.py", "\n\n" + function("long", lines))])
    assert found == (["one.py:3: long has 81 lines, limit 80"] if bad else [])


def test_decorators_and_methods_count() -> None:
    text = "class One:\n    @property\n    async def two(self):\n        return 1\n"
    assert size.measure("one.py", text).functions == (size.Function("two", 2, 3),)


@pytest.mark.parametrize(("filled", "bad"), [(150, False), (151, True)])
def test_the_median_module_may_have_150_filled_lines(filled: int, bad: bool) -> None:
    module = size.measure("src/one.py", "x = 1\n\n" * filled)
    _, problems = size.out_of_band([module, module, size.measure("src/two.py", "x = 1\n" * 2)])
    assert problems == (["src: median module has 151 lines, limit 150"] if bad else [])


@pytest.mark.parametrize(("long", "bad"), [(5, False), (6, True)])
def test_one_function_in_twenty_may_exceed_45_lines(long: int, bad: bool) -> None:
    text = "".join(function(f"f{index}", 46 if index < long else 10) for index in range(100))
    _, problems = size.out_of_band([size.measure("src/one.py", text)])
    assert [line for line in problems if "p95" in line] == (
        ["src: p95 of functions is 46 lines, limit 45"] if bad else []
    )


def test_percentile_of_nothing_is_zero() -> None:
    assert size.percentile([], 95) == 0
    assert size.percentile([7], 95) == 7


def test_main_reports_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert size.main(lay(tmp_path, function("short", 5))) == 0
    assert size.main(lay(tmp_path, "\n" * 501, "tests/deep/test_one.py")) == 1
    out, err = capsys.readouterr()
    assert out.count("size: 1 modules") == 2
    assert err == "size: tests/deep/test_one.py: 501 lines, limit 500\n"
