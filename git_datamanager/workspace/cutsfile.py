"""Block indexes of big files that this clone has seen: `data/cache/cuts/`, derived, and no loss when gone."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from git_datamanager import fsio
from git_datamanager.errors import Corrupt
from git_datamanager.model.layout import cuts_key
from git_datamanager.model.oid import Oid

if TYPE_CHECKING:
    from git_datamanager.content.cuts import Cuts


class CutsFiles:
    """By the oid of the file they describe."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, oid: Oid) -> Path:
        return self.root / cuts_key(oid)

    def get(self, oid: Oid, size: int) -> "Cuts | None":
        """A damaged one is dropped."""
        from git_datamanager.content import cuts

        try:
            return cuts.loads(self.path(oid).read_bytes(), size)
        except FileNotFoundError:
            return None
        except Corrupt:
            self.path(oid).unlink(missing_ok=True)
            return None

    def put(self, oid: Oid, data: bytes) -> None:
        """A disk that is full costs an index, never the work at hand."""
        path = self.path(oid)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with fsio.new_temp(path.parent) as (file, temp):
                file.write(data)
                file.flush()
                temp.replace(path)
