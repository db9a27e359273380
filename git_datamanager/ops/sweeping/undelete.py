"""`git data undelete`: new pending versions with the bytes of deleted ones, while they can be had."""

import shlex
from collections.abc import Sequence
from functools import partial

from git_datamanager.errors import DataError, NotFound, ObjectMissing, UnknownVersion
from git_datamanager.manager import DataManager
from git_datamanager.model import evolve
from git_datamanager.model.evolve import Draft
from git_datamanager.model.manifest import Dataset, DatasetState, Kind, State, Version
from git_datamanager.model.ulid import new_ulid
from git_datamanager.ops import local, select
from git_datamanager.ops.fetch import first_found, places
from git_datamanager.ops.lifecycle import Change
from git_datamanager.ops.trees import listing as treelisting
from git_datamanager.storage.base import Stat
from git_datamanager.workspace.journal import utc_now

_GONE = (State.DELETED, State.DELETING)


def undelete(manager: DataManager, name: str, *, message: str = "", dry_run: bool = False) -> Change:
    """Bring back NAME@vN, or all that went with the dataset NAME. The next commit stages their bytes again.

    Raises UnknownVersion where nothing of it was deleted, ObjectMissing where its bytes are gone for good.
    """
    before = manager.manifests.current()
    text, version = select.split_version(name)
    dataset = before.dataset(select.known_name(manager, before, text))
    targets = [_one(dataset, version)] if version else _all(dataset)
    for target in targets:
        _demand_bytes(manager, dataset, target)
    drafts = [(v.id, _draft(manager, message or f"Undelete {v.name}")) for v in targets]
    with manager.journal.record("undelete", dataset.name, {"versions": [v.name for v in targets]}):
        after = manager.manifests.change(
            lambda m, ids: evolve.undelete(m, dataset.name, drafts, committed=ids), dry_run=dry_run
        )
    return Change(dataset.name, dataset, after.datasets[dataset.name])


def _draft(manager: DataManager, message: str) -> Draft:
    return Draft(new_ulid(), utc_now(), manager.git.author(), message)


def _one(dataset: Dataset, text: str) -> Version:
    version = select.version_of(dataset, text)
    if version.state not in _GONE:
        raise UnknownVersion(
            f"{dataset.name} {version.name} is {version.state}, not deleted: nothing was changed",
            hints=[f"git data rollback {shlex.quote(dataset.name)} --to {version.name}"],
        )
    return version


def _all(dataset: Dataset) -> Sequence[Version]:
    if dataset.state in (DatasetState.DELETED, DatasetState.DELETING):
        return evolve.deleted_with(dataset)
    gone = [v for v in dataset.versions if v.state in _GONE]
    if not gone:
        raise UnknownVersion(f"nothing of {dataset.name} was deleted: nothing was changed")
    raise UnknownVersion(
        f"{dataset.name} itself was not deleted: name one of its deleted versions, nothing was changed",
        hints=[f"git data undelete {shlex.quote(dataset.name)}@{v.name}" for v in gone[:3]],
    )


def _demand_bytes(manager: DataManager, dataset: Dataset, version: Version) -> None:
    """Raise ObjectMissing where the bytes are nowhere, and what a store says where it cannot be asked."""
    if dataset.kind is Kind.TREE:
        treelisting.listing_of(manager, dataset, version, ("production", "staging"))
        return
    if local.source(manager, dataset.name, version.oid) is not None:
        return
    trouble: DataError | None = None
    for role in ("production", "staging"):
        try:
            first_found(places(role, version.oid), partial(_stat, manager, role, version))
        except NotFound:
            continue
        except DataError as error:
            trouble = trouble or error
        else:
            return
    raise trouble or ObjectMissing(
        f"the bytes of {dataset.name} {version.name} ({version.oid.short}) are gone from the stores and not "
        "in this clone: nothing was changed",
        hints=["git data add the file again, where somebody still has it"],
    )


def _stat(manager: DataManager, role: str, version: Version, key: str) -> Stat:
    store = manager.store(role)
    found = store.adapter.stat_object(key)
    if found is None or found.size != version.size:
        raise ObjectMissing(f"{role} does not hold {key}")
    return found
