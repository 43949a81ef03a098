"""The identity of a policy: what changes it and what does not."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given, settings

from stella.kernel.canonical import dump
from stella.kernel.errors import NotCanonical, NotJson
from stella.language import ir
from stella.language.compile import compile_policy
from stella.language.model import Policy
from tests.policy_texts import Texts, policies


def checked(text: str) -> Policy:
    compiled = compile_policy(text, strict=True)
    assert compiled.policy is not None, compiled.errors
    return compiled.policy


@settings(max_examples=50)
@given(policies)
def test_the_canonical_form_is_read_back(text: str) -> None:
    policy = checked(text)
    data = ir.canonical(policy)
    assert ir.read(data) == policy
    assert ir.canonical(ir.read(data)) == data == dump(json.loads(data))
    numbers: list[str] = []
    json.loads(data, parse_float=numbers.append)
    assert not numbers


def test_layout_comments_and_the_order_of_rules_and_profiles_mean_nothing() -> None:
    for seed in range(60):
        texts = Texts(Random(seed))
        tokens = texts.policy()
        one, other = texts.laid(tokens), texts.laid(tokens, comments=0.3)
        assert ir.digest(checked(one)) == ir.digest(checked(other))


PROFILES = ("profile b { n = 1 }", "profile a { n = 2 }")
RULES = (
    'rule one priority 3 { when kev then status := "blocked" because "x" }',
    'rule two priority 3 { when epss >= profile.a.n - profile.b.n then status := "fixed" because "x" }',
    'invariant i { kev => status == "blocked" }',
    'invariant j { kev => status == "blocked" }',
    'metadata { owner = "me" description = "d" }',
)


def test_the_order_of_blocks_and_keys_means_nothing() -> None:
    def made(*blocks: str) -> str:
        return ir.digest(checked('policy "p" syntax "stella-dsl@1" {' + "\n".join(blocks) + "}"))

    assert made(*PROFILES, *RULES) == made(*PROFILES[::-1], *RULES[::-1])
    assert made(*PROFILES, *RULES) == made(*PROFILES, *RULES[:-1], 'metadata { description = "d" owner = "me" }')


WHOLE = """policy "p" syntax "stella-dsl@1" {
  metadata { description = "d" tags = ["t"] owner = "o" }
  settings { shadow = true default_status = "deferred" }
  profile p { n = 1 map m { source "GHSA" => 0.5 } env e { if env.name == "prod" then 2 } }
  rule a priority 3 {
    when (kev or epss >= 0.5 and not (env.name in ["prod"])) and risk_score(p) > 70
      and vex.any(status == "fixed") and lowercase(asset.id) == "x" and coalesce(cvss, 1) < 9
    then status := "blocked" severity := "High" ignore until "2027-01-31T00:00:00Z" warn "w"
      annotate k "v" requireVex { vendors = ["v"] justifications = ["component_not_present"] }
    else status := "fixed"
    because "why"
  }
  invariant i { kev => status == "blocked" }
}"""
CHANGES = [
    ('"p"', '"q"'),
    ('"d"', '"e"'),
    ('["t"]', '["u"]'),
    ("owner", "team"),
    ('"o"', '"x"'),
    ("shadow = true", "shadow = false"),
    ('"deferred"', '"affected"'),
    ("n = 1", "n = 2"),
    ('"GHSA"', '"CVE"'),
    ("0.5 }", "0.6 }"),
    ("source", "vendor"),
    ("then 2", "then 3"),
    ('env.name == "prod"', 'env.name == "dev"'),
    ("rule a", "rule b"),
    ("priority 3", "priority 4"),
    ("kev or", "kev and"),
    (">= 0.5", "> 0.5"),
    (">= 0.5", ">= 0.500001"),
    ("not (", "("),
    ('["prod"]', '["prod", "dev"]'),
    ("> 70", "> 71"),
    ("vex.any", "vex.all"),
    ('status == "fixed"', 'status == "affected"'),
    ("lowercase(asset.id)", "asset.id"),
    ("coalesce(cvss, 1)", "cvss"),
    ("coalesce(cvss, 1)", "coalesce(cvss, 2)"),
    ('status := "blocked"', 'status := "affected"'),
    ('"High"', '"Low"'),
    ("2027-01-31", "2027-02-01"),
    ('warn "w"', 'warn "v"'),
    ("annotate k", "annotate l"),
    ('k "v"', 'k "w"'),
    ('vendors = ["v"]', "vendors = []"),
    ("component_not_present", "inline_mitigations_already_exist"),
    ('else status := "fixed"', ""),
    ('"why"', '"because"'),
    ("invariant i", "invariant j"),
    ("kev =>", "not kev =>"),
    ('=> status == "blocked"', '=> status != "blocked"'),
    ("env e", "env f"),
    ("map m", "map o"),
]


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_every_change_of_the_meaning_is_another_identity(old: str, new: str) -> None:
    assert WHOLE.count(old) >= 1
    changed = checked(WHOLE.replace(old, new, 1))
    assert (ir.digest(changed) != ir.digest(checked(WHOLE))) is (old not in {"env e", "map m"})


def test_another_spelling_of_the_same_document_is_refused() -> None:
    data = ir.canonical(checked(WHOLE))
    with pytest.raises(NotCanonical):
        ir.read(data.replace(b":", b": ", 1))
    with pytest.raises(NotJson):
        ir.read(data[:-1])
    with pytest.raises(NotJson):
        ir.read(data.replace(b'"is":"all"', b'"is":"some-more"'))
