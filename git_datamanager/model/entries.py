"""The values of a manifest: versions and datasets, their states and fields (docs/spec/manifest-v1.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from git_datamanager.errors import UnknownVersion
from git_datamanager.model.oid import Oid

MAX_NUMBER = 999_999_999
MANIFEST_FIELDS = ("format", "datasets")
DATASET_FIELDS = ("kind", "state", "options", "versions")
VERSION_FIELDS = (
    "version", "id", "state", "oid", "size", "created", "author", "message", "parent", "rollback_of",
    "encodings", "published", "commit", "compacted", "deleting", "reason", "deleted",
)  # fmt: skip


def check_extra(extra: Mapping[str, Any], known: tuple[str, ...]) -> None:
    if extra and not extra.keys().isdisjoint(known):
        raise ValueError(f"known keys among the unknown ones: {sorted(extra.keys() & set(known))}")


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
    compacted: str | None = None
    """Since when its plain bytes may be gone: its encodings rebuild it."""
    deleting: str | None = None
    reason: str | None = None
    deleted: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_extra(self.extra, VERSION_FIELDS)

    @property
    def name(self) -> str:
        return f"v{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A tracked file or folder; versions newest first. Known keys in `extra` are a ValueError."""

    name: str
    kind: Kind
    state: DatasetState | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: tuple[Version, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_extra(self.extra, DATASET_FIELDS)

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
                raise UnknownVersion(
                    f"{self.name} has no version left", hints=[f"git data log {self._quoted}"]
                )
            return self.latest
        found = [v for v in self.versions if text in (v.name, v.name[1:], v.id)]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(v.id for v in found[:8])
            raise UnknownVersion(
                f"{self.name} has {len(found)} versions {found[0].name}, from merged branches: {ids}",
                hints=[f"git data pull {self._quoted}@{found[0].id}", "git data resolve"],
            )
        known = ", ".join(v.name for v in self.versions[:8]) or "none"
        raise UnknownVersion(f"{self.name} has no version {text[:40]!r}; it has {known}")

    def older(self, version: Version) -> list[Version]:
        """Live versions below this one with other bytes: its parent first, then the nearest."""
        place = next((n for n, v in enumerate(self.versions) if v.id == version.id), -1)
        below = [v for v in self.versions[place + 1 :] if v.state.is_live and v.oid != version.oid]
        return sorted(below, key=lambda v: v.id != version.parent)

    @property
    def _quoted(self) -> str:
        """For a hint that people paste into a shell."""
        import shlex

        return shlex.quote(self.name)


def version_order(version: Version) -> tuple[int, str]:
    """Newest first is the reverse of this."""
    return version.number, version.id
