"""The lint as a command would run it: what is read, what is found under which code, what is mended."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.kernel.errors import StellaError
from stella.language.compile import compile_policy
from stella.language.ir import digest
from stella.policy.text import views as text_views
from stella.policy.text.errors import NoPolicies, TooManyPolicies
from stella.policy.text.linting import fixed, lint
from stella.policy.text.model import LintPolicy, PolicyLinted
from tests.unit.policy.texts import EXCEPTION, GOOD, TODAY, context, lay, policy, rule

ROOT = Path(__file__).parents[3]


def run(*paths: Path | str, at: str = TODAY, **more: object) -> PolicyLinted:
    given = {"proofs": False} | more
    return lint(context(at), LintPolicy(paths=tuple(map(str, paths)), **given))  # type: ignore[arg-type]


def found(result: PolicyLinted) -> list[tuple[str, int, int]]:
    return [(one.code, one.line, one.column) for one in result.findings]


WEIGHTS = 'profile w { map m { source "GHSA" => 0.5 } env e { if env.exposure == "internet" then 1 } }'
BAD: dict[str, tuple[str | bytes, str, int, int]] = {
    "no grammar": ("nonsense", "POL1001", 1, 1),
    "no end of a string": (policy('rule a { when kev then status := "blocked'), "POL1002", 2, 36),
    "not UTF-8": (GOOD.encode() + b"\xff", "POL1002", 4, 1),
    "settings twice": (policy("settings { }", "settings { }", rule("kev")), "POL1003", 3, 3),
    "too deep": (policy(rule("(" * 70 + "kev" + ")" * 70)), "POL1004", 2, 92),
    "too long": (b"/" * (1 << 20) + b"/", "POL1004", 1, 1),
    "no such name": (policy(rule("kvv")), "POL2001", 2, 28),
    "a word for a number": (policy(rule('cvss > "High"')), "POL2002", 2, 28),
    "no such word": (policy(rule("kev", then='status := "gone"')), "POL2003", 2, 47),
    "a percentage": (policy(rule("epss >= 50")), "POL2004", 2, 28),
    "no reason": (policy('rule a { when kev then status := "blocked" }'), "POL2005", 2, 8),
    "a name twice": (policy(rule("kev"), rule("not kev")), "POL2006", 3, 8),
    "a clock": (policy(rule("env.quietUntil < now()")), "POL2007", 2, 45),
    "too many terms": (
        policy(rule(" and ".join(f"(cvss > {n % 9} or epss > 0.{n % 9})" for n in range(13)))),
        "POL2090",
        2,
        8,
    ),
    "a sum": (policy(WEIGHTS, rule("cvss + profile.w.m + profile.w.e > 9")), "POL4001", 3, 8),
    "an idle profile": (policy("profile w { x = 1 }", rule("kev")), "POL4002", 2, 15),
}


@pytest.mark.parametrize(("text", "code", "line", "column"), BAD.values(), ids=BAD.keys())
def test_bad_input_has_its_code_and_its_place(
    text: str | bytes, code: str, line: int, column: int, tmp_path: Path
) -> None:
    result = run(lay(tmp_path, {"a.stella": text}))
    assert (code, line, column) in found(result)
    one = next(one for one in result.findings if one.code == code)
    assert one.source in (text if isinstance(text, str) else text.decode(errors="replace"))
    errors = sum(one.level == "error" for one in result.findings)
    assert (result.verdict, result.reason) == (("failed", "lint_failed") if errors else ("passed", None))


PROVED = {
    "never true": (policy(rule("kev and not kev")), "POL3001", 2, False),
    "always true": (policy(rule("exists(kev) or not exists(kev)")), "POL3002", 2, False),
    "never wins": (
        policy(rule("kev"), rule("kev and cvss > 7", name="b", priority=2, then='status := "fixed"')),
        "POL3003",
        3,
        True,
    ),
    "a tie": (policy(rule("kev"), rule("cvss > 7", name="b", then='status := "fixed"')), "POL3004", 2, True),
    "an invariant": (policy(rule("kev"), 'invariant i { cvss > 7 => status == "blocked" }'), "POL3007", 3, True),
}


@pytest.mark.parametrize(("text", "code", "line", "shown"), PROVED.values(), ids=PROVED.keys())
def test_what_is_proved_stands_at_its_rule(text: str, code: str, line: int, shown: bool, tmp_path: Path) -> None:
    top = lay(tmp_path, {"a.stella": text})
    (one,) = (one for one in run(top, proofs=True).findings if one.code == code)
    assert one.line == line
    assert bool(one.example) == shown
    assert [one.code for one in run(top).findings if one.code.startswith("POL3")] == []


def test_a_rule_that_never_matches_is_not_also_said_never_to_win(tmp_path: Path) -> None:
    result = run(lay(tmp_path, {"a.stella": policy(rule("kev and not kev"))}), proofs=True)
    assert [one.code for one in result.findings] == ["POL3001"]


def test_a_text_that_does_not_compile_is_not_proved(tmp_path: Path) -> None:
    result = run(lay(tmp_path, {"a.stella": "nonsense", "b.stella": GOOD}), proofs=True)
    assert [(one.digest != "", one.proved) for one in result.files] == [(False, False), (True, True)]


def test_strict(tmp_path: Path) -> None:
    top = lay(tmp_path, {"a.stella": policy("profile w { x = 1 }", rule("kev"))})
    assert (run(top).verdict, run(top, strict=True).verdict) == ("passed", "failed")
    lay(tmp_path, {"a.stella": policy(rule("kvv"))})
    assert ([one.level for one in run(top).findings], run(top).verdict) == (["warning"], "passed")
    assert [one.level for one in run(top, strict=True).findings] == ["error"]


# exceptions


def test_exceptions(tmp_path: Path) -> None:
    rows = [("old", "cvss > 1", "2026-11-30T00:00:00Z"), ("kevs", "kev", "2027-01-01T00:00:00Z")]
    rows.append(("never", "kev and not kev", "2027-01-01T00:00:00Z"))
    text = "".join(EXCEPTION.format(name=name, when=when, expires=expires) for name, when, expires in rows)
    lay(tmp_path, {"a.stella": GOOD, "b.stella": GOOD, "e.toml": text})
    exempt = str(tmp_path / "e.toml")
    plain = run(tmp_path, exceptions=exempt)
    assert [(one.code, one.subject) for one in plain.findings] == [("POL3005", "exception old")]
    assert plain.findings[0].line == 2
    result = run(tmp_path, exceptions=exempt, proofs=True)
    taken = [one for one in result.findings if one.subject == "rule a"]
    assert [(Path(one.file).name, one.code, "`kevs`" in one.message) for one in taken] == [
        ("a.stella", "POL3003", True),
        ("b.stella", "POL3003", True),
    ]
    rest = [one for one in result.findings if one not in taken]
    assert [(one.code, one.subject, one.line) for one in rest] == [
        ("POL3005", "exception old", 2),
        ("POL3006", "exception kevs", 8),
        ("POL3005", "exception never", 14),
    ]
    assert rest[1].example.startswith("kev=true")
    assert not [
        one for one in run(tmp_path, exceptions=exempt, at="2026-11-29T00:00:00Z").findings if "old" in one.subject
    ]
    assert run(tmp_path, exceptions=exempt, as_of="2027-02-01T00:00:00Z").warnings == 3


@pytest.mark.parametrize("written", ['name = "old"', "name='old'", '  "name" = "old"'])
def test_an_exception_is_shown_at_its_name_and_at_no_other_text(written: str, tmp_path: Path) -> None:
    first = EXCEPTION.format(name="kept", when="kev", expires="2027-01-01T00:00:00Z").replace("ada", "old")
    second = EXCEPTION.format(name="old", when="kev", expires="2020-01-01T00:00:00Z")
    text = first + second.replace('name = "old"', written)
    lay(tmp_path, {"p.stella": GOOD, "e.toml": text})
    (one,) = run(tmp_path, exceptions=str(tmp_path / "e.toml")).findings
    assert one.subject == "exception old"
    assert text.splitlines()[one.line - 1] == written


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[[exception]\n", "POL1001"),
        (EXCEPTION.format(name="x", when="kev", expires="2027-01-01T00:00:00Z").replace("expires", "until"), "POL2001"),
        (EXCEPTION.format(name="x", when="kev", expires="x").replace("expires = x\n", ""), "POL5005"),
        (EXCEPTION.format(name="x", when="kvv", expires="2027-01-01T00:00:00Z"), "POL2001"),
    ],
)
def test_bad_exceptions(text: str, code: str, tmp_path: Path) -> None:
    lay(tmp_path, {"a.stella": GOOD, "e.toml": text})
    result = run(tmp_path, exceptions=str(tmp_path / "e.toml"))
    assert [one.code for one in result.findings] == [code]
    assert result.findings[0].file.endswith("e.toml")


def test_an_instant_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(StellaError, match="DOC-003"):
        run(lay(tmp_path, {"a.stella": GOOD}), as_of="tomorrow")


# governance

FIXTURE = """
[[fixture]]
name = "one"
expect = {{ status = "{status}" }}

