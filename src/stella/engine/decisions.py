"""What was decided of every finding, as one Parquet file.

Rules:
- A row is a finding: its number, its whole mask, who decides, the status and the severity. The whole mask is the
  explanation, and a few bytes.
- The same evaluation gives the same bytes with the same library; what proves that two are equal is their hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from stella.engine.evaluate import Evaluation
from stella.engine.reading import normal, read
from stella.engine.simulate import DEFAULT
from stella.engine.tally import severities
from stella.language.names import SEVERITY, STATUS

GROUP = 1 << 20  # rows
LEVEL = 3  # of zstd

Numbered: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint32]


def write(done: Evaluation, file: BinaryIO) -> None:
    """Write the decisions of an evaluation."""
    view = done.plan.view
    reading, said = read(view, done.layout), done.decided()
    advisories = np.take(normal(done.board), done.board.keys["advisory"], mode="clip")
    rules = list(dict.fromkeys([*(group.rule for group in view.groups), DEFAULT]))
    number = {rule: i for i, rule in enumerate(rules)}
    winners = np.array([*(number[group.rule] for group in view.groups), number[DEFAULT]], np.uint32)
    words = severities(reading, said, advisories)
    columns = {
        "finding": pl.Series(np.arange(done.board.star.findings, dtype=np.uint32)),
        **{f"m{lane}": pl.Series(mask) for lane, mask in enumerate(done.masks)},
        "winner": _words(winners[said.status_by], rules),
        "status": _words(reading.status_of[said.status_by], STATUS.words),
        "severity": _words(words, (*SEVERITY.words, "unknown")),
        "undecided": pl.Series(said.undecided),
    }
    frame = pl.DataFrame(columns)
    frame.write_parquet(file, compression="zstd", compression_level=LEVEL, row_group_size=GROUP)


def _words(codes: Numbered, words: Sequence[str]) -> pl.Series:
    return pl.Series(words, dtype=pl.Enum(words)).gather(codes.astype(np.uint32))
