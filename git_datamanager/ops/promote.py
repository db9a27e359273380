"""One entry's way into production: verified, copied, checked, with a receipt (docs/design/publish.md)."""

import os
import shlex
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from git_datamanager import documents
from git_datamanager.errors import (
    Conflict,
    Corrupt,
    DataError,
    ObjectMissing,
    OutcomeUnknown,
    PreconditionFailed,
)
from git_datamanager.events import note
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import object_key, receipt_key, staging_trash_key, trash_key
from git_datamanager.model.manifest import Dataset, Version
from git_datamanager.model.oid import Oid
from git_datamanager.model.records import Receipt
from git_datamanager.objects import ObjectStore, Verified
from git_datamanager.ops.parallel import planned
from git_datamanager.storage.base import ABSENT, ANYTHING, Advance, Presentation
from git_datamanager.workspace.journal import utc_now


@dataclass(frozen=True)
class Promotion:
    """What the entries of one run share."""

    manager: DataManager
    staging: ObjectStore
    production: ObjectStore
    check: Callable[[], None]
    """Raises Conflict once this run lost its lease; asked before bytes are written."""
    single_writer: bool

    def go_live(self, dataset: Dataset, version: Version, origin: str | None) -> Receipt:
        """One entry: its bytes in production, checked, with a receipt. Safe to repeat at any point."""
        standing = self._receipt(version)
        if standing is not None and self.production.stat(version.oid, version.size) is not None:
            return standing
        checked = self._in_production(dataset, version)
        location = self.manager.remotes.remote("production").url
        self.manager.journal.saw(location, version.oid, version.size, checked.etag)
        return standing or self._leave_receipt(dataset, version, origin, checked)

    def _in_production(self, dataset: Dataset, version: Version) -> Verified:
        try:  # a copy that is there: of a run that was killed, or of a rollback
            return self.production.verify(version.oid, version.size, advance=self._pass(dataset, version))
        except (ObjectMissing, Corrupt):
            # Wrong bytes are overwritten from verified ones, and checked again.
            return self._bring(dataset, version, *self._staged(dataset, version))

    def _bring(self, dataset: Dataset, version: Version, source: ObjectStore, good: Verified) -> Verified:
        self.check()
        self.production.copy_from(
            source, version.oid, version.size, good,
            presentation=Presentation(filename=PurePosixPath(dataset.name).name),
            advance=self._pass(dataset, version),
        )  # fmt: skip
        return self.production.verify(version.oid, version.size, advance=self._pass(dataset, version))

    def _staged(self, dataset: Dataset, version: Version) -> tuple[ObjectStore, Verified]:
        """Verified bytes: in staging, in its trash, in the trash of production."""
        oid, size = version.oid, version.size
        staged = object_key(oid), staging_trash_key(object_key(oid))
        try:
            good = self.staging.first_good(oid, size, staged, advance=self._pass(dataset, version))
        except (ObjectMissing, Corrupt) as error:
            try:
                return self.production, self.production.verify(
                    oid, size, key=trash_key(oid), advance=self._pass(dataset, version)
                )
            except (ObjectMissing, Corrupt):
                raise _not_staged(dataset, version, error) from error
        return self.staging, good

    def _pass(self, dataset: Dataset, version: Version) -> Advance:
        return planned(self.manager.progress, dataset.name, version.size)

    def _receipt(self, version: Version) -> Receipt | None:
        """The entry's receipt, if there is one. Raises Conflict where it speaks of other bytes."""
        found = documents.fetch(self.production.adapter, receipt_key(version.id), Receipt)
        if found is None or found.agrees(entry=version.id, oid=str(version.oid), size=version.size):
            return found
        raise Conflict(
            f"{version.name}: production has a receipt of its id {version.id} for other bytes "
            f"({found.dataset}): somebody copied an entry; it stays pending",
            hints=["git data add the file again: the new entry gets an id of its own"],
        )

    def _leave_receipt(
        self, dataset: Dataset, version: Version, origin: str | None, checked: Verified
    ) -> Receipt:
        receipt = Receipt(
            id=version.id,
            dataset=dataset.name,
            oid=str(version.oid),
            size=version.size,
            published=utc_now(),
            verified=checked.level,
            commit=origin,
            actor=actor(self.manager),
            run=run_url(),
        )
        expect = ANYTHING if self.single_writer else ABSENT
        self.check()
        try:
            documents.write(self.production.adapter, receipt_key(version.id), receipt, expect)
        except (PreconditionFailed, OutcomeUnknown):
            standing = self._receipt(version)  # a concurrent run's, or our own after a lost answer
            if standing is None:
                raise
            return standing
        return receipt

    def restore(self, lost: Mapping[Oid, tuple[Dataset, Version]]) -> list[tuple[str, DataError | None]]:
        """Copy back what lies in the trash alone, though something reaches it. Each on its own."""
        return [(dataset.name, self._restore(dataset, version)) for dataset, version in lost.values()]

    def _restore(self, dataset: Dataset, version: Version) -> DataError | None:
        oid, size = version.oid, version.size
        try:
            good = self.production.verify(oid, size, key=trash_key(oid), advance=self._pass(dataset, version))
            self._bring(dataset, version, self.production, good)
        except DataError as error:
            return error
        note(self.manager.progress, f"{dataset.name} {version.name}: its bytes are back from the trash")
        return None


def _not_staged(dataset: Dataset, version: Version, error: DataError) -> DataError:
    is_gone = isinstance(error, ObjectMissing)
    said = f"its bytes ({version.oid.short}) are not in staging" if is_gone else str(error)
    return type(error)(
        f"{dataset.name} {version.name}: {said}; it stays pending",
        hints=[f"git data upload {shlex.quote(dataset.name)}   # in the clone where it was added"],
    )


def actor(manager: DataManager) -> str:
    """Who runs this: as the CI host says, else as Git does."""
    found = os.environ.get("GITHUB_ACTOR") or os.environ.get("GITLAB_USER_LOGIN")
    if found:
        return found.encode(errors="replace").decode()  # in documents that are UTF-8
    try:
        return manager.git.author()
    except DataError:
        return "unknown"


def holder(manager: DataManager) -> str:
    """How a lease names this run."""
    where = f"{actor(manager)} on {socket.gethostname()} (process {os.getpid()})"
    return ", ".join(filter(None, (where, run_url())))


def run_url() -> str | None:
    """The page of this CI run."""
    server, repository, run = (
        os.environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")
    )
    if server and repository and run:
        return f"{server}/{repository}/actions/runs/{run}"
    return os.environ.get("CI_JOB_URL")
