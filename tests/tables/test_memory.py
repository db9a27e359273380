"""How much memory a comparison has: what `data.memory` gives."""

from pathlib import Path

import pytest

from git_datamanager.tables.compare import Wish
from git_datamanager.tables.engine import MEMORY
from git_datamanager.tables.source import compare
from tests.tables.making import only, parquet
from tests.world import Clone

pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")


@pytest.mark.slow
def test_a_table_that_is_too_wide_is_compared_with_more_memory(tmp_path: Path) -> None:
    columns = ", ".join(f"range + {n} AS c{n}" for n in range(1400))
    old, new = (
        parquet(tmp_path / name, f"FROM range(6000) SELECT range AS id, {columns}, {value} AS last")
        for name, value in (("old", "1"), ("new", "range % 2"))
    )
    wish = Wish(keys={"": ("id",)})
    tight = only(compare(old, new, "a.parquet", wish, MEMORY // 2))
    assert (tight.is_compared, tight.note) == (False, "its rows take more memory than a comparison has")
    assert only(compare(old, new, "a.parquet", wish, MEMORY * 4)).changed == 3000


@pytest.mark.slow
def test_the_commands_give_what_the_setting_says(ana: Clone) -> None:
    columns = ", ".join(f"range + {n} AS c{n}" for n in range(1400))
    for value in ("range % 2", "1"):
        parquet(ana.path / "a.parquet", f"FROM range(14000) SELECT range AS id, {columns}, {value} AS last")
        ana.data("add", "a.parquet")
        ana.commit(value)
    ana.data("set", "a.parquet", "key=id")
    ana.git("config", "data.memory", "6g")
    ana.git("config", "data.diff.fetch", "always")
    (found,) = ana.json("diff", "--stat", "a.parquet@v1", "a.parquet@v2")["datasets"]
    assert found["source"]["tables"][0]["changed"] == 7000


def test_the_setting_counts(ana: Clone) -> None:
    from git_datamanager.manager import DataManager
    from git_datamanager.ops.inside.reading import memory_for

    def asked() -> int:
        return memory_for(DataManager.open(ana.path))

    assert asked() == MEMORY
    ana.git("config", "data.memory", "3g")
    assert asked() == 1 << 30
