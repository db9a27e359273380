"""`git data catalog`: what is published, and how to get it."""

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote

from git_datamanager.errors import DataError, SettingsError
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import object_key
from git_datamanager.model.manifest import Dataset, Kind, State, Version
from git_datamanager.model.names import pasteable
from git_datamanager.ops.inside.rowcounts import RowCounter, Rows
from git_datamanager.storage.base import Linking
from git_datamanager.storage.wrappers import innermost

LONGEST = 7 * 24 * 3600
"""Seconds that a presigned address may live: what signatures of version 4 allow."""
_PUBLIC = re.compile(r"https?://[\w.-]+(:\d+)?(/[\w.~%/+-]*)?", re.ASCII)
_Address = Callable[[Version], str | None]


class Release(NamedTuple):
    """A published version."""

    version: Version
    rows: Rows
    url: str | None
    """Where anybody can read the bytes; None where nobody can without git data."""
    pull: str
    """The command that gets it."""

    @property
    def day(self) -> str:
        return (self.version.published or self.version.created)[:10]


class Listed(NamedTuple):
    """A dataset with at least one published version, newest first."""

    dataset: Dataset
    releases: list[Release]

    @property
    def latest(self) -> Release:
        return self.releases[0]

    @property
    def title(self) -> str | None:
        """What people call it."""
        return self.dataset.options.get("title")

    @property
    def about(self) -> str:
        """Its description, and words to find it by."""
        tags = ", ".join(self.dataset.options.get("tags", ()))
        return " · ".join(filter(None, (self.dataset.options.get("description"), tags)))


class Catalog(NamedTuple):
    datasets: list[Listed]
    expires: int | None = None
    """Seconds after which its addresses are worth nothing."""


def catalog(
    manager: DataManager, *, revision: str | None = None, presign: int | None = None, fetched: int = 0
) -> Catalog:
    """All published versions of all listed datasets, by name, as a commit has them. `fetched`: bytes that may
    be fetched to count their rows, those of the latest versions first.

    Addresses come from `data.remote.production.publicUrl`, or with `presign` are signed for so many seconds
    with the credentials of whoever asks. Raises DataError where the store cannot sign.
    """
    manifest = manager.manifests.at(revision) if revision is not None else manager.manifests.current()
    address = _public(manager) if presign is None else _signed(manager, presign)
    published = [
        (dataset, versions)
        for dataset in manifest.listed()
        if (versions := [version for version in dataset.versions if version.state is State.PUBLISHED])
    ]
    counter = RowCounter(manager, fetched)
    ranked = [(n, dataset, version) for dataset, all_ in published for n, version in enumerate(all_)]
    rows = {(d.name, v.name): counter.rows(d, v) for _, d, v in sorted(ranked, key=lambda one: one[0])}
    found = [
        Listed(dataset, [_release(dataset, v, rows[dataset.name, v.name], address) for v in versions])
        for dataset, versions in published
    ]
    return Catalog(found, presign)


def _release(dataset: Dataset, version: Version, rows: Rows, address: _Address) -> Release:
    is_one_object = dataset.kind is Kind.FILE and version.compacted is None
    pull = f"git data pull {pasteable(f'{dataset.name}@{version.name}')}"
    url = address(version) if is_one_object else None
    return Release(version, rows, url, pull)


def _public(manager: DataManager) -> _Address:
    """Raises SettingsError for what is no address: it may come from a tracked file."""
    base = manager.settings.get("data.remote.production.publicUrl")
    if not base:
        return lambda _version: None
    if not _PUBLIC.fullmatch(base):
        raise SettingsError(
            f"data.remote.production.publicUrl is {base[:120]!r}, not an address like https://data.example.org",
            hints=["git config data.remote.production.publicUrl https://data.example.org"],
        )
    return lambda version: f"{base.rstrip('/')}/{quote(object_key(version.oid))}"


def _signed(manager: DataManager, seconds: int) -> _Address:
    store = innermost(manager.store("production").adapter)
    if not isinstance(store, Linking):
        raise DataError(
            f"{store.url} is no bucket: it cannot sign addresses",
            hints=["git data catalog   # without --presign"],
        )
    return lambda version: store.link(object_key(version.oid), seconds)
