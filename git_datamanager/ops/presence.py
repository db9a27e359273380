"""Which store holds the bytes of a version: verified now, or before and unchanged since."""

from git_datamanager import encoded
from git_datamanager.errors import (
    Corrupt,
    Denied,
    NotFound,
    ObjectMissing,
    PreconditionFailed,
    SettingsError,
    Unreachable,
)
from git_datamanager.manager import DataManager
from git_datamanager.model.chains import SMALLEST
from git_datamanager.model.layout import tree_key
from git_datamanager.model.manifest import Dataset, Kind, Version
from git_datamanager.objects import ObjectStore
from git_datamanager.ops import encode, local
from git_datamanager.ops.bases import Bases
from git_datamanager.ops.parallel import planned
from git_datamanager.ops.trees import plan as treeplan


def is_staged(manager: DataManager, dataset: Dataset, version: Version) -> bool:
    """Staging holds the plain bytes or a form that rebuilds them; of a folder all that production lacks."""
    if dataset.kind is Kind.TREE:
        return _is_folder_staged(manager, dataset, version)
    return _holds(manager, "staging", dataset, version) or _has_form(manager, dataset, version)


def in_production(manager: DataManager, dataset: Dataset, version: Version) -> bool:
    """True only where production says so; who may not ask stages the bytes."""
    try:
        if dataset.kind is Kind.TREE:
            return _has_listing(manager, version)
        return _holds(manager, "production", dataset, version)
    except (Denied, Unreachable, SettingsError, NotFound):
        return False


def _holds(manager: DataManager, role: str, dataset: Dataset, version: Version) -> bool:
    """Whether the store holds these very bytes. An object that was verified once is known by its ETag;
    any other is verified now: its name and size prove nothing."""
    oid, size = version.oid, version.size
    store, location = manager.store(role), manager.remotes.remote(role).url
    found = store.stat(oid, size)
    if found is not None and manager.journal.seen(location, oid) == (None, found.etag):
        return True
    try:
        advance = planned(manager.progress, dataset.name, size)
        checked = store.verify(oid, size, advance=advance) if found else None
    except (Corrupt, ObjectMissing, PreconditionFailed):
        checked = None  # put() replaces it, on the condition that it is still this one
    if checked is None:
        if (manager.journal.seen(location, oid) or (None, None))[0] is None:
            manager.journal.lost(location, oid)
        return False
    manager.journal.saw(location, oid, size, checked.etag)
    return True


def _is_folder_staged(manager: DataManager, dataset: Dataset, version: Version) -> bool:
    try:
        return treeplan.plan(manager, dataset, version).is_done
    except ObjectMissing:  # nobody has the listing
        return False


def _has_listing(manager: DataManager, version: Version) -> bool:
    """Production holds the very listing: what is written last there, by publish alone."""
    oid = version.oid
    store, location = manager.store("production"), manager.remotes.remote("production").url
    found = store.adapter.stat_object(tree_key(oid))
    if found is None:
        return False
    if manager.journal.seen(location, oid) == (found.key, found.etag):
        return True
    try:
        checked = store.verify(oid, found.size, key=found.key)
    except (Corrupt, ObjectMissing, PreconditionFailed):
        return False
    manager.journal.saw(location, oid, version.size, checked.etag, key=found.key)
    return True


def _has_form(manager: DataManager, dataset: Dataset, version: Version) -> bool:
    """Whether staging holds an encoded form: the one this clone sent, or one that rebuilds the version.

    Without the bytes and without a base nobody here can check a form, nor send a better one.
    """
    if version.size < SMALLEST or encode.wish(manager, dataset) == "identity":
        return False
    store, location = manager.store("staging"), manager.remotes.remote("staging").url
    key, etag = manager.journal.seen(location, version.oid) or (None, None)
    found = store.adapter.stat_object(key) if key is not None else None
    if found is not None and found.etag == etag:
        return True
    if key is not None:
        manager.journal.lost(location, version.oid)
    has_bytes = local.source(manager, dataset.name, version.oid) is not None
    for form in encoded.forms(store, version.oid):
        if not has_bytes or _is_good(manager, store, form, dataset, version):
            manager.journal.saw(location, version.oid, version.size, form.etag, key=form.key)
            return True
    return False


def _is_good(
    manager: DataManager, store: ObjectStore, form: encoded.Form, dataset: Dataset, version: Version
) -> bool:
    """Whether a form that somebody else sent rebuilds the version, as far as it can be told here."""
    bases = Bases(manager, dataset, ())
    if form.encoding.base is not None and not bases.is_local(form.encoding.base):
        return False
    try:
        with manager.cache.new_file() as path, path.open("w+b") as file:
            bases.from_form(store, form, version.oid, version.size, file)
    except (Corrupt, ObjectMissing, PreconditionFailed):
        return False
    return True
