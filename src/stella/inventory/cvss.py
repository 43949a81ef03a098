"""CVSS base scores: the formulas of the specifications of 3.0 and 3.1, in whole numbers.

Rules:
- A score is in micros, 0 to 10; a vector that is not complete and right gives None.
- Vectors of version 2 are on another scale, and those of version 4 need a table of their own: both give None, so the
  severity of such an advisory is the word that its database gives.
"""

from __future__ import annotations

from fractions import Fraction

from stella.language.names import MICRO

_WEIGHTS: dict[str, dict[str, str]] = {
    "AV": {"N": "0.85", "A": "0.62", "L": "0.55", "P": "0.2"},
    "AC": {"L": "0.77", "H": "0.44"},
    "PR": {"N": "0.85", "L": "0.62", "H": "0.27"},
    "UI": {"N": "0.85", "R": "0.62"},
    "C": {"H": "0.56", "L": "0.22", "N": "0"},
    "I": {"H": "0.56", "L": "0.22", "N": "0"},
    "A": {"H": "0.56", "L": "0.22", "N": "0"},
}
_CHANGED_PR = {"N": "0.85", "L": "0.68", "H": "0.5"}
_TENTH = MICRO // 10


def base_score(vector: str) -> int | None:
    """The base score of a `CVSS:3.x/...` vector in micros; None for any other or a wrong one."""
    head, *parts = vector.strip().split("/")
    if head not in {"CVSS:3.0", "CVSS:3.1"}:
        return None
    metrics: dict[str, str] = {}
    for part in parts:
        name, colon, value = part.partition(":")
        if not colon or name in metrics:
            return None
        metrics[name] = value
    changed = metrics.get("S") == "C"
    weights = _WEIGHTS | ({"PR": _CHANGED_PR} if changed else {})
    if metrics.get("S") not in {"U", "C"} or any(metrics.get(name) not in good for name, good in weights.items()):
        return None
    weight = {name: Fraction(good[metrics[name]]) for name, good in weights.items()}
    return _score(weight, changed=changed, exact=head.endswith("1"))


def _score(weight: dict[str, Fraction], *, changed: bool, exact: bool) -> int:
    sub = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    if changed:
        impact = Fraction("7.52") * (sub - Fraction("0.029")) - Fraction("3.25") * (sub - Fraction("0.02")) ** 15
    else:
        impact = Fraction("6.42") * sub
    if impact <= 0:
        return 0
    total = impact + Fraction("8.22") * weight["AV"] * weight["AC"] * weight["PR"] * weight["UI"]
    total = min(total * Fraction("1.08") if changed else total, Fraction(10))
    if exact:  # 3.1, appendix A: rounded to five places first, so that every machine agrees
        whole = round(total * 100_000)
        return _TENTH * (whole // 10_000 + (whole % 10_000 != 0))
    return _TENTH * -(-total.numerator * 10 // total.denominator)
