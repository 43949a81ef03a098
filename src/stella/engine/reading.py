"""What masks say to one policy: who decides the status and the severity, and what nobody can decide.

Rules:
- The strongest true group with a status decides it: the lowest bit among those of such groups. The severity likewise.
- A finding is undecided when a stronger group would decide another status and can be unknown: a second bit of it is
  set. Stronger groups with a status are never true, or they would have won.
- Numbers of groups are those of the view; one more stands for the default.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stella.engine.arrays import LANE, Bools, Lanes, Numbers
from stella.engine.board import Board
from stella.engine.lanes import Layout
from stella.engine.plan import NO_GROUP, View
from stella.inventory.star import Coded
from stella.language.names import SEVERITY, STATUS

WORDS = len(SEVERITY.words)  # a severity has this number where none is known
NORMAL = 255  # the severity of the advisory


class Reading(NamedTuple):
    """A view on a layout. Arrays with a row for each group have one more for the default."""

    groups: int
    status_bits: Lanes  # of each lane: bits of groups that have a status
    severity_bits: Lanes
    group_of: Numbers  # of each bit; the last is for no bit
    against: Lanes  # [group, lane]: second bits of stronger groups that would decide another status
    status_of: npt.NDArray[np.uint8]  # number in STATUS; of a group without one, which never wins, the default's
    severity_of: npt.NDArray[np.uint8]  # number in SEVERITY, or NORMAL


class Decided(NamedTuple):
    """For each finding: the group that decides the status, the one that does the severity, and whether it is open."""

    status_by: Numbers
    severity_by: Numbers
    undecided: Bools


def read(view: View, layout: Layout) -> Reading:
    """How masks of a layout are read."""
    count, lanes = len(view.groups), layout.lanes
    status_bits, severity_bits = np.zeros(lanes, np.uint64), np.zeros(lanes, np.uint64)
    group_of = np.full(lanes * LANE + 1, count, np.uint16)
    words = [group.status for group in view.groups] + [view.default_status]
    against = np.zeros((count + 1, lanes), np.uint64)
    bits = iter(sorted((group, bit) for bit, group in enumerate(view.group_of) if group != NO_GROUP))
    waiting = next(bits, None)
    stronger: dict[str, Lanes] = {}
    for number, word in enumerate(words):
        for other, held in stronger.items():
            if other != word:
                against[number] |= held
        while waiting is not None and waiting[0] == number:
            bit, group = waiting[1], view.groups[number]
            group_of[bit] = number
            if group.severity is not None:
                severity_bits[bit // LANE] |= np.uint64(1 << bit % LANE)
            if group.status is not None:
                status_bits[bit // LANE] |= np.uint64(1 << bit % LANE)
                second = layout.second[bit]
                if second != bit:
                    held = stronger.setdefault(group.status, np.zeros(lanes, np.uint64))
                    held[second // LANE] |= np.uint64(1 << second % LANE)
            waiting = next(bits, None)
    status_of = np.array([STATUS.words.index(word or view.default_status) for word in words], np.uint8)
    severities = [group.severity for group in view.groups] + [None]
    severity_of = np.array([NORMAL if word is None else SEVERITY.words.index(word) for word in severities], np.uint8)
    return Reading(count, status_bits, severity_bits, group_of, against, status_of, severity_of)


def decide(reading: Reading, lanes: Lanes) -> Decided:
    """What masks, `lanes[lane, finding]`, decide."""
    status_by = _lowest(reading, reading.status_bits, lanes)
    severity_by = _lowest(reading, reading.severity_bits, lanes)
    undecided = np.zeros(lanes.shape[1], np.bool_)
    for lane in range(len(lanes)):
        against = reading.against[:, lane]
        if against.any():
            undecided |= (lanes[lane] & np.take(against, status_by, mode="clip")) != 0
    return Decided(status_by, severity_by, undecided)


def _lowest(reading: Reading, bits: Lanes, lanes: Lanes) -> Numbers:
    """The group of the lowest bit among `bits`."""
    found = np.full(lanes.shape[1], reading.groups, np.uint16)
    for lane in range(len(bits) - 1, -1, -1):
        if not bits[lane]:
            continue
        held = lanes[lane] & bits[lane]
        place = np.bitwise_count((held & (~held + np.uint64(1))) - np.uint64(1))  # 64 when no bit is set
        slots = np.append(reading.group_of[lane * LANE : (lane + 1) * LANE], np.uint16(reading.groups))
        mine = np.take(slots, place, mode="clip")
        found = np.where(held != 0, mine, found) if len(bits) > 1 else mine
    return found


def normal(board: Board) -> npt.NDArray[np.uint8]:
    """The severity of each row of advisories by its number in SEVERITY; WORDS where it is missing."""
    table = board.star.dimensions["advisory"]
    values = table.columns.get("severity.normalized")
    if not isinstance(values, Coded):
        return np.full(table.rows + 1, WORDS, np.uint8)
    numbers = {word: number for number, word in enumerate(SEVERITY.words)}
    of_word = np.array([*(numbers.get(word, WORDS) for word in values.words), WORDS], np.uint8)
    return np.append(of_word[values.codes], np.uint8(WORDS))
