"""Writing merged rows as JSON lines: lines and values that did not change stay as they stand in ours."""

import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

from git_datamanager.errors import Corrupt, DataError
from git_datamanager.tables.merging.recipe import BASE, OURS, THEIRS, Mixed, Recipe

_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)  # only where a value ends is asked


def write(recipe: Recipe, files: Mapping[str, Path], name: str, out: Path) -> None:  # noqa: ARG001 -- as others
    """Raises Corrupt where a file cannot be read twice in the same way, DataError for keys that only the case
    of their letters tells apart."""
    try:
        sides = {
            letter: _picked(files[side], recipe.wanted(letter))
            for letter, side in ((THEIRS, "theirs"), (BASE, "base"))
            if side in files
        }
        with ExitStack() as stack:
            target = stack.enter_context(out.open("xb"))
            if _is_packed(files["ours"]):
                packed = gzip.GzipFile("", "wb", fileobj=target, mtime=0)
                target = cast("IO[bytes]", stack.enter_context(packed))  # type: ignore[assignment]
            for text in _lines(recipe, files["ours"], sides):
                target.write(text)
    except (ValueError, EOFError, RecursionError) as error:
        raise Corrupt(f"the file cannot be read as JSON lines ({error})") from error


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        if not _is_packed(path):
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast("IO[bytes]", unpacked)


def _picked(path: Path, wanted: set[int]) -> dict[int, bytes]:
    """Some lines of another side, without their ends; blank ones are none."""
    with _opened(path) as file:
        return {n: line.strip() for n, line in enumerate(filter(bytes.strip, file)) if n in wanted}


def _lines(recipe: Recipe, ours: Path, sides: Mapping[str, Mapping[int, bytes]]) -> Iterator[bytes]:
    number, end, is_open = -1, b"\n", False
    with _opened(ours) as file:
        for line in file:
            if not line.strip():
                yield line
                continue
            number += 1
            if number == 0:
                end = b"\r\n" if line.endswith(b"\r\n") else b"\n"
            if number in recipe.gone:
                continue
            is_open = not line.endswith(b"\n")
            mixed = recipe.mixed.get(number)
            if mixed is None:
                yield line
            else:
                text = line.rstrip(b"\r\n")
                yield _mixed(recipe, mixed, text.decode(), sides).encode() + line[len(text) :]
    if number + 1 != recipe.count:
        raise ValueError(f"{number + 1} lines, and {recipe.count} at the first reading")
    for side, place in recipe.new:
        yield (end if is_open else b"") + sides[side][place] + end
        is_open = False


def _mixed(recipe: Recipe, mixed: Mixed, own: str, sides: Mapping[str, Mapping[int, bytes]]) -> str:
    """Keys in the order of ours, then of the sides that bring more."""
    places = {THEIRS: mixed.theirs, BASE: mixed.base}
    texts = {side: sides[side][n] for side, n in places.items() if side in mixed.sources and n is not None}
    values = {side: dict(_values(text.decode())) for side, text in texts.items()} | {OURS: dict(_values(own))}
    sources = dict(zip(recipe.columns, mixed.sources, strict=True))
    keys = dict.fromkeys(key for side in (OURS, THEIRS, BASE) for key in values.get(side, ()))
    if unknown := [key for key in keys if key not in sources]:
        raise DataError(
            f"keys that differ only in the case of their letters cannot be merged ({unknown[0]}):"
            " nothing was merged"
        )
    found = ((key, values.get(sources[key], {}).get(key)) for key in keys)
    colon, comma = (":", ",") if _is_dense(own) else (": ", ", ")
    pairs = (f"{json.dumps(key, ensure_ascii=False)}{colon}{text}" for key, text in found if text is not None)
    return "{" + comma.join(pairs) + "}"


def _is_dense(line: str) -> bool:
    """Written without spaces after the first key."""
    _, at = _DECODER.raw_decode(line, _after(line, 0, "{"))
    return not line[_after(line, at, ":") - 1 : _after(line, at, ":")].isspace()


def _values(line: str) -> Iterator[tuple[str, str]]:
    """The keys of an object, and the text of their values."""
    at = _after(line, 0, "{")
    while line[at] != "}":
        key, at = _DECODER.raw_decode(line, at)
        begin = _after(line, at, ":")
        _, end = _DECODER.raw_decode(line, begin)
        yield key, line[begin:end]
        at = _skip(line, end)
        if line[at] == ",":
            at = _skip(line, at + 1)


def _after(line: str, at: int, mark: str) -> int:
    """Where the next thing begins after a mark that must come now."""
    at = _skip(line, at)
    if line[at] != mark:
        raise ValueError(f"{mark} was expected")
    return _skip(line, at + 1)


def _skip(line: str, at: int) -> int:
    while at < len(line) and line[at] in _SPACE:
        at += 1
    return at
