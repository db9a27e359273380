"""The files of this clone: left-overs of killed runs, and bytes that only one file holds."""

import os
import shlex
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from git_datamanager import fsio
from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Kind, Manifest, State
from git_datamanager.model.names import pasteable
from git_datamanager.ops.doctor.check import Check, Look, each, ok, skipped, warn
from git_datamanager.tables.words import FOLDER
from git_datamanager.workspace import ignorefile

_TOPIC = "files"
DAY = 86400
_LOCK_AGE = 600
_SHOWN = 3


def looks(manager: DataManager) -> Iterator[Check]:
    manifest = _manifest(manager)
    known: list[tuple[str, Look]] = [
        ("left-overs", lambda: _leftovers(manager, manifest)),
        ("index lock", lambda: _index_lock(manager)),
    ]
    if manifest is None:
        datasets: list[tuple[str, Look]] = [
            ("datasets", lambda: skipped(_TOPIC, "datasets", "the manifest cannot be read"))
        ]
    elif manager.git.top is None:
        datasets = [("datasets", lambda: skipped(_TOPIC, "datasets", "no work tree"))]
    else:
        datasets = [
            ("ignored", lambda: _ignored(manager, manifest)),
            ("tracked", lambda: _tracked(manager, manifest)),
            ("only copies", lambda: _only_copies(manager, manifest)),
        ]
    yield from each(_TOPIC, [*known, *datasets])


def _manifest(manager: DataManager) -> Manifest | None:
    try:
        return manager.manifests.current()
    except DataError:
        return None  # which is a finding of its own


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _folders(manager: DataManager, manifest: Manifest | None) -> list[Path]:
    """Where git data makes temporary files: beside what they become."""
    folders = {manager.state_folder, manager.state_folder / "cache" / "tmp"}
    if (top := manager.git.top) is not None:
        folders |= {top, *(top / Path(name).parent for name in (manifest.datasets if manifest else ()))}
    return [folder for folder in folders if folder.is_dir()]


def _stale(folders: Sequence[Path]) -> list[Path]:
    now = time.time()
    return [
        path
        for folder in folders
        for path in folder.glob(f"{fsio.TEMP_PREFIX}*")
        if now - path.lstat().st_mtime >= DAY
    ]


def _leftovers(manager: DataManager, manifest: Manifest | None) -> Check:
    folders = _folders(manager, manifest)
    found, private = _stale(folders), private_folders()
    if not found and not private:
        return ok(_TOPIC, "left-overs", "no temporary files older than a day")
    size = sum(path.lstat().st_size for path in found)
    said = [f"{len(found)} temporary files of killed runs, {size >> 20:,} MiB"] if found else []
    if private:
        said.append(f"folders of killed comparisons: {_named([str(folder) for folder in private])}")
    return warn(
        _TOPIC, "left-overs", "; ".join(said),
        "git data doctor --fix   # removes them", repair=lambda: _sweep(folders),
    )  # fmt: skip


def _sweep(folders: Sequence[Path]) -> str:
    before, private = len(_stale(folders)), private_folders()
    for folder in folders:
        fsio.sweep(folder, age=DAY)
    for path in private:
        shutil.rmtree(path, ignore_errors=True)  # it follows no link; what it cannot remove is found again
    gone = len(private) - len(private_folders())
    return f"removed {before - len(_stale(folders))} temporary files, {gone} folders"


def private_folders() -> list[Path]:
    """Folders of comparisons and questions in the system's temporary one that nobody touched for a day:
    ours alone, and none that is a link."""
    now, found = time.time(), []
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{FOLDER}*")):
        with suppress(FileNotFoundError):  # somebody else has just finished
            seen = path.lstat()
            if stat.S_ISDIR(seen.st_mode) and _is_own(seen) and now - _touched(path) >= DAY:
                found.append(path)
    return found


