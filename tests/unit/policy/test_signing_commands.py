"""The words of docs/policy/signing.md as people type them: exit codes and reasons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stella.cli.main import run
from stella.signing import cosign_pem

SOURCE = """policy "exploited" syntax "stella-dsl@1" {
  rule kev priority 1 { when kev then status := "blocked" because "it is used" }
}
"""
WHY = ["--reason", "rollout", "--ticket", "SEC-9"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cosign_pem, "COST", 2)
    monkeypatch.setattr(cosign_pem, "COSTS", frozenset({2}))
    monkeypatch.setenv("STELLA_KEY_PASSPHRASE", "correct horse")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.stella").write_text(SOURCE)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    captured = capsys.readouterr()
    found: dict[str, Any] = json.loads(captured.out or captured.err)
    return found


def test_from_the_first_key_to_a_refusal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sign = ["policy", "sign", "p.stella", "--policy-id", "P-7", "--version", "3", *WHY]
    verify = ["policy", "verify", "p.stella", "--trust", ".stella/keys/trust", "--json"]
    assert run([*sign, "--out", "p.stella.attestation.sigstore", "--json"]) == 4
    assert said(capsys)["code"] == "KEY-010"
    assert run(["key", "create", "--json"]) == 0
    keyid = said(capsys)["key"]["keyid"]
    assert run([*sign, "--out", "p.stella.attestation.sigstore"]) == 0
    capsys.readouterr()
    assert run([*verify, "--policy-id", "P-7", "--version", "3"]) == 0
    found = said(capsys)
    assert (found["schema"], found["signer"]["keyid"]) == ("stella.policy.verify@1", keyid)
    assert run([*verify, "--version", "4"]) == 6
    assert said(capsys)["reason"] == "policy_attestation_differs"
    (folder / "p.stella").write_text(SOURCE.replace("blocked", "affected"))
    assert run(verify) == 6
    assert said(capsys)["reason"] == "subject_digest"
    (folder / "p.stella").write_text(SOURCE)
    assert run(["key", "revoke", keyid[:12], *WHY, "--since", "2020-01-01T00:00:00Z"]) == 0
    capsys.readouterr()
    assert run(verify) == 6
    assert said(capsys)["reason"] == "key_revoked"
    assert run(["key", "list", "--json"]) == 0
    assert [key["state"] for key in said(capsys)["keys"]] == ["revoked"]
    assert run(["key", "rotate", *WHY]) == 0
    assert run([*sign, "--out", "p.stella.attestation.sigstore"]) == 0
    assert run(verify) == 0


def test_a_statement_about_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kind = "https://example.com/attestation/scan/v1"
    attest = ["key", "attest", "p.stella", "--predicate-type", kind, "--out", "a.sigstore"]
    verify = ["attest", "verify", "a.sigstore", "--artifact", "p.stella", "--json"]
    assert run(["key", "create", "--algorithm", "ed25519"]) == 0
    assert run(attest) == 0
    capsys.readouterr()
    assert run([*verify, "--predicate", kind]) == 0, "the trust beside the own keys counts by itself"
    assert said(capsys)["verdict"] == "passed"
    assert run(verify) == 6
    assert said(capsys)["reason"] == "predicate_type"
    (folder / "p.stella").write_text("other")
    assert run([*verify, "--predicate", kind]) == 6
    assert said(capsys)["reason"] == "subject_digest"
    assert run([*attest[:-2], "--out", "b.sigstore", "--keyless"]) == 2
