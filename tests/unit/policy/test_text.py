"""Layout, compilation and proof of a policy, as a command would run them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from stella.kernel.digest import sha256
from stella.kernel.errors import StellaError
from stella.language.ir import digest, read
from stella.policy.text import views as text_views
from stella.policy.text.compiling import compile_
from stella.policy.text.errors import BrokenInvariant, BrokenSource, NothingToProve
from stella.policy.text.formatting import fmt
from stella.policy.text.model import CompilePolicy, FormatPolicy, PolicyProved, ProvePolicy
from stella.policy.text.proving import prove
from stella.runtime.errors import ObjectMissing
from tests.unit.policy.texts import EXCEPTION, GOOD, context, lay, policy, rule

GUARD = 'invariant guard { kev => status == "blocked" }'


def test_layout(tmp_path: Path) -> None:
    lay(tmp_path, {"a.stella": GOOD, "b.stella": "\ufeff" + GOOD, "bad.stella": "nonsense", "raw.stella": b"\xff"})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    looked = fmt(context(), FormatPolicy(paths=(str(tmp_path),), check=True))
    assert (looked.verdict, looked.reason, looked.files) == ("failed", "broken_source", 4)
    assert [Path(one).name for one in looked.changed] == ["a.stella", "b.stella"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    done = fmt(context(), FormatPolicy(paths=(str(tmp_path),)))
    assert (done.changed, [Path(one).name for one in done.broken]) == (looked.changed, ["bad.stella", "raw.stella"])
    assert (tmp_path / "bad.stella").read_bytes() == b"nonsense"
    again = fmt(context(), FormatPolicy(paths=(str(tmp_path / "a.stella"),), check=True))
    assert (again.verdict, again.changed) == ("passed", ())
    assert (tmp_path / "a.stella").read_bytes() == (tmp_path / "b.stella").read_bytes()
    assert "not formatted" in str(text_views.fmt(looked))


def test_layout_keeps_the_identity(tmp_path: Path) -> None:
    path = str(lay(tmp_path, {"a.stella": GOOD}) / "a.stella")
    before = compile_(context(), CompilePolicy(path))
    fmt(context(), FormatPolicy(paths=(path,)))
    assert Path(path).read_text() != GOOD
    assert compile_(context(), CompilePolicy(path)) == before


def test_compilation(tmp_path: Path) -> None:
    lay(tmp_path, {"a.stella": policy("settings { shadow = true }", rule("kev"), GUARD)})
    want = CompilePolicy(str(tmp_path / "a.stella"), out=str(tmp_path / "new/a.json"))
    made = compile_(context(), want)
    data = (tmp_path / "new/a.json").read_bytes()
    assert (made.digest, made.bytes) == (sha256(data), len(data))
    assert digest(read(data)) == made.digest
    assert (made.policy, made.rules, made.invariants, made.shadow, made.warnings) == ("p", 1, 1, True, ())
    (tmp_path / "new/a.json").unlink()
    assert compile_(context(), msgspec.structs.replace(want, validate_only=True)).out is None
    assert not (tmp_path / "new/a.json").exists()
    brief = compile_(context(), CompilePolicy(want.file, digest=True))
    assert [getattr(one, "text", "") for one in text_views.compiled(brief)] == [made.digest]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nonsense", "POL1001"),
        (b"\xff", "POL1002"),
        (policy(rule("cvss > 99")), "POL2004"),
        (policy("settings { }", "settings { }"), "POL1003"),
    ],
)
def test_what_does_not_compile(text: str | bytes, code: str, tmp_path: Path) -> None:
    lay(tmp_path, {"a.stella": text})
    with pytest.raises(BrokenSource) as raised:
        compile_(context(), CompilePolicy(str(tmp_path / "a.stella"), out=str(tmp_path / "a.json")))
    problem = raised.value.problem()
    assert (problem["reason"], problem["exit"]) == (code, 2)
    assert not (tmp_path / "a.json").exists()
    assert BrokenSource(**json.loads(json.dumps(problem["facts"]))).reason == code


def test_strict_compilation_knows_every_name(tmp_path: Path) -> None:
    path = str(lay(tmp_path, {"a.stella": policy(rule("kvv"))}) / "a.stella")
    assert [one.code for one in compile_(context(), CompilePolicy(path)).warnings] == ["POL2001"]
    with pytest.raises(BrokenSource) as raised:
        compile_(context(), CompilePolicy(path, strict=True))
    assert raised.value.reason == "POL2001"
    with pytest.raises(ObjectMissing):
        compile_(context(), CompilePolicy("nowhere"))


def proved(tmp_path: Path, text: str, **more: object) -> PolicyProved:
    lay(tmp_path, {"a.stella": text})
    return prove(context(), ProvePolicy(str(tmp_path / "a.stella"), **more))  # type: ignore[arg-type]


def test_invariants(tmp_path: Path) -> None:
    good = proved(tmp_path, policy(rule("kev"), GUARD))
    assert (good.verdict, good.reason, [one.verdict for one in good.claims]) == ("passed", None, ["holds"])
    assert good.claims[0].text == 'kev => status == "blocked"'
    bad = proved(
        tmp_path, policy(rule("kev and cvss > 7"), GUARD), invariant=('cvss > 7 and kev => status != "fixed"',)
    )
    assert (bad.verdict, bad.reason) == ("failed", "invariant_broken")
    assert [(one.claim, one.verdict, bool(one.example)) for one in bad.claims] == [
        ("invariant guard", "broken", True),
        ("invariant", "holds", False),
    ]
    assert "kev=true" in bad.claims[0].example
    assert "Examples" in str(text_views.proved(bad))


def test_refactoring(tmp_path: Path) -> None:
    lay(tmp_path, {"old.stella": policy(rule("kev and cvss > 7"))})
    old = str(tmp_path / "old.stella")
    same = proved(tmp_path, policy(rule("not (not kev or not cvss > 7)", name="b"), name="q"), against=old)
    assert (same.verdict, [one.verdict for one in same.claims]) == ("passed", ["holds"])
    other = proved(tmp_path, policy(rule("kev and cvss >= 7")), against=old)
    assert (other.verdict, other.reason) == ("failed", "not_equivalent")
    assert "cvss=7" in other.claims[0].example


def test_exceptions_count_in_a_proof(tmp_path: Path) -> None:
    lay(tmp_path, {"e.toml": EXCEPTION.format(name="x", when="cvss > 9", expires="2027-01-01T00:00:00Z")})
    result = proved(tmp_path, policy(rule("kev"), GUARD), exceptions=str(tmp_path / "e.toml"))
    assert (result.reason, "cvss=" in result.claims[0].example) == ("invariant_broken", True)
    lay(tmp_path, {"e.toml": "["})
    with pytest.raises(BrokenSource) as raised:
        proved(tmp_path, policy(rule("kev"), GUARD), exceptions=str(tmp_path / "e.toml"))
    assert raised.value.reason == "POL1001"


@pytest.mark.parametrize(
    "text", ["kev", "kev => ", "kvv => kev", 'kev => status == "gone"', "cvss => kev", "kev => kev =>"]
)
def test_an_invariant_that_is_none(text: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenInvariant):
        proved(tmp_path, GOOD, invariant=(text,))


def test_nothing_to_prove(tmp_path: Path) -> None:
    with pytest.raises(NothingToProve):
        proved(tmp_path, GOOD)
    with pytest.raises(StellaError, match="POLICY-302"):
        proved(tmp_path, "nonsense", invariant=("kev => kev",))
