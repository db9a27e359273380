"""What the hooks look at and what they find: shared by those that ask and those that tell."""

from typing import NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.model import manifest as model
from git_datamanager.model.manifest import Manifest


class Finding(NamedTuple):
    """One thing to tell. What refuses stops the commit or push; the rest is a warning."""

    refuses: bool
    text: str
    hints: tuple[str, ...] = ()
    exit_code: int = 1


def refusal(error: DataError) -> Finding:
    return Finding(refuses=True, text=str(error), hints=error.hints, exit_code=error.exit_code)


class Blob(NamedTuple):
    """A file as the commit will hold it, where that differs from all parents."""

    path: str
    oid: str


class Commit(NamedTuple):
    """What the index holds beyond the parents of the commit to be."""

    manifest: Manifest | None
    """None where it cannot be read."""
    parents: tuple[Manifest, ...]
    blobs: tuple[Blob, ...]
    findings: tuple[Finding, ...]

    @property
    def changes_manifest(self) -> bool:
        return any(blob.path == model.FILE_NAME for blob in self.blobs)
