"""Which kind of source a file is: by its first bytes, then by its name. docs/design/tables.md, "Sources"."""

from pathlib import Path, PurePosixPath

from git_datamanager.content.snapshot import MAGIC

SQLITE, PARQUET, CSV, JSONL, OTHER = "sqlite", "parquet", "csv", "jsonl", "other"
_ENDS = 4
_PARQUET = b"PAR1"
_BY_NAME = {".csv": CSV, ".tsv": CSV, ".jsonl": JSONL, ".ndjson": JSONL}


def kind_of(path: Path, name: str) -> str:
    """`name`: what the dataset, or the member of a folder, is called; the file may lie under its digest."""
    with path.open("rb") as file:
        head = file.read(len(MAGIC))
        if head == MAGIC:
            return SQLITE
        if head.startswith(_PARQUET) and file.seek(0, 2) > 2 * _ENDS:
            file.seek(-_ENDS, 2)
            if file.read() == _PARQUET:
                return PARQUET
    pure = PurePosixPath(name.lower())
    if pure.suffix == ".gz":
        pure = pure.with_suffix("")
    return _BY_NAME.get(pure.suffix, OTHER)


def could_be(name: str) -> bool:
    """Whether a file of this name is worth opening, to see if it is a table."""
    suffixes = PurePosixPath(name.lower()).suffixes[-2:]
    known = {*_BY_NAME, ".parquet", ".pq", ".sqlite", ".sqlite3", ".db", ".db3", ".gpkg", ".s3db"}
    return bool(suffixes) and (suffixes[-1] in known or (suffixes[-1] == ".gz" and suffixes[0] in _BY_NAME))
