"""JUnit XML, as another program reads it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from junitparser import Failure, JUnitXml, Skipped

from stella.formats.junit import Case, Suite, document


def read(data: bytes) -> JUnitXml:
    return JUnitXml.fromstring(data)


def test_what_a_reader_counts(tmp_path: Path) -> None:
    cases = [
        Case("rule a", "f.stella"),
        Case("rule d", "f.stella"),
        Case("rule b", "f.stella", "failed", "POL1001", 'a "b" <c>', "line 1\nline & 2", "noted"),
        Case("rule c", "f.stella", "skipped", message="why"),
    ]
    path = tmp_path / "r.xml"
    path.write_bytes(document("tool", [Suite("f.stella", cases), Suite("empty", [])]))
    report = JUnitXml.fromfile(str(path))
    assert (report.name, report.tests, report.failures, report.errors, report.skipped) == ("tool", 4, 1, 0, 1)
    counts = {"name": "f.stella", "tests": "4", "failures": "1", "errors": "0", "skipped": "1"}
    assert ET.parse(path).getroot()[0].attrib == counts  # the reader above counts for itself
    first, empty = list(report)
    assert [one.name for one in first] == ["rule a", "rule d", "rule b", "rule c"]
    assert {one.classname for one in first} == {"f.stella"}
    passed, _, failed, skipped = list(first)
    assert passed.result == []
    (failure,) = failed.result
    assert isinstance(failure, Failure)
    assert (failure.type, failure.message, failure.text) == ("POL1001", 'a "b" <c>', "line 1\nline & 2")
    assert failed.system_out == "noted"
    assert isinstance(skipped.result[0], Skipped)
    assert (empty.name, empty.tests) == ("empty", 0)


@given(st.text(st.characters(), max_size=40))
def test_any_text_is_read_again(text: str) -> None:
    data = document(text, [Suite(text, [Case(text, text, "failed", text, text, text, text)])])
    (suite,) = read(data)
    (case,) = suite
    assert document(text, [Suite(text, [Case(text, text, "failed", text, text, text, text)])]) == data
    if text.isprintable():
        assert (case.name, case.result[0].message) == (text, text)
