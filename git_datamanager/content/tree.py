"""The listing of a folder: docs/spec/tree-v1.md. One canonical encoding, read strictly.

A folder may have a million members, so a listing is columns, not a million objects, and both ways
work in blocks: time is linear, and the encoded listing never needs to be in memory as a whole.
"""

import io
import operator
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import BinaryIO, NamedTuple, overload

from git_datamanager.errors import Corrupt

MAX_MEMBERS = 2_000_000
MAX_BYTES = 1 << 30
MAX_SIZE = 2**63 - 1
MAX_DEPTH = 128
"""Parts of a path: whoever walks a folder holds as many handles."""
DIGEST = 32
"""Bytes of a SHA-256."""
EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
"""The digest of no bytes at all."""

_BLOCK = 4 << 20
_ROWS = 1 << 14
_LINE = re.compile(
    rb'^\{"path": "([^"\\\x00-\x1f\x7f]*+(?:\\"[^"\\\x00-\x1f\x7f]*+)*+)",'
    rb' "size": (0|[1-9][0-9]{0,18}+), "oid": "sha256:([0-9a-f]{64}+)"(, "mode": "x")?+\}\n',
    re.MULTILINE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\]")

Check = Callable[[Sequence[str], Sequence[str]], None]
"""Raises Corrupt for paths that must not meet a file system; given the members' paths and those of the
folders they lie in, each sorted."""


class Member(NamedTuple):
    """One file of a folder."""

    path: str
    size: int
    digest: bytes
    """The SHA-256 of its bytes, 32 bytes."""
    is_executable: bool = False