def _is_own(seen: os.stat_result) -> bool:
    return sys.platform == "win32" or seen.st_uid == os.getuid()  # there the folder itself is the user's


def _touched(folder: Path) -> float:
    """When somebody last made, wrote or removed something in it. A question may go on for longer than a day:
    its spilled rows are written to all the while."""
    inside = (inner for path in folder.glob("*") for inner in (path, *path.glob("*")))
    return max(path.lstat().st_mtime for path in (folder, *inside))


def _index_lock(manager: DataManager) -> Check:
    lock = manager.git.git_dir / "index.lock"
    try:
        age = time.time() - lock.lstat().st_mtime
    except FileNotFoundError:
        return ok(_TOPIC, "index lock", "free")
    if age < _LOCK_AGE:
        return ok(_TOPIC, "index lock", "held by a git at work")
    return warn(
        _TOPIC, "index lock", f"index.lock is {age / 60:.0f} minutes old: every git that writes is refused",
        f"rm {shlex.quote(str(lock))}   # if no git is running: it was killed",
    )  # fmt: skip


def _listed(manifest: Manifest) -> list[str]:
    return [dataset.name for dataset in manifest if dataset.is_listed]


def _trees(manifest: Manifest) -> set[str]:
    return {dataset.name for dataset in manifest if dataset.kind is Kind.TREE}


def _ignored(manager: DataManager, manifest: Manifest) -> Check:
    """A dataset that Git does not ignore is one `git add .` away from being committed."""
    names, folders = _listed(manifest), _trees(manifest)
    asked = {name: name + "/" if name in folders else name for name in names}  # it need not be here
    seen = manager.git.ignored(list(asked.values()))
    bare = [name for name in names if asked[name] not in seen]
    if bare:
        return warn(
            _TOPIC, "ignored", f"Git does not ignore {_named(bare)}: `git add .` would commit it",
            "git data doctor --fix   # writes .gitignore",
            repair=lambda: _write_ignore(manager, bare, folders),
        )  # fmt: skip
    return ok(_TOPIC, "ignored", "Git ignores every dataset")


def _write_ignore(manager: DataManager, names: Sequence[str], folders: set[str]) -> str:
    def change(text: str) -> str:
        for name in names:
            text = ignorefile.add(text, name, is_folder=name in folders)
        return text

    manager.manifests.change(lambda manifest, _: manifest, ignore=change)
    return f"added {_named(names)} to .gitignore, and staged it"


def _tracked(manager: DataManager, manifest: Manifest) -> Check:
    names = sorted(manager.git.tracked(_listed(manifest)))
    if names:
        return warn(
            _TOPIC, "tracked", f"Git tracks {_named(names)}: its bytes go into the repository as well",
            *(f"git rm --cached -r -- {pasteable(name)}" for name in names[:_SHOWN]),
        )  # fmt: skip
    return ok(_TOPIC, "tracked", "Git tracks no dataset")


def _only_copies(manager: DataManager, manifest: Manifest) -> Check:
    """`git clean -x` removes ignored files, and datasets are ignored."""
    held = manager.journal.all_holders()
    alone = []
    for dataset in manifest:
        if not dataset.is_listed or not os.path.lexists(manager.work.path(dataset.name)):
            continue
        oid = manager.work.look(dataset.name, stat_only=True).oid
        ours = next((v for v in dataset.versions if v.oid == oid), None)
        if ours is None or ours.state is State.PUBLISHED:
            continue
        if not held.get(str(ours.oid)) and not manager.cache.has(ours.oid):
            alone.append(dataset.name)
    if alone:
        return warn(
            _TOPIC, "only copies",
            f"{_named(alone)}: as far as this clone knows only the working file has these bytes; "
            "git clean -x would remove it",
            f"git data upload {' '.join(pasteable(name) for name in alone[:_SHOWN])}",
        )  # fmt: skip
    return ok(_TOPIC, "only copies", "what was added is also in the cache or in a store")
