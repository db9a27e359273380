"""manifest.json as values: docs/spec/manifest-v1.md.

Frozen dataclasses and one reader for everything, hooks and `status` included, so that no two readers
can disagree (docs/adr/0002-one-manifest-reader.md). Keys the reader does not know survive.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from git_datamanager.errors import ManifestError, UnknownDataset
from git_datamanager.model import fields, options, strictjson
from git_datamanager.model.entries import (
    DATASET_FIELDS,
    MANIFEST_FIELDS,
    MAX_NUMBER,
    VERSION_FIELDS,
    Dataset,
    DatasetState,
    Kind,
    State,
    Version,
    check_extra,
    version_order,
)
from git_datamanager.model.fields import parse_number
from git_datamanager.model.layout import Encoding
from git_datamanager.model.names import MAX_NAME, check_name, check_together
from git_datamanager.model.oid import EMPTY, Oid

__all__ = [
    "FILE_NAME",
    "FORMAT",
    "MAX_NUMBER",
    "Dataset",
    "DatasetState",
    "Kind",
    "Manifest",
    "State",
    "Version",
    "dumps",
    "loads",
    "parse_number",
    "plain_version",
    "version_order",
]

FORMAT = "git-data/manifest/1"
FILE_NAME = "manifest.json"
_CONFLICT = re.compile(rb"^(<{7} |={7}$|>{7} |\|{7} )", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All datasets of one commit. `datasets` is sorted by the names' UTF-8 bytes."""

    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_extra(self.extra, MANIFEST_FIELDS)

    def __iter__(self) -> Iterator[Dataset]:
        return iter(self.datasets.values())

    def dataset(self, name: str) -> Dataset:
        """Raises UnknownDataset, naming what comes close."""
        if name in self.datasets:
            return self.datasets[name]
        import difflib
        import shlex

        close = difflib.get_close_matches(name, self.datasets, 1) if len(name) <= MAX_NAME else []
        hints = [f"git data log {shlex.quote(close[0])}"] if close else ["git data ls"]
        meant = f"; did you mean {close[0]}?" if close else ""
        raise UnknownDataset(f"there is no dataset {name[:120]!r} in {FILE_NAME}{meant}", hints=hints)

    def listed(self) -> list[Dataset]:
        return [d for d in self if d.is_listed]

    def entries(self) -> Iterator[tuple[Dataset, Version]]:
        for dataset in self:
            for version in dataset.versions:
                yield dataset, version

    def with_datasets(self, datasets: Iterable[Dataset]) -> "Manifest":
        """The same manifest with these datasets, sorted and checked against each other (NameRefused)."""
        ordered = sorted(datasets, key=_by_name)
        check_together(d.name for d in ordered)
        return Manifest({d.name: d for d in ordered}, self.extra)

    def put(self, dataset: Dataset) -> "Manifest":
        """With this dataset in place of the one of its name."""
        if dataset.name in self.datasets:
            return Manifest({**self.datasets, dataset.name: dataset}, self.extra)
        return self.with_datasets([*self, dataset])

    def drop(self, name: str) -> "Manifest":
        return Manifest({d.name: d for d in self if d.name != name}, self.extra)


def _by_name(dataset: Dataset) -> str:
    """Sorts by code points, which is the order of the UTF-8 bytes."""
    return dataset.name


def loads(data: bytes, *, what: str = FILE_NAME) -> Manifest:
    """Read a manifest, canonical or not. Raises ManifestError (NameRefused for names)."""
    try:
        value = fields.mapping(strictjson.loads(data, what=what), what)
    except ManifestError as error:
        # Only now: what parses cannot hold them, for no line of it starts with < or >.
        if len(data) <= strictjson.MAX_BYTES and _CONFLICT.search(data):
            raise ManifestError(
                f"{what} holds conflict markers of a merge", hints=["git data resolve"]
            ) from error
        raise
    form = value.get("format")
    if form != FORMAT:
        raise _other_format(form, what)
    raw = fields.mapping(value.get("datasets"), f"{what}: datasets")
    datasets = [_dataset(name, item, what) for name, item in raw.items()]
    manifest = Manifest({}, fields.unknown(value, MANIFEST_FIELDS)).with_datasets(datasets)
    _check_ids(manifest, what)
    return manifest


def dumps(manifest: Manifest) -> bytes:
    """The one canonical encoding."""
    body: dict[str, Any] = {
        "format": FORMAT,
        "datasets": {d.name: _plain_dataset(d) for d in sorted(manifest, key=_by_name)},
    }
    return strictjson.dumps(body | strictjson.canonical(manifest.extra))


def _other_format(form: object, what: str) -> ManifestError:
    if isinstance(form, str) and form.startswith("git-data/manifest/"):
        return ManifestError(
            f"{what} has the format {form[:60]!r}, written by a newer git-datamanager than this one",
            hints=["pip install --upgrade git-datamanager"],
        )
    return ManifestError(f"{what} is not a manifest of git data (format {str(form)[:60]!r})")