class Listing(Sequence[Member]):
    """The members of a folder, sorted by the bytes of their paths. Columns of equal length; made by
    `listing` and `load`, which check them."""

    __slots__ = ("digests", "executable", "paths", "sizes")

    def __init__(self, paths: list[str], sizes: "array[int]", digests: bytes, executable: bytes) -> None:
        self.paths = paths
        self.sizes = sizes
        self.digests = digests
        """32 bytes each, back to back."""
        self.executable = executable
        """One byte each, 0 or 1."""

    @property
    def size(self) -> int:
        """Bytes of all members together, as the manifest has it."""
        return sum(self.sizes)

    def digest(self, position: int) -> bytes:
        return self.digests[position * DIGEST : position * DIGEST + DIGEST]

    def position(self, path: str) -> int | None:
        """Where a path stands; None where it is no member."""
        found = bisect_left(self.paths, path)
        return found if found < len(self.paths) and self.paths[found] == path else None

    def picked(self, positions: Sequence[int]) -> "Listing":
        """Only these members (positions in rising order)."""
        return Listing(
            [self.paths[n] for n in positions],
            array("q", [self.sizes[n] for n in positions]),
            b"".join([self.digest(n) for n in positions]),
            bytes([self.executable[n] for n in positions]),
        )

    @overload
    def __getitem__(self, index: int) -> Member: ...
    @overload
    def __getitem__(self, index: slice) -> list[Member]: ...
    def __getitem__(self, index: int | slice) -> Member | list[Member]:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        n = range(len(self.paths))[index]
        return Member(self.paths[n], self.sizes[n], self.digest(n), bool(self.executable[n]))

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Member]:
        return map(self.__getitem__, range(len(self.paths)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Listing):
            return NotImplemented
        mine = (self.digests, self.executable, self.sizes, self.paths)
        return mine == (other.digests, other.executable, other.sizes, other.paths)

    __hash__ = None  # type: ignore[assignment]  # a column may hold a million rows: nobody hashes that


def listing(members: Iterable[Member], *, check: Check) -> Listing:
    """The listing of these members, in whichever order they come. Raises Corrupt."""
    rows = sorted(members)
    wrong = next((m for m in rows if not 0 <= m.size <= MAX_SIZE or len(m.digest) != DIGEST), None)
    if wrong is not None:
        raise Corrupt(f"{shown(wrong.path)} has no valid size or digest")
    made = Listing(
        [m.path for m in rows],
        array("q", [m.size for m in rows]),
        b"".join([m.digest for m in rows]),
        bytes([m.is_executable for m in rows]),
    )
    return checked(made, check)


def checked(made: Listing, check: Check) -> Listing:
    """The same listing, if it obeys every rule of the format. Raises Corrupt naming the path."""
    check_paths(made.paths, check)
    _check_sizes(made)
    return made


def check_paths(paths: list[str], check: Check) -> None:
    """The rules of the format for paths alone. Raises Corrupt."""
    if len(paths) > MAX_MEMBERS:
        raise Corrupt(f"a folder of more than {MAX_MEMBERS} members")
    if _CONTROL.search("".join(paths)):
        wrong = next(p for p in paths if _CONTROL.search(p))
        raise Corrupt(f"{shown(wrong)} holds a control character or a backslash")
    if not all(map(operator.lt, paths, islice(paths, 1, None))):
        one, other = next((a, b) for a, b in pairwise(paths) if a >= b)
        what = "stands twice" if one == other else f"is not sorted: {shown(one)} stands before it"
        raise Corrupt(f"{shown(other)} {what}")
    check(paths, _folders(paths))


def _check_sizes(made: Listing) -> None:
    if made.size > MAX_SIZE:
        raise Corrupt("the sizes of the members add up to more than 2^63")
    if 0 not in made.sizes and EMPTY not in made.digests:
        return
    for member in made:
        if (member.size == 0) != (member.digest == EMPTY):
            raise Corrupt(f"{shown(member.path)} has size {member.size}, its oid says otherwise")


def _folders(paths: Sequence[str]) -> list[str]:
    """Every folder that members lie in, at any depth, sorted. Raises Corrupt where one is no path that
    stays inside, or is a member itself."""
    leaves = {path.rpartition("/")[0] for path in paths}
    folders = set(leaves)
    for folder in leaves:
        while folder := folder.rpartition("/")[0]:
            if folder in folders:
                break
            folders.add(folder)
    parts = {name for path in folders for name in path.split("/")} if folders - {""} else set()
    if parts & {".", ".."} or any(path.startswith("/") or "//" in path for path in folders):
        wrong = next(p for p in paths if {"", ".", ".."} & set(p.split("/")))
        raise Corrupt(f"{shown(wrong)} leads out of the folder or holds an empty name")
    for path in paths:
        if path in folders or path.endswith(("/", "/.", "/..")) or path in ("", ".", "..") or path[0] == "/":
            what = "is a file and a folder" if path in folders and path else "is no path in a folder"
            raise Corrupt(f"{shown(path)} {what}")
    deep = next((path for path in folders if path.count("/") + 2 > MAX_DEPTH), None)
    if deep is not None:
        raise Corrupt(f"{shown(deep)} is nested deeper than {MAX_DEPTH} folders")
    return sorted(folders - {""})


def blocks(made: Listing) -> Iterator[bytes]:
    """The canonical encoding, piece by piece."""
    for start in range(0, len(made), _ROWS):
        stop = min(start + _ROWS, len(made))
        digests = made.digests[start * DIGEST : stop * DIGEST].hex()
        ends = ('"}\n', '", "mode": "x"}\n')
        lines = [
            f'{{"path": "{path}", "size": {size}, "oid": "sha256:{digests[n : n + 64]}{ends[mode]}'
            for path, size, n, mode in zip(
                _escaped(made.paths[start:stop]),
                made.sizes[start:stop],
                range(0, len(digests), 64),
                made.executable[start:stop],
                strict=True,
            )
        ]
        yield "".join(lines).encode()


def _escaped(paths: list[str]) -> list[str]:
    return [path.replace('"', '\\"') for path in paths] if '"' in "".join(paths) else paths


def dumps(made: Listing) -> bytes:
    """The canonical encoding as a whole."""
    return b"".join(blocks(made))


def digest_of(made: Listing) -> bytes:
    """The SHA-256 of the canonical encoding: the oid of the folder."""
    import hashlib

    hashed = hashlib.sha256()
    for block in blocks(made):
        hashed.update(block)
    return hashed.digest()


def loads(data: bytes, *, check: Check) -> Listing:
    """Read the canonical encoding, or raise Corrupt. Its oid is the caller's question."""
    return load(io.BytesIO(data), check=check)


def load(source: BinaryIO, *, check: Check) -> Listing:
    """Read a listing from a stream, block by block; Corrupt for anything but the canonical encoding."""
    made = Listing([], array("q"), b"", b"")
    digests, executable = bytearray(), bytearray()
    rest, done = b"", 0
    while block := source.read(_BLOCK):
        done += len(block)
        if done > MAX_BYTES or len(made.paths) > MAX_MEMBERS:
            raise Corrupt(f"a listing of more than {MAX_MEMBERS} members or {MAX_BYTES} bytes")
        lines, newline, rest = (rest + block).rpartition(b"\n")
        _take(lines + newline, made, digests, executable)
        if len(rest) > _BLOCK:
            raise Corrupt("a line of the listing never ends")
    if rest:
        raise Corrupt("the listing does not end with a line feed: it is cut off")
    made.digests, made.executable = bytes(digests), bytes(executable)
    return checked(made, check)


def _take(lines: bytes, made: Listing, digests: bytearray, executable: bytearray) -> None:
    """Add the members of some whole lines."""
    rows = _LINE.findall(lines)
    if len(rows) != lines.count(b"\n"):
        raise _not_canonical(lines, len(made.paths))
    if not rows:
        return
    paths, sizes, hexes, modes = zip(*rows, strict=True)
    joined = b"\n".join(paths)
    try:
        made.paths += joined.decode().replace('\\"', '"').split("\n")
        made.sizes.extend(map(int, sizes))
    except UnicodeDecodeError as error:
        raise Corrupt(
            f"a path of the listing is no UTF-8: {joined[max(0, error.start - 20) :][:60]!r}"
        ) from error
    except OverflowError as error:
        raise Corrupt("a size in the listing is larger than 2^63") from error
    digests += bytes.fromhex(b"".join(hexes).decode())
    executable += bytes(map(bool, modes))


def _not_canonical(lines: bytes, before: int) -> Corrupt:
    number, line = next(
        (n, line)
        for n, line in enumerate(lines.splitlines(keepends=True), before + 1)
        if not _LINE.fullmatch(line)
    )
    return Corrupt(f"line {number} of the listing is not in its one encoding: {line[:120]!r}")


def shown(path: str) -> str:
    """A path that nobody has checked, as it may be shown."""
    return ascii(path[:120])
