"""Writing merged rows as Parquet: with ours' types, metadata, compression and row groups.

Cells are taken over by Arrow, never by way of an engine's types; content-defined chunks make the next version
a small delta.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from git_datamanager.errors import Corrupt, DataError
from git_datamanager.tables.merging.recipe import BASE, THEIRS, Recipe
from git_datamanager.tables.schema import folded

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import FileMetaData, ParquetFile

_CODECS = {"UNCOMPRESSED": "NONE", "LZ4_RAW": "LZ4"}


def write(recipe: Recipe, files: Mapping[str, Path], name: str, out: Path) -> None:  # noqa: ARG001 -- as others
    """Raises Corrupt, DataError where theirs' values do not go into ours' types."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(files["ours"]) as ours:
            schema = ours.schema_arrow
            if len(set(schema.names)) != len(schema.names):
                raise DataError("several columns have one name: the rows cannot be merged")
            others = {
                letter: files[side]
                for letter, side in ((THEIRS, "theirs"), (BASE, "base"))
                if side in files and recipe.wanted(letter)
            }
            schema = _widened(schema, recipe, files["theirs"])
            picked = _Picked(recipe, others, schema)
            _write(_groups(recipe, ours, picked, schema), ours.metadata, schema, out)
    except pa.ArrowException as error:
        raise Corrupt(f"the Parquet files cannot be merged ({error})") from error


def _widened(schema: "pa.Schema", recipe: Recipe, theirs: Path) -> "pa.Schema":
    """With the columns that theirs has made, which may be NULL now."""
    from pyarrow.parquet import read_schema

    more = recipe.columns[len(schema.names) :]
    if not more:
        return schema
    fields = {folded(field.name): field for field in read_schema(theirs)}
    for name in more:
        schema = schema.append(fields[folded(name)].with_nullable(nullable=True))
    return schema


class _Picked:
    """The rows that are taken from other sides, in one table, and where each is."""

    def __init__(self, recipe: Recipe, files: Mapping[str, Path], schema: "pa.Schema") -> None:
        import pyarrow as pa

        tables, self.places = [schema.empty_table()], dict[tuple[str, int], int]()
        for side, path in files.items():
            wanted = sorted(recipe.wanted(side))
            self.places |= {(side, number): len(self.places) + n for n, number in enumerate(wanted)}
            tables += _taken(path, wanted, schema)
        self._mixed = sorted(recipe.mixed)
        self.table = pa.concat_tables(tables).unify_dictionaries()

    def between(self, first: int, end: int) -> list[int]:
        """The rows of ours that change, of those numbers."""
        return self._mixed[bisect_left(self._mixed, first) : bisect_left(self._mixed, end)]


def _taken(path: Path, wanted: Sequence[int], schema: "pa.Schema") -> Iterator["pa.Table"]:
    from pyarrow.parquet import ParquetFile

    first = at = 0
    with ParquetFile(path) as file:
        for n in range(file.num_row_groups):
            size, begin = file.metadata.row_group(n).num_rows, at
            while at < len(wanted) and wanted[at] < first + size:
                at += 1
            if at > begin:
                yield _fitted(
                    file.read_row_group(n).take(_numbers(i - first for i in wanted[begin:at])), schema
                )
            first += size


def _numbers(rows: Iterable[int]) -> "pa.Array":
    """Of their own type, also where there are none."""
    import pyarrow as pa

    return pa.array(list(rows), pa.int64())


def _fitted(table: "pa.Table", schema: "pa.Schema") -> "pa.Table":
    """With these columns, in their order; what a file lacks is NULL."""
    import pyarrow as pa

    places = {folded(name): n for n, name in enumerate(table.column_names)}
    columns = [
        table.column(places[folded(field.name)]).cast(field.type)
        if folded(field.name) in places
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _groups(
    recipe: Recipe, ours: "ParquetFile", picked: _Picked, schema: "pa.Schema"
) -> Iterator["pa.Table"]:
    import pyarrow as pa

    new = picked.table.take(_numbers(picked.places[one] for one in recipe.new))
    first = 0
    for n in range(ours.num_row_groups):
        group = _fitted(ours.read_row_group(n), schema)
        kept = _merged(recipe, group, first, picked)
        first += group.num_rows
        if n == ours.num_row_groups - 1:
            kept, new = pa.concat_tables([kept, new]).unify_dictionaries(), new.slice(0, 0)
        yield kept
    if first != recipe.count:
        raise pa.ArrowInvalid(f"{first} rows, and {recipe.count} at the first reading")
    if new.num_rows:
        yield new


def _merged(recipe: Recipe, group: "pa.Table", first: int, picked: _Picked) -> "pa.Table":
    """The rows of one row group, with cells of the others and without what goes."""
    import pyarrow as pa

    size = group.num_rows
    here = picked.between(first, first + size)
    for n, column in enumerate(group.schema):
        places = {
            number - first: size + picked.places[source, place]
            for number in here
            if (source := recipe.mixed[number].sources[n]) in (THEIRS, BASE)
            if (place := getattr(recipe.mixed[number], "theirs" if source == THEIRS else "base")) is not None
        }
        if places:
            both = pa.chunked_array([*group.column(n).chunks, *picked.table.column(n).chunks], column.type)
            chosen = [places.get(row, row) for row in range(size)]
            taken = pa.table([both], names=["x"]).unify_dictionaries().column(0).take(_numbers(chosen))
            group = group.set_column(n, column, taken)
    gone = [number - first for number in recipe.gone if first <= number < first + size]
    if gone:
        dropped = set(gone)
        group = group.take(_numbers(row for row in range(size) if row not in dropped))
    return group


def _write(groups: Iterator["pa.Table"], found: "FileMetaData", schema: "pa.Schema", out: Path) -> None:
    from pyarrow.parquet import ParquetWriter

    with ParquetWriter(out, schema, use_content_defined_chunking=True, **_settings(found)) as writer:
        for group in groups:
            writer.write_table(group, row_group_size=max(1 << 17, group.num_rows))


def _settings(found: "FileMetaData") -> dict[str, Any]:
    if not found.num_row_groups:
        return {}
    group = found.row_group(0)
    columns = [group.column(n) for n in range(found.num_columns)]
    return {
        "compression": {c.path_in_schema: _CODECS.get(c.compression, c.compression) for c in columns},
        "use_deprecated_int96_timestamps": any(c.physical_type == "INT96" for c in columns),
    }
