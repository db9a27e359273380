"""`git data mv` of a folder: the folder itself, after the manifest has the new name."""

import errno
import shlex
from contextlib import suppress

from git_datamanager.errors import Conflict, DataError
from git_datamanager.manager import DataManager
from git_datamanager.workspace.folderhandle import Handle, opened


def check(manager: DataManager, source: str, target: str) -> None:
    """Both places can be reached without following a link, and nothing stands at the new one.

    Raises Conflict, Forbidden.
    """
    if f"{target}/".startswith(f"{source}/"):
        raise Conflict(f"{target} would lie inside {source} itself: nothing was renamed")
    if _stands(manager, target):
        raise Conflict(
            f"there is a file or folder {target} already: nothing was renamed",
            hints=[f"ls -l {shlex.quote(target)}"],
        )
    if _stands(manager, source):
        manager.folders.look(source)  # says what is wrong where it is no folder
    if manager.git.tracked([target]):
        raise Conflict(f"{target} is tracked by Git itself: nothing was renamed")


def move(manager: DataManager, source: str, target: str) -> None:
    """Rename the folder, and what is known of it. Nothing where it is not there."""
    if not _stands(manager, source):
        return
    top = manager.git.work_tree
    before, after = source.rpartition("/"), target.rpartition("/")
    with opened(top, before[0] or ".") as here, opened(top, after[0] or ".", create=True) as there:
        _rename(here, before[2], there, after[2], source, target)
    states = manager.folders.states
    record = states.get(source)
    if record is not None:
        states.put(target, record)
    states.forget(source)


def _rename(here: Handle, old: str, there: Handle, new: str, source: str, target: str) -> None:
    try:
        here.rename(old, there, new)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        why = "is on another file system" if error.errno == errno.EXDEV else "is taken by now"
        raise DataError(
            f"{target} {why}: the manifest is renamed, move the folder there yourself",
            hints=[shlex.join(["mv", "-n", source, target])],
        ) from error
    there.fsync()
    here.fsync()


def is_begun(manager: DataManager, source: str, target: str, ids: set[str]) -> bool:
    """A run was killed: the manifest has the new name, the folder stands at the old one."""
    dataset = manager.manifests.current().datasets[target]
    record = manager.folders.states.get(source)
    if not _stands(manager, source):
        return False
    return any(v.id in ids or (record is not None and v.oid == record.vouched) for v in dataset.versions)


def _stands(manager: DataManager, name: str) -> bool:
    outer, _, leaf = name.rpartition("/")
    with suppress(FileNotFoundError), opened(manager.git.work_tree, outer or ".") as parent:
        return parent.exists(leaf)
    return False