[fixture.finding]
{name} = {value}
"""


def bundle(*digests: str, signed: bool = True) -> str:
    statement = {"subject": [{"name": "p", "digest": {"sha256": one}} for one in digests]}
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    return json.dumps({"dsseEnvelope": {"payload": payload, "signatures": [{"sig": "x"}] * signed}})


def test_governance_is_asked_for(tmp_path: Path) -> None:
    top = lay(tmp_path, {"a.stella": GOOD})
    assert not run(top).findings
    assert [one.code for one in run(top, governance=True).findings] == ["POL5002", "POL5004"]
    lay(top, {"a.fixtures.toml": FIXTURE.format(status="blocked", name="kev", value="true")})
    assert [one.code for one in run(top, governance=True).findings] == ["POL5004"]
    lay(top, {"a.stella": policy(rule("cvss >= 7"))})
    lay(top, {"a.fixtures.toml": FIXTURE.format(status="blocked", name="cvss", value="10")})
    found = run(top, governance=True).findings
    assert [(one.code, "mutants" in one.message) for one in found] == [("POL5003", True), ("POL5004", False)]
    assert not run(top).findings


@pytest.mark.parametrize(
    ("fixtures", "said"),
    [
        (FIXTURE.format(status="fixed", name="kev", value="true"), "1 of 1 fixtures fail"),
        (FIXTURE.format(status="affected", name="kev", value="false"), "reach 0 % of 1 terms"),
        ("[[fixture", "cannot be used"),
    ],
)
def test_what_fixtures_leave_open(fixtures: str, said: str, tmp_path: Path) -> None:
    lay(tmp_path, {"a.stella": GOOD, "a.fixtures.toml": fixtures})
    result = run(tmp_path, governance=True)
    assert "POL5002" in {one.code for one in result.findings}
    assert said in " ".join(one.message for one in result.findings)
    assert result.verdict == "passed"


def test_a_signature_beside_a_policy_is_about_it(tmp_path: Path) -> None:
    compiled = compile_policy(GOOD)
    assert compiled.policy is not None
    name = "a.stella.attestation.sigstore"
    lay(tmp_path, {"a.stella": GOOD, name: bundle("0" * 64, digest(compiled.policy))})
    assert [one.code for one in run(tmp_path, governance=True).findings] == ["POL5002"]
    for bad in (
        bundle("0" * 64),
        bundle(digest(compiled.policy), signed=False),
        "{",
        '{"dsseEnvelope": {"payload": "x"}}',
    ):
        lay(tmp_path, {name: bad})
        assert [one.code for one in run(tmp_path).findings] == ["POL5004"]


# what is read


def test_what_is_read(tmp_path: Path) -> None:
    tar = b"\0" * 257 + b"ustar\x0000"
    lay(tmp_path, {"b/x.stella": GOOD, "a.stella": GOOD, "c/d/e.stella": GOOD})
    lay(tmp_path, {".git/x.stella": "bad", ".x.stella": "bad", "release.stella": tar, "notes.txt": "bad"})
    result = run(tmp_path, tmp_path / "a.stella", f"{tmp_path}/./b")
    assert [os.path.relpath(one.file, tmp_path) for one in result.files] == ["a.stella", "b/x.stella", "c/d/e.stella"]
    other = run(tmp_path / "c", tmp_path / "b/x.stella", tmp_path / "a.stella", tmp_path / "c")
    assert [os.path.relpath(one.file, tmp_path) for one in other.files] == ["c/d/e.stella", "b/x.stella", "a.stella"]
    lay(tmp_path, {"x.txt": GOOD})
    assert run(tmp_path / "x.txt").files[0].policy == "p"
    with pytest.raises(NoPolicies):
        run(tmp_path / ".git/objects" if (tmp_path / ".git/objects").exists() else lay(tmp_path / "empty", {"a": ""}))


def test_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stella.policy.text.sources.MAX_FILES", 2)
    with pytest.raises(TooManyPolicies):
        run(lay(tmp_path, {f"{name}.stella": GOOD for name in "abc"}))


# fixes


def test_fixes_are_made_until_there_is_none(tmp_path: Path) -> None:
    bad = "\ufeff" + policy(rule("kev", then='status = "Blocked"')).replace("\n", "\r\n")
    top = lay(tmp_path, {"a.stella": bad, "b.stella": GOOD})
    (top / "a.stella").chmod(0o600)
    (top / "link.stella").symlink_to("a.stella")
    result = run(top / "link.stella", top / "b.stella", fix=True)
    assert [Path(one.file).name for one in result.changed] == ["link.stella"]
    assert [change.split(":")[0] for change in result.changed[0].changes] == ["line 2", "line 2"]
    assert not result.findings
    assert (top / "a.stella").read_bytes().decode() == bad.replace('status = "Blocked"', 'status := "blocked"')
    assert ((top / "a.stella").stat().st_mode & 0o777, (top / "link.stella").is_symlink()) == (0o600, True)
    assert not run(top, fix=True).changed


def test_what_is_not_safe_is_proposed_alone(tmp_path: Path) -> None:
    top = lay(tmp_path, {"a.stella": policy(rule("kevv"))})
    result = run(top, fix=True)
    assert (result.changed, [one.safe for one in result.findings]) == ((), [False])


@given(
    st.lists(st.sampled_from(["kev", " ", "rule a {", "}", "when", "then", 'status = "Blocked"', "\n", "=", '"HIGH"']))
)
def test_fixing_twice_is_fixing_once(pieces: list[str]) -> None:
    text = policy("".join(pieces)).encode()
    once, _ = fixed(text)
    assert fixed(once) == (once, ())


@given(st.binary(max_size=200))
def test_bytes_that_are_no_text_are_left_alone(data: bytes) -> None:
    once, done = fixed(data)
    assert (once == data) or done


# what people see


def test_the_view_names_everything(tmp_path: Path) -> None:
    result = run(lay(tmp_path, {"a.stella": policy(rule("kev", then='status = "Blocked"'))}))
    view = text_views.lint(result)
    assert "POL1001" in str(view[0])
    assert "--fix" in str(view[-1])


def test_the_examples_pass() -> None:
    result = run(ROOT / "examples/policies", proofs=True)
    assert (result.verdict, result.errors, len(result.files)) == ("passed", 0, 3)
