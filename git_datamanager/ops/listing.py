"""`git data ls`, `log` and `show`: what the manifest and its history say."""

from collections.abc import Sequence
from typing import NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Version
from git_datamanager.ops.select import dataset_of, select, version_of
from git_datamanager.workspace.history import introductions


class Logged(NamedTuple):
    """A version and the commit that brought it (None: not committed yet, or beyond a shallow clone)."""

    dataset: Dataset
    version: Version
    commit: str | None


def ls(
    manager: DataManager, names: Sequence[str] = (), *, revision: str | None = None, every: bool = False
) -> list[Dataset]:
    """The datasets; `every` brings removed and deleted ones too."""
    manifest = manager.manifests.at(revision) if revision is not None else manager.manifests.current()
    if names:
        return [wanted.dataset for wanted in select(manager, manifest, names)]
    return list(manifest) if every else manifest.listed()


def log(manager: DataManager, names: Sequence[str] = (), *, revision: str | None = None) -> list[Logged]:
    """The versions of datasets, newest first, with the commits that brought them."""
    manifest = manager.manifests.at(revision) if revision is not None else manager.manifests.current()
    datasets = [dataset_of(manager, manifest, name) for name in names] or list(manifest)
    return _with_commits(manager, [(d, v) for d in datasets for v in d.versions], revision)


def show(manager: DataManager, name: str, *, revision: str | None = None) -> Logged:
    """One version in full. Raises UnknownDataset, UnknownVersion."""
    manifest = manager.manifests.at(revision) if revision is not None else manager.manifests.current()
    wanted = select(manager, manifest, [name])
    if len(wanted) != 1:
        raise DataError(f"{name} names {len(wanted)} datasets: show one of them", hints=["git data ls"])
    dataset = wanted[0].dataset
    text = wanted[0].version
    version = dataset.versions[0] if text is None and dataset.latest is None else version_of(dataset, text)
    return _with_commits(manager, [(dataset, version)], revision)[0]


def _with_commits(
    manager: DataManager, entries: Sequence[tuple[Dataset, Version]], revision: str | None
) -> list[Logged]:
    tip = manager.git.resolve(revision) if revision is not None else manager.git.head()
    unknown = [v.id for _, v in entries if v.commit is None]
    found = introductions(manager.git, unknown, tip) if tip and unknown else {}
    return [Logged(d, v, v.commit or found.get(v.id)) for d, v in entries]
