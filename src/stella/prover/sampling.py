"""Worlds by chance: most questions are answered by one of a few hundred, without asking the solver.

Rules:
- Chance has a fixed seed: the same columns give the same worlds.
- Arithmetic over several decimals is done on the numbers of each world.
- A world that does not keep the clauses of the graph is left out by whoever looks.
"""

from __future__ import annotations

from random import Random

from stella.language.names import MICRO
from stella.prover.columns import Cases, Members, Numbers
from stella.prover.sums import Sums
from stella.prover.worlds import FINDING, Place, Worlds

COUNT = 256
FULL = (1 << COUNT) - 1
_SEED = 0xC0DEC0DE


def sample(worlds: Worlds, sums: Sums) -> dict[int, int]:
    """The inputs of COUNT worlds: a bit for each."""
    chance = Random(_SEED)  # noqa: S311  not a secret
    inputs: dict[int, int] = {}
    numbers: dict[Place, list[int]] = {}
    _evidence(chance, worlds.exists, inputs)
    for place, column in sorted(worlds.columns.items()):
        inputs[column.missing] = _seldom(chance, place)
        if isinstance(column, Members):
            for bit in column.bits:
                inputs[bit] = chance.getrandbits(COUNT) & chance.getrandbits(COUNT)
        else:
            numbers[place] = _spread(chance, column, inputs)
    _spread(chance, worlds.as_of, inputs)
    for late in worlds.late.values():
        inputs[late] = chance.getrandbits(COUNT)
    for line, literal in sums.lines.items():
        inputs[literal] = _line(line.terms, line.bound, numbers)
    return inputs


def _evidence(chance: Random, exists: list[int], inputs: dict[int, int]) -> None:
    """The latest statement, and seldom one more: few worlds with many statements keep all clauses."""
    others = exists[:-1]
    inputs |= dict.fromkeys(others, 0)
    for world in range(0, COUNT, 2) if others else ():
        inputs[chance.choice(others)] |= 1 << world
    more = 0
    for one in others:
        more |= inputs[one]
    inputs[exists[-1]] = more | chance.getrandbits(COUNT)


def _seldom(chance: Random, place: Place) -> int:
    found = chance.getrandbits(COUNT) & chance.getrandbits(COUNT) & chance.getrandbits(COUNT)
    return found if place.slot == FINDING else found & chance.getrandbits(COUNT)


def _spread(chance: Random, column: Cases | Numbers, inputs: dict[int, int]) -> list[int]:
    """Any case of a column, all alike; the numbers that were drawn, by world."""
    drawn = chance.choices(range(column.count), k=COUNT)
    masks = [0] * column.count
    for world, place in enumerate(drawn):
        masks[place] |= 1 << world
    above = 0
    for literal, mask in zip(reversed(column.inputs()), reversed(masks), strict=False):
        above |= mask
        inputs[literal] = above
    return [column.value(place) for place in drawn] if isinstance(column, Numbers) else []


def _line(terms: tuple[tuple[Place, int], ...], bound: int, numbers: dict[Place, list[int]]) -> int:
    found = 0
    for world in range(COUNT):
        if sum(numbers[place][world] * factor // MICRO for place, factor in terms) >= bound:
            found |= 1 << world
    return found
