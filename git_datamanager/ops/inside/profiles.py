"""`git data profile`: what the tables of a version hold; remembered, for its bytes never change."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from git_datamanager import __version__
from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Version
from git_datamanager.model.oid import Oid
from git_datamanager.ops.inside.members import Inside, inside, member_file, member_of, version_listing
from git_datamanager.ops.inside.reading import MayFetch, bring, memory_for, never, version_file, work_file
from git_datamanager.ops.select import select, version_of
from git_datamanager.tables.profiling.profile import profile as look
from git_datamanager.tables.profiling.profiled import ColumnProfile, Frequent, SourceProfile, TableProfile
from git_datamanager.tables.values import Cell, as_json
from git_datamanager.workspace.sqlitecache import SqliteCache

_SCHEMA = "CREATE TABLE IF NOT EXISTS profile (key TEXT PRIMARY KEY, document TEXT NOT NULL)"
_PRUNE = "DELETE FROM profile WHERE key NOT IN (SELECT key FROM profile ORDER BY rowid DESC LIMIT ?)"
_FORM = 2
"""Another number where the same bytes have another profile."""
_KEPT = 500
"""Profiles that are remembered; some KB each."""
_WHOLE = 1 << 62
"""Cells are cut already."""


class Profiled(NamedTuple):
    """A version, or the working file (None), and what it holds."""

    dataset: Dataset
    version: Version | None
    profile: SourceProfile
    member: str | None = None
    """The file of a folder that was looked into."""

    @property
    def name(self) -> str:
        return self.dataset.name if self.member is None else f"{self.dataset.name}/{self.member}"


def profile(manager: DataManager, name: str, *, work: bool = False, may_fetch: MayFetch = never) -> Profiled:
    """Look into NAME, or NAME@vN, or a file of a folder: NAME/path, NAME@vN/path; `work`: into the working
    file as it is.

    Raises UnknownDataset, UnknownVersion, NotHere, DataError for a folder; what cannot be read as a table
    is a note in the result.
    """
    manifest = manager.manifests.current()
    one = inside(manager, manifest, name)
    if one is not None:
        return _inside(manager, one, may_fetch, work=work)
    wanted = select(manager, manifest, [name])
    if len(wanted) != 1 or wanted[0].dataset.kind is not Kind.FILE:
        raise DataError(
            f"{name} is no file: a profile is of one",
            hints=["git data ls", "git data profile FOLDER/path   # of a file in a folder"],
        )
    dataset = wanted[0].dataset
    if work:
        with work_file(manager, dataset) as path:
            return Profiled(dataset, None, look(path, dataset.name, memory=memory_for(manager)))
    version = version_of(dataset, wanted[0].version)
    return Profiled(dataset, version, profile_of(manager, dataset, version, may_fetch))


def _inside(manager: DataManager, one: Inside, may_fetch: MayFetch, *, work: bool) -> Profiled:
    version = None if work else version_of(one.dataset, one.version)

    def look_inside() -> SourceProfile:
        with member_file(manager, one.dataset, version, one.path, may_fetch) as path:
            return look(path, one.path, memory=memory_for(manager))

    if version is None:
        return Profiled(one.dataset, None, look_inside(), one.path)
    listing = version_listing(manager, one.dataset, version, may_fetch)
    oid = Oid(member_of(listing, one.dataset, version, one.path).digest.hex())
    return Profiled(one.dataset, version, _remembered(manager, oid, one.path, look_inside), one.path)


def profile_of(
    manager: DataManager, dataset: Dataset, version: Version, may_fetch: MayFetch = never
) -> SourceProfile:
    """From memory where these bytes were looked into before. Raises NotHere."""

    def look_into() -> SourceProfile:
        bring(manager, [(dataset, version)], may_fetch)
        with version_file(manager, dataset, version) as path:
            return look(path, dataset.name, memory=memory_for(manager))

    return _remembered(manager, version.oid, dataset.name, look_into)


def memo(manager: DataManager) -> Path:
    """The file that remembers; it may be deleted at any time."""
    return manager.state_folder / "profiles.db"


def _remembered(
    manager: DataManager, oid: Oid, name: str, look_into: Callable[[], SourceProfile]
) -> SourceProfile:
    cache = SqliteCache(memo(manager), _SCHEMA)
    # Of the name only the ending says what kind of file it is; another release may see more.
    key = f"{__version__}.{_FORM} {oid} {''.join(PurePosixPath(name).suffixes[-2:]).lower()}"
    for (document,) in cache.run("SELECT document FROM profile WHERE key = ?", key):
        return read(json.loads(document))
    found = look_into()
    if found.note is None:  # else a library may only be missing
        with cache.writing() as database:
            if database is not None:
                database.execute(
                    "INSERT OR REPLACE INTO profile VALUES (?, ?)", (key, json.dumps(plain(found)))
                )
                database.execute(_PRUNE, (_KEPT,))
    return found


def plain(found: SourceProfile) -> dict[str, Any]:
    """As JSON has it: git-data/profile/1."""
    return {
        "kind": found.kind,
        "size": found.size,
        "note": found.note,
        "tables": [_plain_table(table) for table in found.tables],
    }


def _plain_table(table: TableProfile) -> dict[str, Any]:
    return {
        "name": table.name,
        "rows": table.rows,
        "key": list(table.key),
        "note": table.note,
        "columns": [_plain_column(table, column) for column in table.columns],
    }


def _plain_column(table: TableProfile, column: ColumnProfile) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "classes": dict(column.classes),
        "nulls": column.nulls,
        "null_share": round(table.null_share(column), 6),
        "empty": column.empty,
        "min": as_json(column.minimum, _WHOLE),
        "max": as_json(column.maximum, _WHOLE),
        "mean": as_json(column.mean),
        "distinct": column.distinct,
        "is_distinct_exact": column.is_distinct_exact,
        "top": [{"value": as_json(value, _WHOLE), "times": times} for value, times in column.top],
        "is_top_exact": column.is_top_exact,
    }


def read(document: Mapping[str, Any]) -> SourceProfile:
    """The inverse of `plain`."""
    tables = tuple(
        TableProfile(
            name=table["name"],
            rows=table["rows"],
            key=tuple(table["key"]),
            note=table["note"],
            columns=tuple(map(_read_column, table["columns"])),
        )
        for table in document["tables"]
    )
    return SourceProfile(kind=document["kind"], size=document["size"], note=document["note"], tables=tables)


def _read_column(column: Mapping[str, Any]) -> ColumnProfile:
    return ColumnProfile(
        name=column["name"],
        type=column["type"],
        classes=tuple(column["classes"].items()),
        nulls=column["nulls"],
        empty=column["empty"],
        minimum=_cell(column["min"]),
        maximum=_cell(column["max"]),
        mean=_cell(column["mean"]),
        distinct=column["distinct"],
        is_distinct_exact=column["is_distinct_exact"],
        top=tuple(Frequent(_cell(one["value"]), one["times"]) for one in column["top"]),
        is_top_exact=column["is_top_exact"],
    )


def _cell(value: object) -> Cell:
    match value:
        case {"blob": blob}:
            return bytes.fromhex(blob)
        case {"hex": data}:
            return bytes.fromhex(data).decode("utf-8", "surrogateescape")
        case {"integer": text}:
            return int(text)
        case {"real": text}:
            return float(text)
        case {"value": text}:
            return text
        case _:
            return value
