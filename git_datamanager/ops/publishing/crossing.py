"""What the entries of one run of publish share on their way from staging into production."""

from collections.abc import Callable
from dataclasses import dataclass

from git_datamanager.manager import DataManager
from git_datamanager.objects import ObjectStore


@dataclass(frozen=True)
class Crossing:
    """Both stores, and what holds for everything that this run writes."""

    manager: DataManager
    staging: ObjectStore
    production: ObjectStore
    check: Callable[[], None]
    """Raises Conflict once this run lost its lease; asked before bytes are written."""
    single_writer: bool

    def take_over(self, key: str, etag: str, target: str) -> None:
        """Take an object over from staging that nothing rests on: an encoded form, an index."""
        copied = self.production.adapter.copy_object(self.staging.adapter, key, target, source_etag=etag)
        if copied is not None:
            return
        found = self.staging.adapter.stat_object(key)
        if found is not None and found.etag == etag:
            with self.staging.adapter.read_object(key, etag=etag) as body:
                self.production.adapter.write_object(target, body, found.size)
