"""Names, types and duties: each code by its own bad input, where it stands, and how it is mended."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stella.language.codes import CODES
from stella.language.compile import MAX_SOURCE, Compiled, compile_policy
from stella.language.diagnostics import MAX_DIAGNOSTICS, applied
from stella.language.model import (
    All,
    Any,
    Before,
    Compared,
    Condition,
    Constant,
    Flagged,
    Not,
    OneOf,
    Present,
    Ranked,
    StartsWith,
    Sum,
)
from tests.policy_texts import Texts

HEAD = 'policy "p" syntax "stella-dsl@1" {\n'
DECIDES = 'then status := "blocked" because "x"'


def policy(inside: str) -> str:
    return f"{HEAD}{inside}\n}}"


def when(condition: str, before: str = "") -> str:
    return policy(f"{before}rule a {{ when {condition} {DECIDES} }}")


def then(actions: str) -> str:
    return policy(f'rule a {{ when kev then {actions} because "x" }}')


def codes(compiled: Compiled) -> list[str]:
    return [one.code for one in compiled.diagnostics]


def condition(text: str, before: str = "") -> Condition:
    compiled = compile_policy(when(text, before), strict=True)
    assert compiled.policy is not None, compiled.diagnostics
    return compiled.policy.rules[0].when


# each code by its own bad input, and the words of the text that it points at

BAD = {
    "POL1001": [
        (when("kev and"), "then"),
        (policy('rule a { then warn "x" }'), "a"),
        (policy("rule a { when kev }"), "a"),
    ],
    "POL1002": [(policy('metadata { a = "x\n}'), '"x'), (policy("/* "), "/* \n}")],
    "POL1003": [
        (policy("metadata { } metadata { }"), "metadata"),
        (policy("settings { shadow = true shadow = true }"), "shadow"),
        (policy(f"rule a {{ when kev {DECIDES} when kev }}"), "when"),
        (then('status := "fixed" status := "fixed"'), "then"),
        (then('severity := "Low" severity := severity_band(cvss)'), "then"),
        (policy('profile p { map m { source "a" => 1 source "a" => 2 } }'), '"a"'),
        (policy("profile p { a = 1 a = 2 }"), "a"),
        (policy("profile p { } profile p { }"), "p"),
    ],
    "POL1004": [(when("(" * 70 + "kev" + ")" * 70), "(")],
    "POL2001": [
        (when("kevv"), "kevv"),
        (when("vex.any(kev)"), "kev"),
        (when("vex.any(kev())"), "kev"),
        (when("frob(kev)"), "frob"),
        (when("vex.latest.nothing"), "vex.latest.nothing"),
        (when("profile.p.n > 1"), "profile.p.n"),
        (when('status == "fixed"'), "status"),
        (when("risk_score(p) > 1"), "risk_score(p)"),
        (then("frobnicate"), "frobnicate"),
        (then('env.name := "x"'), "env.name"),
        (policy("settings { shade = true }"), "shade"),
        (then('requireVex { vendor = ["x"] }'), "vendor"),
        (policy('profile p { map m { sorce "a" => 1 } }'), "sorce"),
        (policy('invariant i { kev => verdict == "x" }'), "verdict"),
        (then("status := blokked"), "blokked"),
        (then("ignore until tomorrow"), "tomorrow"),
        (then("severity := severity_band(score)"), "score"),
        (policy("profile p { env e { if kev then score } }"), "score"),
        (policy("metadata { description = nothing }"), "nothing"),
        (when("kev", 'rule b priority high { when kev then warn "" }'), "high"),
    ],
    "POL2002": [
        (when("cvss"), "cvss"),
        (when('cvss == "9"'), 'cvss == "9"'),
        (when('kev == "true"'), 'kev == "true"'),
        (when("not cvss"), "cvss"),
        (when('env.name > "a"'), 'env.name > "a"'),
        (when('asset.tags == "a"'), 'asset.tags == "a"'),
        (when("env.name in asset.tags"), "env.name in asset.tags"),
        (when("component.version < 3"), "component.version < 3"),
        (when('vex.latest.status > "fixed"'), ">"),
        (when("env.name in []"), "[]"),
        (when("env.exposure not in []"), "[]"),
        (when("severity_band(cvss) in []"), "[]"),
        (when("env.name in [1]"), "1"),
        (when("as_of > env.quietUntil"), ">"),
        (when('as_of == "2027-01-31T00:00:00Z"'), 'as_of == "2027-01-31T00:00:00Z"'),
        (when('as_of < "2027"'), '"2027"'),
        (when('env.quietUntil < "2027-01-31T00:00:00Z"'), 'env.quietUntil < "2027-01-31T00:00:00Z"'),
        (when("exists(coalesce(cvss, 1))"), "exists(coalesce(cvss, 1))"),
        (when("coalesce(cvss, 1) == null"), "coalesce(cvss, 1) == null"),
        (when("coalesce(coalesce(cvss, 1), 2) > 3"), "coalesce(coalesce(cvss, 1), 2)"),
        (when('coalesce(env.exposure, "nowhere") == "internet"'), 'coalesce(env.exposure, "nowhere")'),
        (when("coalesce(kev, 1)"), "coalesce(kev, 1)"),
        (when('lowercase(cvss) == "a"'), "lowercase(cvss)"),
        (when("starts_with(env.name)"), "starts_with(env.name)"),
        (when("percent_of(cvss, 50) > 1"), "percent_of(cvss, 50)"),
        (when("cvss + kev > 1"), "kev"),
        (when("-risk_score() < 5"), "risk_score()"),
        (when("risk_score() + 1 > 5"), "risk_score() + 1"),
        (when("1 - normalize_cvss(cvss) > 5"), "1 - normalize_cvss(cvss)"),
        (when("normalize_cvss(cvss) > cvss"), "normalize_cvss(cvss) > cvss"),
        (when("vex.any(vex.all(verified))"), "vex.all"),
        (when("vex.any(verified, fresh)"), "vex.any(verified, fresh)"),
        (when('vex.any(sbom.has_tag("x"))'), "sbom.has_tag"),
        (when("vex.any(risk_score() > 1)"), "risk_score"),
        (when("severity.normalized >= High"), "High"),
        (then("status := blocked"), "blocked"),
        (then("status := 3"), "3"),
        (then("severity := cvss"), "cvss"),
        (then("ignore until 3"), "3"),
        (then('requireVex { vendors = "x" }'), '"x"'),
        (policy("settings { shadow = 1 }"), "1"),
        (policy("metadata { tags = 1 }"), "1"),
        (policy("profile p { n = cvss }"), "cvss"),
        (policy('profile p { env e { if kev and asset.id == "a" then 1 } }'), "e"),
        (policy('profile p { map m { source "a" => 1 env.name "b" => 2 } }'), "env.name"),
        (policy('rule a priority 1.5 { when kev then warn "" }'), "1.5"),
        (policy('rule a priority -1 { when kev then warn "" }'), "-1"),
        (policy("metadata { version = 3 }"), "3"),
        (when("vex.any(trust > profile.p.m)", 'profile p { map m { source "a" => 1 } } '), "profile.p.m"),
    ],
    "POL2003": [
        (when('severity.normalized >= "high"'), '"high"'),
        (when('vex.any(status == "safe")'), '"safe"'),
        (then('status := "block"'), '"block"'),
        (then('severity := "Urgent"'), '"Urgent"'),
        (policy('settings { default_status = "ok" }'), '"ok"'),
        (then('requireVex { justifications = ["because"] }'), '["because"]'),
        ('policy "p" syntax "stella-dsl@2" { }', '"stella-dsl@2"'),
        (policy('profile p { map m { env.exposure "world" => 1 } }'), '"world"'),
        (when('severity_band(cvss) == "Severe"'), '"Severe"'),
        (policy('invariant i { kev => status == "blokked" }'), '"blokked"'),
    ],
    "POL2004": [
        (when("epss >= 50"), "epss >= 50"),
        (when("50 <= epss"), "50 <= epss"),
        (when("cvss > -1"), "cvss > -1"),
        (when("risk_score() > 101"), "risk_score() > 101"),
        (when("cvss > 1.1234567"), "1.1234567"),
        (when("cvss > 99999999999"), "99999999999"),
        (when("vex.any(trust < 80)"), "trust < 80"),
        (when("coalesce(epss, 2) > 0.5"), "2"),
        (
            when("secret.match.count + secret.match.count + percent_of(1000, secret.match.count) > 3"),
            "percent_of(1000, secret.match.count)",
        ),
        (when(" + ".join(["9007199254"] * 3) + " > cvss"), " + ".join(["9007199254"] * 3)),
        (when("percent_of(9007199254, percent_of(9007199254, cvss)) > 1"), "percent_of(9007199254, cvss)"),
    ],
    "POL2005": [
        (policy('rule a { when kev then status := "fixed" }'), "a"),
        (policy('rule a { when kev then warn "" else severity := "Low" }'), "a"),
        (policy('rule a { when kev then ignore until env.quietUntil because " " }'), "a"),
    ],
    "POL2006": [
        (policy(f"rule a {{ when kev {DECIDES} }} rule a {{ when kev {DECIDES} }}"), "a"),
        (policy("invariant i { kev => kev } invariant i { kev => kev }"), "i"),
    ],
    "POL2007": [
        (when("now() > 3"), "now"),
        (when("today < env.quietUntil"), "today"),
        (when('getenv("HOME") == "x"'), "getenv"),
        (when('http.get("x") == "y"'), "http.get"),
        (when("vex.any(random > 1)"), "random"),
    ],
    "POL2090": [(when(" and ".join(f'(env.name == "{i}" or asset.id == "{i}")' for i in range(13))), "a")],
    "POL4001": [
        (when("cvss + trust.score > 9"), "a"),
        (when("kev", 'rule b { when kev then severity := severity_band(cvss + trust.score) because "x" } '), "b"),
    ],
    "POL4002": [(policy("profile p { n = 1 }"), "n"), (policy('profile p { map m { source "a" => 1 } }'), "m")],
}
CASES = [(code, *case) for code, cases in BAD.items() for case in cases]


@pytest.mark.parametrize(("code", "text", "words"), CASES)
def test_bad_input_has_its_code_at_its_words(code: str, text: str, words: str) -> None:
    compiled = compile_policy(text, strict=True)
    found = [one for one in compiled.diagnostics if one.code == code]
    assert [text[one.span.start : one.span.end] for one in found] == [words]
    others = {one.code for one in compiled.diagnostics} - {code, "POL4001", "POL4002"}
    assert not others
    assert (compiled.policy is None) == (CODES[code].level == "error")


def test_every_code_of_a_text_has_a_bad_input() -> None:
    assert set(BAD) == {code for code in CODES if code[3] in "124"}


def test_what_is_no_utf_8_is_shown_where_it_stands() -> None:
    compiled = compile_policy(b"\xef\xbb\xbfpolicy \xc3\xa9 \xff")
    (wrong,) = compiled.diagnostics
    assert (wrong.code, wrong.span) == ("POL1002", (9, 10))
    assert compiled.text == "policy é \ufffd"


@pytest.mark.parametrize("source", [b"/" * (MAX_SOURCE + 1), "é" * (MAX_SOURCE // 2 + 1)])
def test_a_file_has_a_largest_size_in_bytes(source: bytes | str) -> None:
    assert codes(compile_policy(source)) == ["POL1004"]


def test_many_warnings_hide_no_error() -> None:
    many = "".join(f'rule r{i} {{ when kevv{i} then warn "" }}' for i in range(300))
    compiled = compile_policy(policy(many + 'rule z { when kev then status := "block" because "x" }'))
    assert len(compiled.diagnostics) == MAX_DIAGNOSTICS
    assert [one.code for one in compiled.errors] == ["POL2003"]
    assert compiled.policy is None


# names that do not exist


def test_an_unknown_name_is_an_unknown_test_where_it_is_not_strict() -> None:
    compiled = compile_policy(when("not kevv or epss > 0.5"))
    assert [(one.code, one.level) for one in compiled.diagnostics] == [("POL2001", "warning")]
    assert compiled.policy is not None
    assert compiled.policy.rules[0].when == Any((Not(Constant(None)), Compared(_epss(), ">", 500_000)))


def _epss() -> Sum:
    found = condition("epss > 0.5")
    assert isinstance(found, Compared)
    return found.sum


@pytest.mark.parametrize(
    "text",
    [
        then("status := blokked"),
        then("severity := severity_band(score)"),
        then("ignore until later"),
        policy("settings { shadow = yes }"),
        policy("profile p { env e { if kev then score } }"),
        policy('invariant i { kevv => status == "blocked" }'),
        policy('rule a priority first { when kev then warn "" }'),
    ],
)
def test_what_is_decided_or_stated_never_hangs_on_an_unknown_name(text: str) -> None:
    assert [one.code for one in compile_policy(text, strict=False).errors][:1] == ["POL2001"]


# fixes

FIXED = [
    (when("kevv"), when("kev")),
    (when("epss >= 50"), when("epss >= 0.5")),
    (when("50 <= epss"), when("0.5 <= epss")),
    (when('severity.normalized >= "high"'), when('severity.normalized >= "High"')),
    (when("severity.normalized >= High"), when('severity.normalized >= "High"')),
    (then("status := blocked"), then('status := "blocked"')),
    (then('status = "blocked"'), then('status := "blocked"')),
    (then('status := "blokked"'), then('status := "blocked"')),
    (when('lowercas(env.name) == "a"'), when('lowercase(env.name) == "a"')),
    (when("vex.any(trst > 0.5)"), when("vex.any(trust > 0.5)")),
    (
        when("vex.any(trust > profile.p.prd)", "profile p { prod = 0.5 } "),
        when("vex.any(trust > profile.p.prod)", "profile p { prod = 0.5 } "),
    ),
    (policy("settings { shado = true }"), policy("settings { shadow = true }")),
    (policy("setings { shadow = true }"), policy("settings { shadow = true }")),
]
SAFE = {3, 4, 5, 6}  # of these the author can have meant nothing else


@pytest.mark.parametrize("number", range(len(FIXED)))
def test_a_fix_mends_what_it_was_proposed_for(number: int) -> None:
    bad, good = FIXED[number]
    compiled = compile_policy(bad, strict=True)
    fixes = [one.fix for one in compiled.diagnostics if one.fix]
    assert [fix.safe for fix in fixes] == [number in SAFE]
    assert applied(bad, fixes) == good
    assert not compile_policy(good, strict=True).errors


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_safe_fixes_are_made_once(random: object) -> None:
    texts = Texts(random)  # type: ignore[arg-type]
    text = texts.laid(texts.program()).replace('"High"', "High").replace(':= "', '= "')
    fixes = [one.fix for one in compile_policy(text).diagnostics if one.fix and one.fix.safe]
    mended = applied(text, fixes)
    again = {one.fix for one in compile_policy(mended).diagnostics if one.fix and one.fix.safe}
    assert len(fixes) < MAX_DIAGNOSTICS
    assert not {(fix.span, fix.text) for fix in again} & {(fix.span, fix.text) for fix in fixes if len(fixes) == 1}
    assert applied(mended, ()) == mended


# what conditions become

MEANS = [
    ("kev == false", Not(Flagged("kev"))),
    ("kev != true", Not(Flagged("kev"))),
    ("coalesce(kev, false)", Flagged("kev", default=False)),
    ("epss == null", Not(Present("epss"))),
    ("null != epss", Not(Not(Present("epss")))),
    ('"prod" == env.name', OneOf("env.name", ("prod",))),
    ('env.name not in ["b", "a", "b"]', Not(OneOf("env.name", ("a", "b")))),
    ('lowercase(env.name) == "Prod"', OneOf("env.name", ("prod",), lower=True)),
    ('starts_with(lowercase(env.name), "P")', StartsWith("env.name", "p", lower=True)),
    ('"High" <= severity.normalized', Ranked("severity.normalized", ">=", "High")),
    ("env.quietUntil > as_of", Before("env.quietUntil")),
    ("env.quietUntil <= as_of", Not(Before("env.quietUntil"))),
    ('as_of >= "1970-01-01T00:01:00Z"', Not(Before(None, 60))),
    ('"1970-01-01T00:01:00Z" > as_of', Before(None, 60)),
    ("1 + 1 == 2", Constant(value=True)),
    ("normalize_cvss(50) > 100", Constant(value=False)),
    ("normalize_cvss(-1) < 0", Constant(value=False)),
    ('"a" == "b"', Constant(value=False)),
    ("(kev and kev) == true", All((Flagged("kev"), Flagged("kev")))),
]


@pytest.mark.parametrize(("text", "expected"), MEANS)
def test_a_comparison_becomes_the_test_that_it_means(text: str, expected: Condition) -> None:
    assert condition(text) == expected


def test_rules_stand_in_the_order_in_which_they_are_asked() -> None:
    names = [("b", "priority 2"), ("a", "priority 2"), ("z", "priority 1"), ("c", ""), ("B", "priority 2")]
    text = policy("".join(f'rule {name} {priority} {{ when kev then warn "" }}' for name, priority in names))
    compiled = compile_policy(text)
    assert compiled.policy is not None
    assert [rule.name for rule in compiled.policy.rules] == ["z", "B", "a", "b", "c"]
    assert {text[span.start : span.end] for span in compiled.places.values()} == {"z", "B", "a", "b", "c", '"p"'}


def test_a_name_may_be_written_as_a_call() -> None:
    assert condition("cvss() > 7 and vex.any(verified())") == condition("cvss > 7 and vex.any(verified)")


def test_a_number_of_a_profile_is_used_inside_of_statements() -> None:
    text = "vex.any(trust >= profile.gate.prod)"
    assert condition(text, "profile gate { prod = 0.8 } ") == condition("vex.any(trust >= 0.8)")


def test_a_profile_that_is_used_over_and_over_is_no_explosion() -> None:
    cases = " ".join(f'if env.runtime == "a{at}" then 0.5' for at in range(3000))
    rules = " ".join(f'rule r{at} {{ when risk_score(p) > {at} then warn "x" }}' for at in range(100))
    found = compile_policy(f'policy "p" syntax "stella-dsl@1" {{ profile p {{ env e {{ {cases} }} }} {rules} }}')
    assert found.policy is None
    assert {one.code for one in found.errors} == {"POL1004"}