def _check_ids(manifest: Manifest, what: str) -> None:
    seen: dict[str, str] = {}
    for dataset, version in manifest.entries():
        if version.id in seen:
            raise ManifestError(f"{what}: {dataset.name} and {seen[version.id]} share the id {version.id}")
        seen[version.id] = dataset.name


def _dataset(name: str, value: object, what: str) -> Dataset:
    check_name(name)
    where = f"{what}: {name[:120]}"
    raw = fields.mapping(value, where)
    versions = raw.get("versions")
    if not isinstance(versions, list):
        raise ManifestError(f"{where}: versions is not a list")
    kind = fields.choice(Kind, raw.get("kind"), f"{where}: kind")
    read = [_version(item, kind, where) for item in versions]
    return Dataset(
        name=name,
        kind=kind,
        state=fields.choice(DatasetState, raw["state"], f"{where}: state") if "state" in raw else None,
        options=options.checked(raw.get("options", {}), where),
        versions=tuple(sorted(read, key=version_order, reverse=True)),
        extra=fields.unknown(raw, DATASET_FIELDS),
    )


# The time that every entry of this state has.
_STAMPS = {State.PUBLISHED: "published", State.DELETING: "deleting", State.DELETED: "deleted"}


def _version(value: object, kind: Kind, where: str) -> Version:
    raw = fields.mapping(value, f"{where}: a version")
    number = fields.checked(raw, "version", fields.parse_number, where)
    where = f"{where} v{number}"
    version = Version(
        number=number,
        id=fields.checked(raw, "id", fields.ulid, where),
        state=fields.choice(State, raw.get("state"), f"{where}: state"),
        oid=fields.checked(raw, "oid", Oid.parse, where),
        size=fields.byte_count(raw.get("size"), f"{where}: size"),
        created=fields.checked(raw, "created", fields.time, where),
        author=fields.checked(raw, "author", str, where),
        message=fields.checked(raw, "message", str, where, default=""),
        parent=fields.optional(raw, "parent", fields.ulid, where),
        rollback_of=fields.optional(raw, "rollback_of", fields.ulid, where),
        encodings=_encodings(raw.get("encodings", {}), where),
        published=fields.optional(raw, "published", fields.time, where),
        commit=fields.optional(raw, "commit", fields.commit, where),
        compacted=fields.optional(raw, "compacted", fields.time, where),
        deleting=fields.optional(raw, "deleting", fields.time, where),
        reason=fields.optional(raw, "reason", str, where),
        deleted=fields.optional(raw, "deleted", fields.time, where),
        extra=fields.unknown(raw, VERSION_FIELDS),
    )
    stamp = _STAMPS.get(version.state)
    if stamp and stamp not in raw:
        raise ManifestError(f"{where}: it is {version.state} without the time {stamp!r}")
    # A folder of empty files has no bytes either: there, size 0 does not tell the oid.
    if (version.size != 0) if version.oid == EMPTY else (version.size == 0 and kind is Kind.FILE):
        raise ManifestError(f"{where}: size {version.size} and {version.oid} contradict each other")
    return version


def _encodings(value: object, where: str) -> dict[str, int]:
    """`zstd`, or `delta:<oid of the base>`, each with its size in bytes."""
    encodings = fields.mapping(value, f"{where}: encodings")
    for name, size in encodings.items():
        try:
            encoding = Encoding.parse(name)
        except ValueError as error:
            raise ManifestError(f"{where}: encoding {name[:90]!r}: {error}") from error
        if encoding.kind == "identity":
            raise ManifestError(f"{where}: identity is no encoding to list: its size is {'size'!r}")
        fields.byte_count(size, f"{where}: the size of encoding {name[:90]!r}")
    return encodings


def _plain_dataset(dataset: Dataset) -> dict[str, Any]:
    known = {key: dataset.options[key] for key in options.KNOWN if key in dataset.options}
    rest = fields.unknown(dataset.options, tuple(options.KNOWN))
    body: dict[str, Any] = {"kind": str(dataset.kind)}
    if dataset.state:
        body["state"] = str(dataset.state)
    if dataset.options:
        body["options"] = known | strictjson.canonical(rest)
    ordered = sorted(dataset.versions, key=version_order, reverse=True)
    body["versions"] = [plain_version(v) for v in ordered]
    return body | strictjson.canonical(dataset.extra)


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
        "encodings": strictjson.canonical(version.encodings) or None,
        "published": version.published,
        "commit": version.commit,
        "compacted": version.compacted,
        "deleting": version.deleting,
        "reason": version.reason,
        "deleted": version.deleted,
    }
    known = {key: value for key, value in values.items() if value is not None}
    return known | strictjson.canonical(version.extra)
