"""The backend on DuckDB: the query of `sql` over arrays that it reads in place."""

# stella: allow-file STL001, STL002, STL003 until 2028-12-31: a database in memory, of arrays that the caller may read

from __future__ import annotations

import duckdb
import numpy as np

from stella.engine import sql
from stella.engine.arrays import Keys, Lanes
from stella.engine.board import Board
from stella.engine.gather import Numpy
from stella.engine.lanes import Masks
from stella.language.names import DIMENSIONS


class DuckDb(Numpy):
    """Joins; what is decided is read from the masks as numpy does."""

    name = "duckdb"
    block = 1 << 22
    threads = 1  # DuckDB has threads of its own

    def __init__(self, threads: int = 2) -> None:
        self._database = duckdb.connect(":memory:", config={"threads": threads})
        self._masks: Masks | None = None
        self._query = ""

    def fill(self, masks: Masks, board: Board, start: int, out: Lanes) -> None:
        if self._masks is not masks:
            self._lay(masks)
        size = out.shape[1]
        keys = {name: board.keys[name][start : start + size] for name in DIMENSIONS}
        columns: dict[str, Keys] = {"id": np.arange(size, dtype=np.int64)}
        columns |= {str(name): held for name, held in keys.items()}
        self._database.register(sql.FINDINGS, columns)
        found = self._database.sql(self._query).fetchnumpy()
        self._database.unregister(sql.FINDINGS)
        for lane in range(len(out)):
            out[lane, found["id"]] = found[f"m{lane}"].view(np.uint64)

    def _lay(self, masks: Masks) -> None:
        for name, columns in sql.tables(masks).items():
            self._database.execute(f'DROP TABLE IF EXISTS "{name}"')
            arrays = {column: np.asarray(held) for column, held in columns.items()}
            self._database.register("given", arrays)
            self._database.execute(f'CREATE TABLE "{name}" AS SELECT * FROM given')  # noqa: S608  a name of this module
            self._database.unregister("given")
        self._masks, self._query = masks, sql.text(masks, "duckdb")
