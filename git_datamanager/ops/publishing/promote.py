"""One entry's way into production: verified, copied, checked, with a receipt (docs/design/publish.md)."""

import os
import shlex
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import NamedTuple

from git_datamanager import documents, encoded
from git_datamanager.errors import (
    Conflict,
    Corrupt,
    DataError,
    ObjectMissing,
    OutcomeUnknown,
    PreconditionFailed,
    Unreachable,
)
from git_datamanager.events import note
from git_datamanager.manager import DataManager
from git_datamanager.model.chains import SMALLEST
from git_datamanager.model.layout import (
    TRASH,
    object_key,
    receipt_key,
    staging_trash_key,
    trash_key,
    tree_key,
)
from git_datamanager.model.manifest import Dataset, Kind, Version
from git_datamanager.model.oid import Oid
from git_datamanager.model.records import Receipt
from git_datamanager.objects import ObjectStore, Verified
from git_datamanager.ops.bases import Bases
from git_datamanager.ops.parallel import planned
from git_datamanager.ops.publishing import beside
from git_datamanager.ops.publishing import folders as treepublish
from git_datamanager.ops.publishing.crossing import Crossing
from git_datamanager.storage.base import ABSENT, ANYTHING, Advance, Presentation
from git_datamanager.workspace.journal import utc_now


class Live(NamedTuple):
    """What is in production of an entry."""

    receipt: Receipt
    encodings: Mapping[str, int]
    """Beside the plain bytes: form → size."""


class Promotion(Crossing):
    """One run's entries, brought one by one."""

    def go_live(self, dataset: Dataset, version: Version, origin: str | None) -> Live:
        """One entry: its bytes in production, checked, with a receipt. Safe to repeat at any point."""
        standing = self._receipt(version)
        if dataset.kind is Kind.TREE:
            return self._folder_live(dataset, version, origin, standing)
        if standing is not None and self.production.stat(version.oid, version.size) is not None:
            return Live(standing, beside.kept(self, version))
        checked = self._in_production(dataset, version)
        location = self.manager.remotes.remote("production").url
        self.manager.journal.saw(location, version.oid, version.size, checked.etag)
        forms = beside.kept(self, version) or beside.keep_late(self, dataset, version)
        beside.take_cuts(self, version)
        return Live(standing or self._leave_receipt(dataset, version, origin, checked), forms)

    def _folder_live(
        self, dataset: Dataset, version: Version, origin: str | None, standing: Receipt | None
    ) -> Live:
        if standing is not None and self.production.adapter.stat_object(tree_key(version.oid)) is not None:
            return Live(standing, treepublish.forms(self.production, version))
        done = treepublish.bring(self, dataset, version)
        receipt = standing or self._leave_receipt(dataset, version, origin, done.checked)
        return Live(receipt, done.encodings)

    def _in_production(self, dataset: Dataset, version: Version) -> Verified:
        try:  # a copy that is there: of a run that was killed, or of a rollback
            return self.production.verify(version.oid, version.size, advance=self._pass(dataset, version))
        except (ObjectMissing, Corrupt):
            # Wrong bytes are overwritten from verified ones, and checked again.
            try:
                source, good = self._staged(dataset, version)
            except (ObjectMissing, Corrupt) as error:
                return self._decode(dataset, version, error)
        return self._bring(dataset, version, source, good)

    def _decode(self, dataset: Dataset, version: Version, error: DataError) -> Verified:
        """Rebuild the plain object from the first good form in staging or its trash, and keep the form
        beside it. Where there is no form, `error` says what is wrong."""
        if version.size < SMALLEST:
            raise error
        for store, form in self._found(version):
            try:
                self._rebuild_patiently(dataset, version, store, form)
            except (ObjectMissing, Corrupt, PreconditionFailed) as trouble:
                error = _useless(dataset, version, form, trouble)
                continue
            if store is self.staging:
                beside.keep(self, dataset, version, form)
            return self.production.verify(version.oid, version.size, advance=self._pass(dataset, version))
        raise error

    def _found(self, version: Version) -> Iterator[tuple[ObjectStore, encoded.Form]]:
        """Forms in staging, in its trash, and in production: of a content that was compacted."""
        for below in ("", TRASH):
            yield from ((self.staging, f) for f in encoded.forms(self.staging, version.oid, below=below))
        yield from ((self.production, f) for f in encoded.forms(self.production, version.oid))

    def _rebuild_patiently(
        self, dataset: Dataset, version: Version, store: ObjectStore, form: encoded.Form
    ) -> None:
        """What is decoded on its way cannot be rewound, so no one below tries again."""
        try:
            self._rebuild(dataset, version, store, form)
        except OutcomeUnknown:
            raise
        except (Corrupt, Unreachable):  # once more past whatever cut or damaged it on the way
            self._rebuild(dataset, version, store, form)

    def _rebuild(self, dataset: Dataset, version: Version, store: ObjectStore, form: encoded.Form) -> None:
        """Nothing becomes visible in production before the SHA-256 of all bytes agrees."""
        bases = Bases(self.manager, dataset, ("production", "staging"))
        with ExitStack() as stack:
            base = stack.enter_context(bases.opened(form.encoding.base)) if form.encoding.base else None
            body = stack.enter_context(encoded.reading(store, form, version.oid, version.size, base))
            self.check()
            self.production.adapter.write_object(
                object_key(version.oid), body, version.size, sha256=version.oid.hex,
                presentation=_shown(dataset), advance=self._pass(dataset, version),
            )  # fmt: skip

    def _bring(self, dataset: Dataset, version: Version, source: ObjectStore, good: Verified) -> Verified:
        self.check()
        self.production.copy_from(
            source, version.oid, version.size, good,
            presentation=_shown(dataset), advance=self._pass(dataset, version),
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
                return self.production, self._in_trash(dataset, version)
            except (ObjectMissing, Corrupt):
                raise _not_staged(dataset, version, error) from error
        return self.staging, good

    def _in_trash(self, dataset: Dataset, version: Version) -> Verified:
        key, advance = trash_key(version.oid), self._pass(dataset, version)
        return self.production.verify(version.oid, version.size, key=key, advance=advance)

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
        try:
            if dataset.kind is Kind.TREE:
                treepublish.bring(self, dataset, version)
            else:
                self._bring(dataset, version, self.production, self._in_trash(dataset, version))
        except DataError as error:
            return error
        note(self.manager.progress, f"{dataset.name} {version.name}: its bytes are back from the trash")
        return None


def _shown(dataset: Dataset) -> Presentation:
    """Under its own name for a browser, whatever staging said."""
    return Presentation(filename=PurePosixPath(dataset.name).name)


def _useless(dataset: Dataset, version: Version, form: encoded.Form, trouble: DataError) -> DataError:
    name = shlex.quote(dataset.name)
    return type(trouble)(
        f"{dataset.name} {version.name}: only a {form.encoding.kind} form of it is staged, and it does not "
        f"rebuild the version ({trouble}); it stays pending",
        hints=[f"GIT_DATA_ENCODING=identity git data upload {name}   # in the clone where it was added"],
    )


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
