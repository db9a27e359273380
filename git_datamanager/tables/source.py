"""Two files of one dataset side by side: docs/design/tables.md."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from git_datamanager.errors import Corrupt
from git_datamanager.tables import kinds
from git_datamanager.tables.compare import Wish, compare_tables
from git_datamanager.tables.engine import MEMORY, Engine, NotInstalled
from git_datamanager.tables.result import SourceDiff
from git_datamanager.tables.words import FOLDER

EVERYTHING = Wish()


def compare(
    before: Path | None, after: Path | None, name: str, wish: Wish = EVERYTHING, memory: int = MEMORY
) -> SourceDiff:
    """What differs between two files, of which one may not exist. `name`: what the dataset is called;
    `memory`: bytes that DuckDB may hold.

    Files are opened to be read, and nothing is written beside them; nobody may write to them meanwhile. What
    cannot be read as the table it seems to be is compared as bytes, and `note` says why.
    """
    found = [kinds.kind_of(path, name) for path in (before, after) if path is not None]
    bytes_alone = SourceDiff(
        kind=kinds.OTHER,
        size_before=_size(before),
        size_after=_size(after),
        is_same_bytes=_is_same(before, after),
    )
    if bytes_alone.is_same_bytes:
        return replace(bytes_alone, kind=found[0])
    if len(set(found)) != 1:
        return _as_bytes(bytes_alone, before, after, f"it was {_said(found[0])} and is {_said(found[-1])}")
    if found[0] == kinds.OTHER:
        return _as_bytes(bytes_alone, before, after, _disappointed(name))
    try:
        with opened(found[0], before, after, name, memory) as engine:
            tables, things = compare_tables(engine, wish)
    except (Corrupt, NotInstalled) as error:
        return _as_bytes(bytes_alone, before, after, error.message, *error.hints)
    return replace(
        bytes_alone,
        kind=found[0],
        is_partial=wish.is_partial,
        tables=tuple(tables),
        things=tuple(things),
    )


@contextmanager
def opened(
    kind: str, before: Path | None, after: Path | None, name: str = "", memory: int = MEMORY
) -> Iterator[Engine]:
    """The engine for files of this kind, with a private folder that is gone afterwards; `name`: what
    the dataset is called. Raises Corrupt, NotInstalled."""
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        if kind == kinds.SQLITE:
            from git_datamanager.tables import sqlite

            with sqlite.opened(before, after, Path(folder)) as engine:
                yield engine
        else:
            from git_datamanager.tables import duck

            with duck.opened(kind, before, after, Path(folder), name, memory) as other:
                yield other


def _size(path: Path | None) -> int | None:
    return None if path is None else path.stat().st_size


def _is_same(before: Path | None, after: Path | None) -> bool:
    if before is None or after is None or before.stat().st_size != after.stat().st_size:
        return False
    import filecmp

    return filecmp.cmp(before, after, shallow=False)


def _said(kind: str) -> str:
    return "no table (empty, damaged, encrypted, or something else)" if kind == kinds.OTHER else kind


def _disappointed(name: str) -> str | None:
    if not kinds.could_be(name):
        return None
    return "by its first bytes it is no table (damaged, encrypted, or something else): compared as bytes"


def _as_bytes(
    diff: SourceDiff, before: Path | None, after: Path | None, note: str | None, *hints: str
) -> SourceDiff:
    from git_datamanager.tables.similar import common_bytes

    common = common_bytes(before, after) if before is not None and after is not None else None
    return replace(diff, common=common, note="; ".join(filter(None, (note, *hints))) or None)
