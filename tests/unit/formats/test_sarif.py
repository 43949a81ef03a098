"""SARIF: the form, and the same bytes for the same findings."""

from __future__ import annotations

import json

import pytest

from stella.formats.sarif import Result, Rule, Suppressed, document, uri_of

RULES = [Rule("A1", "first", "What it is.", "Why it is so."), Rule("B2", "second", "What.", "Why.")]
RESULTS = [
    Result("B2", "error", "wrong", "src/a b.py", 3, 7),
    Result("A1", "warning", "odd", "src/a.py", 1, 1, Suppressed("until 2027-01-01: why")),
    Result("B2", "error", "wrong", "src/a b.py", 9, 1),
]


def test_the_document() -> None:
    log = json.loads(document("tool", "1.0", RULES, RESULTS))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["A1", "B2"]
    first, second, third = run["results"]
    assert (first["ruleId"], first["ruleIndex"], first["level"], first["message"]) == (
        "B2",
        1,
        "error",
        {"text": "wrong"},
    )
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "src/a%20b.py"},
        "region": {"startLine": 3, "startColumn": 7},
    }
    assert "suppressions" not in first
    assert second["suppressions"] == [{"kind": "inSource", "justification": "until 2027-01-01: why"}]
    assert first["partialFingerprints"] != third["partialFingerprints"]  # the second of two alike ones


def test_the_same_bytes_whatever_the_lines() -> None:
    assert document("tool", "1.0", RULES, RESULTS) == document("tool", "1.0", RULES, RESULTS)
    moved = [RESULTS[0]._replace(line=30)]
    prints = [
        json.loads(document("tool", "1.0", RULES, found))["runs"][0]["results"][0]["partialFingerprints"]
        for found in (RESULTS[:1], moved)
    ]
    assert prints[0] == prints[1]


def test_a_result_needs_its_rule() -> None:
    with pytest.raises(KeyError):
        document("tool", "1.0", RULES[:1], RESULTS)


@pytest.mark.parametrize(
    ("path", "uri"),
    [("a/b.py", "a/b.py"), ("/a/ü.py", "file:///a/%C3%BC.py"), ("a#b?.py", "a%23b%3F.py"), ("\udcff.py", "%FF.py")],
)
def test_paths(path: str, uri: str) -> None:
    assert uri_of(path) == uri


def test_half_a_letter_in_a_message_is_written() -> None:
    assert b"\\udcff" in document("tool", "1.0", RULES, [Result("A1", "error", "\udcff", "a", 1, 1)])


def test_where_it_ends_and_what_shows_it() -> None:
    rules = [Rule("A1", "first", "What.", "Why.", "warning", "Do this.")]
    result = Result("A1", "warning", "wrong", "a", 1, 2, end_line=1, end_column=9, example="kev=true")
    (run,) = json.loads(document("tool", "1.0", rules, [result]))["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["defaultConfiguration"] == {"level": "warning"}
    assert rule["help"] == {"text": "Do this.", "markdown": "Do this."}
    (found,) = run["results"]
    assert found["message"]["text"] == "wrong\nexample: kev=true"
    assert found["properties"] == {"example": "kev=true"}
    region = found["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 1, "startColumn": 2, "endLine": 1, "endColumn": 9}
    other = json.loads(document("tool", "1.0", rules, [result._replace(example="kev=false")]))["runs"][0]["results"][0]
    assert other["partialFingerprints"] == found["partialFingerprints"]
