"""Decimals of Parquet that DuckDB has no type for: of more than 38 digits it makes a double, and loses some.

Their columns are read by pyarrow instead, as texts, into a file beside the link that DuckDB sees.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from git_datamanager.errors import Corrupt
from git_datamanager.tables.engine import NotInstalled
from git_datamanager.tables.rowdiff import literal, quoted
from git_datamanager.tables.schema import Column
from git_datamanager.tables.separated import plain_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DIGITS = 38
"""Of a decimal that DuckDB has."""
_BATCH = 1 << 14


class Rows(NamedTuple):
    """A Parquet file as DuckDB sees it."""

    relation: str
    """Its rows as they stand in FROM."""
    columns: tuple[Column, ...]
    texts: tuple[str, ...]
    """The columns whose numbers are texts there."""


def rows_of(database: "DuckDBPyConnection", path: Path) -> Rows:
    """The rows of a Parquet file: no part of its path is a column. `path` lies in a private folder, which may
    get another file for as long as the rows are read.

    Raises Corrupt, NotInstalled, and what DuckDB says of a file that it cannot read."""
    source = f"read_parquet({literal(str(path))}, hive_partitioning = false)"
    described = database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    columns = [Column(row[0], row[1]) for row in described]
    if not are_wide(database, path):
        return Rows(source, tuple(columns), ())
    types = _written(path, plain_of(path))
    for place, type_ in types.items():
        columns[place] = Column(columns[place].name, type_ or columns[place].type)
    cells = ", ".join(
        f"p.c{n} AS {quoted(column.name)}" if n in types else f"a.{quoted(column.name)}"
        for n, column in enumerate(columns)
    )
    texts = f"read_parquet({literal(str(plain_of(path)))}, hive_partitioning = false)"
    return Rows(
        f"(SELECT {cells} FROM {source} a POSITIONAL JOIN {texts} p)",
        tuple(columns),
        tuple(columns[place].name for place in types),
    )


def are_wide(database: "DuckDBPyConnection", path: Path) -> bool:
    """Whether a Parquet file has decimals that DuckDB has no type for."""
    asked = f"SELECT count(*) FROM parquet_schema({literal(str(path))}) WHERE precision > {_DIGITS}"
    (count,) = database.execute(asked).fetchone() or (0,)
    return bool(count)


def _written(path: Path, plain: Path) -> dict[int, str]:
    """Write the columns with such decimals as texts, named `c` and their place. Returns places and types; a
    type is empty where decimals stand inside of other values."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise NotInstalled(
            f"pyarrow is not installed: it reads decimals of more than {_DIGITS} digits",
            hints=["pip install 'git-datamanager[tabular]'"],
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            places = {n: field for n, field in enumerate(file.schema_arrow) if _is_wide(field.type)}
            schema = pa.schema([(f"c{n}", _as_text(field.type)) for n, field in places.items()])
            names = list(dict.fromkeys(field.name for field in places.values()))
            with parquet.ParquetWriter(plain, schema) as writer:
                for batch in file.iter_batches(_BATCH, columns=names):
                    wide = [column for column in batch.columns if _is_wide(column.type)]
                    pairs = zip(wide, schema, strict=True)
                    cells = [column.cast(field.type) for column, field in pairs]
                    writer.write_batch(pa.record_batch(cells, schema=schema))
    except pa.ArrowException as error:
        raise Corrupt(f"its decimals of more than {_DIGITS} digits cannot be read") from error
    return {
        n: f"DECIMAL({f.type.precision},{f.type.scale})" if pa.types.is_decimal(f.type) else ""
        for n, f in places.items()
    }


def _is_wide(type_: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_decimal(type_):
        return bool(type_.precision > _DIGITS)
    return any(_is_wide(type_.field(n).type) for n in range(type_.num_fields))


def _as_text(type_: Any) -> Any:
    """The same type with texts in place of such decimals."""
    import pyarrow as pa

    if not _is_wide(type_):
        return type_
    if pa.types.is_decimal(type_):
        return pa.string()
    fields = [type_.field(n).with_type(_as_text(type_.field(n).type)) for n in range(type_.num_fields)]
    if pa.types.is_struct(type_):
        return pa.struct(fields)
    if pa.types.is_map(type_):
        return pa.map_(type_.key_field.with_type(_as_text(type_.key_type)), _as_text(type_.item_type))
    return pa.large_list(fields[0]) if pa.types.is_large_list(type_) else pa.list_(fields[0])
