"""What `git data diff` found, for whoever shows it: text, JSON, Markdown, HTML."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.model.manifest import Kind, Version
from git_datamanager.tables.result import SourceDiff
from git_datamanager.tables.schema import Change


class Point(NamedTuple):
    """One side of a dataset."""

    label: str
    """`v3`, or `work tree`."""
    size: int
    version: Version | None = None
    """None: the working file as it is."""


class MemberChange(NamedTuple):
    """A file of a folder that differs; sizes in bytes, None where that side has none."""

    path: str
    change: Change
    before: int | None
    after: int | None
    was: str | None = None
    """The path it had, where it only moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderDiff:
    """Two versions of a folder."""

    members: tuple[MemberChange, ...]
    unchanged: int
    tables: Mapping[str, SourceDiff] = field(default_factory=dict)
    """Of changed members that are tables, by their path: what changed inside; maybe not of all."""
    note: str | None = None

    def count(self, change: Change) -> int:
        return sum(member.change is change for member in self.members)

    @property
    def differs(self) -> bool:
        """What was asked for is not the same in some member, or nobody could say."""
        return not all((found := self._inside(member)) and not found.differs for member in self.members)

    @property
    def is_same_data(self) -> bool:
        """Nothing differs but bytes of members."""
        return all((found := self._inside(member)) and found.is_same_data for member in self.members)

    def _inside(self, member: MemberChange) -> SourceDiff | None:
        """What changed in a member that both sides have."""
        return self.tables.get(member.path) if member.change is Change.CHANGED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDiff:
    """One dataset on both sides; a side that does not have it is None."""

    name: str
    kind: Kind
    before: Point | None
    after: Point | None
    source: SourceDiff | None = None
    """Of a file; None where its bytes are not here, or nobody compared them."""
    folder: FolderDiff | None = None
    renamed_from: str | None = None
    absent: tuple[Point, ...] = ()
    """Versions that would have to be fetched first."""
    problem: str | None = None
    """Why it could not be compared."""
    failure: DataError | None = None
    """The error behind `problem`, where it was one: what the stores said, bytes that are wrong."""
    scope: str | None = None
    """What alone was compared, `schema` or `rows asked for`; None: all of it."""

    @property
    def is_same(self) -> bool:
        """Not a byte differs."""
        return bool(self.source and self.source.is_same_bytes) or bool(
            self.folder and not self.folder.members
        )

    @property
    def is_same_data(self) -> bool:
        """Bytes may differ, what they hold does not."""
        if self.folder is not None:
            return self.scope is None and self.folder.is_same_data
        return self.is_same or (self.scope is None and not self.differs)

    @property
    def differs(self) -> bool:
        """What was compared is not the same, or nobody could say."""
        inside = self.source or self.folder
        return not (self.is_same or (inside is not None and not inside.differs))
