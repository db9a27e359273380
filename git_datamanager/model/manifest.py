"""manifest.json as values: docs/spec/manifest-v1.md.

Frozen dataclasses and one reader for everything, hooks and `status` included, so that no two readers
can disagree (docs/adr/0002-one-manifest-reader.md). Keys the reader does not know survive.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from git_datamanager.errors import ManifestError, UnknownDataset, UnknownVersion
from git_datamanager.model import strictjson
from git_datamanager.model.names import check_name, check_together
from git_datamanager.model.oid import EMPTY, Oid
from git_datamanager.model.ulid import is_ulid

FORMAT = "git-data/manifest/1"
FILE_NAME = "manifest.json"
E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")
_TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", re.ASCII)
_NUMBER = re.compile(r"v([1-9][0-9]{0,8})", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?", re.ASCII)
_CONFLICT = re.compile(rb"^(<{7} |={7}$|>{7} |\|{7} )", re.MULTILINE)


class State(StrEnum):
    """Of a version; states only go forward, in this order."""

    PENDING = "pending"
    PUBLISHED = "published"
    DELETING = "deleting"
    DELETED = "deleted"

    @property
    def is_live(self) -> bool:
        """It has bytes that somebody may ask for."""
        return self in (State.PENDING, State.PUBLISHED)


class DatasetState(StrEnum):
    """Of a whole dataset that listings hide."""

    REMOVED = "removed"
    DELETING = "deleting"
    DELETED = "deleted"


class Kind(StrEnum):
    FILE = "file"
    TREE = "tree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One content of a dataset, under a number that may change and an `id` that never does."""

    number: int
    id: str
    state: State
    oid: Oid
    size: int
    created: str
    author: str
    message: str = ""
    parent: str | None = None
    rollback_of: str | None = None
    encodings: Mapping[str, int] = field(default_factory=dict)
    published: str | None = None
    commit: str | None = None
    deleting: str | None = None
    reason: str | None = None
    deleted: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"v{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A tracked file or folder; versions newest first."""

    name: str
    kind: Kind
    state: DatasetState | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: tuple[Version, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def latest(self) -> Version | None:
        """The version that a working file should have; None where nothing is left."""
        return next((v for v in self.versions if v.state.is_live), None)

    @property
    def is_listed(self) -> bool:
        return self.state is None and self.latest is not None

    def by_id(self, entry: str) -> Version | None:
        return next((v for v in self.versions if v.id == entry), None)

    def version(self, text: str | None) -> Version:
        """`v3`, `3`, an entry id, or None for the latest. Raises UnknownVersion."""
        if text is None:
            if self.latest is None:
                raise UnknownVersion(f"{self.name} has no version left", hints=[f"git data log {self.name}"])
            return self.latest
        found = [v for v in self.versions if text in (v.name, v.name[1:], v.id)]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(v.id for v in found)
            raise UnknownVersion(
                f"{self.name} has {len(found)} versions {text}, from merged branches: {ids}",
                hints=[f"git data pull {self.name}@{found[0].id}", "git data resolve"],
            )
        known = ", ".join(v.name for v in self.versions[:8]) or "none"
        raise UnknownVersion(f"{self.name} has no version {text}; it has {known}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """All datasets of one commit. `datasets` is sorted by the names' UTF-8 bytes."""

    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Dataset]:
        return iter(self.datasets.values())

    def dataset(self, name: str) -> Dataset:
        """Raises UnknownDataset, naming what comes close."""
        if name in self.datasets:
            return self.datasets[name]
        import difflib

        close = difflib.get_close_matches(name, self.datasets, 1)
        hints = [f"git data ls            # did you mean {close[0]}?"] if close else ["git data ls"]
        raise UnknownDataset(f"there is no dataset {name!r} in {FILE_NAME}", hints=hints)

    def listed(self) -> list[Dataset]:
        return [d for d in self if d.is_listed]

    def entries(self) -> Iterator[tuple[Dataset, Version]]:
        for dataset in self:
            for version in dataset.versions:
                yield dataset, version

    def with_datasets(self, datasets: Iterable[Dataset]) -> "Manifest":
        """The same manifest with these datasets, sorted and checked against each other."""
        ordered = {d.name: d for d in sorted(datasets, key=lambda d: d.name.encode())}
        check_together(ordered)
        return Manifest(ordered, self.extra)

    def put(self, dataset: Dataset) -> "Manifest":
        """With this dataset in place of the one of its name."""
        return self.with_datasets((dict(self.datasets) | {dataset.name: dataset}).values())

    def drop(self, name: str) -> "Manifest":
        return self.with_datasets(d for d in self if d.name != name)


def loads(data: bytes, *, what: str = FILE_NAME) -> Manifest:
    """Read a manifest, canonical or not. Raises ManifestError (NameRefused for names)."""
    if _CONFLICT.search(data):
        raise ManifestError(f"{what} holds conflict markers of a merge", hints=["git data resolve"])
    value = _mapping(strictjson.loads(data, what=what), what)
    form = value.get("format")
    if form != FORMAT:
        raise _other_format(form, what)
    raw = _mapping(value.get("datasets"), f"{what}: datasets")
    datasets = [_dataset(name, item, what) for name, item in raw.items()]
    extra = {k: v for k, v in value.items() if k not in ("format", "datasets")}
    manifest = Manifest({}, extra).with_datasets(datasets)
    _check_ids(manifest, what)
    return manifest


def dumps(manifest: Manifest) -> bytes:
    """The one canonical encoding."""
    body: dict[str, Any] = {
        "format": FORMAT,
        "datasets": {d.name: _plain_dataset(d) for d in manifest},
    }
    return strictjson.dumps(body | _sorted(manifest.extra))


def parse_number(text: str) -> int:
    """`v12` → 12; ValueError for anything else."""
    match = _NUMBER.fullmatch(text)
    if not match:
        raise ValueError(f"not a version number: {text[:40]!r}")
    return int(match[1])


def version_order(version: Version) -> tuple[int, str]:
    """Newest first is the reverse of this."""
    return version.number, version.id


def _other_format(form: object, what: str) -> ManifestError:
    if isinstance(form, str) and form.startswith("git-data/manifest/"):
        return ManifestError(
            f"{what} has the format {form[:60]}, written by a newer git-datamanager than this one",
            hints=["pip install --upgrade git-datamanager"],
        )
    return ManifestError(f"{what} is not a manifest of git data (format {str(form)[:60]!r})")


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ManifestError(f"{where} is not an object")
    return value


def _check_ids(manifest: Manifest, what: str) -> None:
    seen: dict[str, str] = {}
    for dataset, version in manifest.entries():
        if version.id in seen:
            raise ManifestError(f"{what}: {dataset.name} and {seen[version.id]} share the id {version.id}")
        seen[version.id] = dataset.name


_DATASET_FIELDS = ("kind", "state", "options", "versions")


def _dataset(name: str, value: object, what: str) -> Dataset:
    where = f"{what}: {name[:120]}"
    raw = _mapping(value, where)
    check_name(name)
    versions = raw.get("versions")
    if not isinstance(versions, list):
        raise ManifestError(f"{where}: versions is not a list")
    read = [_version(item, where) for item in versions]
    return Dataset(
        name=name,
        kind=_choice(Kind, raw.get("kind"), f"{where}: kind"),
        state=_choice(DatasetState, raw["state"], f"{where}: state") if "state" in raw else None,
        options=_options(raw.get("options", {}), where),
        versions=tuple(sorted(read, key=version_order, reverse=True)),
        extra={k: v for k, v in raw.items() if k not in _DATASET_FIELDS},
    )


def _choice(kind: type[E], value: Any, where: str) -> E:
    try:
        return kind(value)
    except ValueError as error:
        known = ", ".join(kind)
        raise ManifestError(f"{where} is {str(value)[:40]!r}, not one of {known}") from error


_OPTION_FIELDS = ("key", "encoding", "storage_class", "tags", "title", "description", "max_diff_rows")
_OPTION_TYPES: dict[str, type] = {
    "key": list, "encoding": str, "storage_class": str, "tags": list,
    "title": str, "description": str, "max_diff_rows": int,
}  # fmt: skip


def _options(value: object, where: str) -> dict[str, Any]:
    options = _mapping(value, f"{where}: options")
    for key, wanted in _OPTION_TYPES.items():
        if key in options and not _is(options[key], wanted):
            raise ManifestError(f"{where}: option {key} is not {_ARTICLES[wanted]}")
    if options.get("encoding", "auto") not in ("auto", "identity", "zstd"):
        raise ManifestError(f"{where}: option encoding is not one of auto, identity, zstd")
    return options


_ARTICLES = {list: "a list of strings", str: "a string", int: "an integer"}


def _is(value: object, wanted: type) -> bool:
    if isinstance(value, list):
        return wanted is list and all(isinstance(item, str) for item in value)
    return isinstance(value, wanted) and not isinstance(value, bool)


_VERSION_FIELDS = (
    "version", "id", "state", "oid", "size", "created", "author", "message", "parent", "rollback_of",
    "encodings", "published", "commit", "deleting", "reason", "deleted",
)  # fmt: skip


def _version(value: object, where: str) -> Version:
    raw = _mapping(value, f"{where}: a version")
    where = f"{where} {str(raw.get('version', '?'))[:40]}"
    size = raw.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ManifestError(f"{where}: size is not a number of bytes")
    version = Version(
        number=_checked(raw, "version", parse_number, where),
        id=_checked(raw, "id", _ulid, where),
        state=_choice(State, raw.get("state"), f"{where}: state"),
        oid=_checked(raw, "oid", Oid.parse, where),
        size=size,
        created=_checked(raw, "created", _time, where),
        author=_checked(raw, "author", str, where),
        message=_checked(raw, "message", str, where, default=""),
        parent=_optional(raw, "parent", _ulid, where),
        rollback_of=_optional(raw, "rollback_of", _ulid, where),
        encodings=_encodings(raw.get("encodings", {}), where),
        published=_optional(raw, "published", _time, where),
        commit=_optional(raw, "commit", _commit, where),
        deleting=_optional(raw, "deleting", _time, where),
        reason=_optional(raw, "reason", str, where),
        deleted=_optional(raw, "deleted", _time, where),
        extra={k: v for k, v in raw.items() if k not in _VERSION_FIELDS},
    )
    if (version.size == 0) != (version.oid == EMPTY):
        raise ManifestError(f"{where}: size {version.size} and {version.oid} contradict each other")
    return version


def _checked(
    raw: Mapping[str, Any], key: str, read: Callable[[str], T], where: str, *, default: str | None = None
) -> T:
    value = raw.get(key, default)
    if not isinstance(value, str):
        raise ManifestError(f"{where}: {key} is missing or not a string")
    try:
        return read(value)
    except ValueError as error:
        raise ManifestError(f"{where}: {key}: {error}") from error


def _optional(raw: Mapping[str, Any], key: str, read: Callable[[str], T], where: str) -> T | None:
    return _checked(raw, key, read, where) if key in raw else None


def _ulid(text: str) -> str:
    if not is_ulid(text):
        raise ValueError(f"not a ULID: {text[:40]!r}")
    return text


def _time(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError(f"not a UTC time to the second: {text[:40]!r}")
    return text


def _commit(text: str) -> str:
    if not _COMMIT.fullmatch(text):
        raise ValueError(f"not a full commit id: {text[:80]!r}")
    return text


def _encodings(value: object, where: str) -> dict[str, int]:
    """`zstd`, or `delta:<oid of the base>`, each with its size in bytes."""
    encodings = _mapping(value, f"{where}: encodings")
    for name, size in encodings.items():
        kind, _, base = name.partition(":")
        try:
            if kind == "delta":
                Oid.parse(base)
            elif name != "zstd":
                raise ValueError("not an encoding this version of the format has")
        except ValueError as error:
            raise ManifestError(f"{where}: encoding {name[:90]!r}: {error}") from error
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ManifestError(f"{where}: encoding {name[:90]!r} has no size")
    return encodings


def _sorted(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: values[key] for key in sorted(values, key=str.encode)}


def _plain_dataset(dataset: Dataset) -> dict[str, Any]:
    known = {key: dataset.options[key] for key in _OPTION_FIELDS if key in dataset.options}
    rest = {key: value for key, value in dataset.options.items() if key not in known}
    body: dict[str, Any] = {"kind": str(dataset.kind)}
    if dataset.state:
        body["state"] = str(dataset.state)
    if dataset.options:
        body["options"] = known | _sorted(rest)
    ordered = sorted(dataset.versions, key=version_order, reverse=True)
    body["versions"] = [plain_version(v) for v in ordered]
    return body | _sorted(dataset.extra)


def plain_version(version: Version) -> dict[str, Any]:
    """The version as JSON, its fields in their fixed order."""
    values: dict[str, Any] = {
        "version": version.name,
        "id": version.id,
        "state": str(version.state),
        "oid": str(version.oid),
        "size": version.size,
        "created": version.created,
        "author": version.author,
        "message": version.message,
        "parent": version.parent,
        "rollback_of": version.rollback_of,
        "encodings": _sorted(version.encodings) or None,
        "published": version.published,
        "commit": version.commit,
        "deleting": version.deleting,
        "reason": version.reason,
        "deleted": version.deleted,
    }
    return {key: value for key, value in values.items() if value is not None} | _sorted(version.extra)
