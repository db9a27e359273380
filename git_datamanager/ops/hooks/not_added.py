"""Which files and folders look changed and were not added: by stat alone, nothing is read."""

from git_datamanager.errors import DataError, ManifestError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Manifest
from git_datamanager.model.oid import Oid
from git_datamanager.workspace.worktree import What


def not_added(manager: DataManager, manifest: Manifest) -> list[str]:
    """The datasets of a manifest that is about to be committed whose changes it does not hold."""
    suspects = [d for d in manifest.listed() if _looks_changed(manager, d)]
    # A partial commit shows the hook an index of its own: what was added stands in the work tree's.
    here = _work_manifest(manager) if suspects else Manifest()
    return [d.name for d in suspects if not _is_known(manager, here, d)]


def _looks_changed(manager: DataManager, dataset: Dataset) -> bool:
    if dataset.kind is Kind.TREE:
        found, oid = _folder_now(manager, dataset.name)
        return found and oid not in {v.oid for v in dataset.versions}
    known = manager.work.states.get(dataset.name)
    if known is None:
        return False
    seen = manager.work.look(dataset.name, stat_only=True)
    if seen.what is not What.FILE:
        return False
    return seen.oid is None or seen.oid not in {v.oid for v in dataset.versions}


def _work_manifest(manager: DataManager) -> Manifest:
    try:
        return manager.manifests.current()
    except ManifestError:
        return Manifest()


def _is_known(manager: DataManager, here: Manifest, dataset: Dataset) -> bool:
    """It was added, or git data itself put it there: no change of somebody's."""
    from git_datamanager.ops.local import known_contents

    name = dataset.name
    is_folder = dataset.kind is Kind.TREE
    oid = _folder_now(manager, name)[1] if is_folder else manager.work.look(name, stat_only=True).oid
    return oid is not None and oid in known_contents(manager, here, name)


def _folder_now(manager: DataManager, name: str) -> tuple[bool, Oid | None]:
    """Whether a folder is there that was looked at before, and what it holds; None once stat says that
    something in it changed."""
    from git_datamanager.workspace.folderscan import scan

    known = manager.folders.states.get(name)
    if known is None:
        return False, None
    try:
        look = scan(manager.git.work_tree, name)
    except DataError:  # gone, or something else: status says so
        return False, None
    return True, known.oid if known.holds(look) else None
