"""`git data add --explain`: how well a file travels, measured where a version is at hand."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import BinaryIO, NamedTuple

from git_datamanager.content import compress
from git_datamanager.content.snapshot import MAGIC, live_logs, reading
from git_datamanager.errors import DataError, NotFound
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, State, Version
from git_datamanager.model.oid import Oid
from git_datamanager.ops import select
from git_datamanager.ops.encode import SAVING, Encoder

_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
_PAGE_SIZE, _AUTO_VACUUM = slice(16, 18), slice(52, 56)  # sqlite.org/fileformat2.html, the database header


class Forecast(NamedTuple):
    """What sending this file would take."""

    name: str
    size: int
    what: str
    """The kind of file, as far as its first bytes tell."""
    share: float
    """Compressed size / size, by sampling."""
    encoding: str
    """The form it would be sent in now."""
    sent: int
    """Bytes of that form, made for this answer."""
    base: str | None
    """The version a delta was made from."""
    advice: tuple[str, ...]


def forecast(manager: DataManager, paths: Sequence[str | PathLike[str]]) -> list[Forecast]:
    """Look at files and make the form that would be sent; nothing is added or sent.

    Raises NotFound, and DataError for what is no file or has a log beside it.
    """
    manifest = manager.manifests.current()
    found = []
    for text in paths:
        path = Path(text)
        if not path.is_file():
            raise NotFound(f"there is no file {path}: nothing was looked at")
        if live_logs(path):
            raise DataError(f"{path} has a SQLite log beside it: close the program that writes to it first")
        name = select.name_of(manager, str(text))
        known = manifest.datasets.get(name) or Dataset(name=name, kind=Kind.FILE)
        found.append(_forecast(manager, known, path))
    return found


def _forecast(manager: DataManager, dataset: Dataset, path: Path) -> Forecast:
    from git_datamanager.content.snapshot import hash_file

    with reading(path) as file:
        oid, size = hash_file(file)
        share = compress.estimate(file, size)
        what, advice = _kind(file, share)
    draft = Version(number=1, id="", state=State.PENDING, oid=Oid(oid), size=size, created="", author="")
    onto = Dataset(name=dataset.name, kind=dataset.kind, options=dataset.options,
                   versions=(draft, *(v for v in dataset.versions if v.oid.hex != oid)))  # fmt: skip
    with Encoder(manager, onto, draft, lambda: reading(path)).smallest(lambda _: None) as made:
        sent = made.size if made else size
        encoding = made.encoding.kind if made else "identity"
        base = made.encoding.base if made else None
    version = next((v.name for v in dataset.versions if v.oid == base), None)
    return Forecast(dataset.name, size, what, share, encoding, sent, version, advice)


def _kind(file: BinaryIO, share: float) -> tuple[str, tuple[str, ...]]:
    file.seek(0)
    start = file.read(100)
    packed = next((name for magic, name in _PACKED.items() if start.startswith(magic)), None)
    if start.startswith(MAGIC):
        return _sqlite(start)
    if start.startswith(b"PAR1"):
        return "Parquet", (
            "written with content-defined chunks (pyarrow ≥ 21: use_content_defined_chunking=True) "
            "its later versions are small deltas",
        )
    if packed:
        return f"{packed} archive", (
            "one changed byte changes nearly all that follows: add what is inside it, uncompressed; "
            "git data compresses on the way",
        )
    if share > SAVING:
        return "binary", ("it does not compress; a delta finds what stayed the same",)
    return "text or tables", ("sorted the same way every time, its versions are small deltas",)


def _sqlite(start: bytes) -> tuple[str, tuple[str, ...]]:
    stored = int.from_bytes(start[_PAGE_SIZE], "big")
    page = 65536 if stored == 1 else stored
    advice = ["a delta carries the pages that changed: edit it in place, VACUUM moves them all"]
    if any(start[_AUTO_VACUUM]):
        advice.append("auto_vacuum moves pages at deletions: PRAGMA auto_vacuum = NONE keeps deltas small")
    return f"SQLite, pages of {page} bytes", tuple(advice)
