"""A manifest that Git left in conflict: is it decided, and has a hasty `git add` hidden what was not?

The merge driver leaves a valid manifest, `ours` where a person must decide. So `git commit -a` would
take it as it is; what Git remembers of the conflict (its resolve-undo) shows that nobody decided.
"""

from pathlib import Path
from typing import NamedTuple

from git_datamanager.errors import ManifestError
from git_datamanager.manager import DataManager
from git_datamanager.model import manifest as model
from git_datamanager.model.manifest import Manifest, State
from git_datamanager.model.merge import Clash, Merged, merge

_HEADS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD")


class Open(NamedTuple):
    """What a merge at hand left open, or would lose."""

    clashes: tuple[Clash, ...]
    """Still as the merge driver left them."""
    lost: tuple[str, ...]
    """Versions that a parent has published or deleted, `NAME vN`."""


def is_unmerged(manager: DataManager) -> bool:
    """The index holds the sides of a conflict instead of a manifest."""
    return any(blob is not None for blob in manager.git.blobs([f":{n}:{model.FILE_NAME}" for n in (2, 3)]))


def left_open(manager: DataManager, staged: Manifest) -> Open | None:
    """What a commit of `staged` would decide silently; None outside of a merge and after `resolve`."""
    here = _merge_at_hand(manager)
    if here is None or _marked(manager) == here:
        return None
    merged, conflicted = merged_sides(manager)
    if merged is None:
        return None
    clashes = tuple(clash for clash in merged.clashes if _as_left(clash, merged.manifest, staged))
    return Open(clashes if conflicted else (), _lost(merged.manifest, staged))


def _as_left(clash: Clash, merged: Manifest, staged: Manifest) -> bool:
    """Nobody has touched what clashed."""
    if clash.dataset == model.FILE_NAME:
        return merged.extra == staged.extra
    return merged.datasets.get(clash.dataset) == staged.datasets.get(clash.dataset)


def _lost(merged: Manifest, staged: Manifest) -> tuple[str, ...]:
    ids = {version.id for _, version in staged.entries()}
    return tuple(
        f"{dataset.name} {version.name}"
        for dataset, version in merged.entries()
        if version.state is not State.PENDING and version.id not in ids
    )


def merged_sides(manager: DataManager) -> tuple[Merged | None, bool]:
    """What the driver makes of the sides, and whether Git has (or had) them in conflict."""
    sides = _sides(manager, _stages(manager))
    if sides is not None:
        return merge(*sides), True
    sides = _sides(manager, _of_commits(manager))
    return (merge(*sides) if sides else None), False


def _stages(manager: DataManager) -> dict[int, str]:
    """The blobs in conflict, or those that `git add` took the conflict away from."""
    for option in ("--unmerged", "--resolve-undo"):
        out = manager.git.output("ls-files", option, "-z", "--", model.FILE_NAME)
        words = [line.partition("\t")[0].split() for line in out.split("\0") if line]
        if words:
            return {int(stage): oid for _, oid, stage in words}
    return {}


def _of_commits(manager: DataManager) -> dict[int, str]:
    """The sides of a merge of two commits, which knows no conflict in the manifest."""
    theirs = (_read(manager.git.git_dir / "MERGE_HEAD") or "").split()
    base = manager.git.answer("merge-base", "HEAD", theirs[0]) if len(theirs) == 1 else None
    commits = (base, "HEAD", theirs[0]) if base else ()
    return {stage: f"{commit}:{model.FILE_NAME}" for stage, commit in enumerate(commits, 1)}


def _sides(manager: DataManager, specs: dict[int, str]) -> tuple[Manifest, Manifest, Manifest] | None:
    """None where there are none, or one cannot be read: the driver had merged it as text."""
    blobs = manager.git.blobs([specs.get(stage, "0" * 40) for stage in (1, 2, 3)]) if specs else []
    try:
        found = [model.loads(blob) if blob and blob.strip() else Manifest() for blob in blobs]
    except ManifestError:
        return None
    return (found[0], found[1], found[2]) if found else None


# `git data resolve` is a decision


def mark_resolved(manager: DataManager) -> None:
    """Note that a person has decided the merge at hand."""
    here = _merge_at_hand(manager)
    if here is not None:
        _mark(manager).parent.mkdir(exist_ok=True)
        _mark(manager).write_text(here)


def reopen(manager: DataManager, *, decided: bool) -> None:
    """Bring back a conflict that `git add` took away: a side is chosen after all, or nobody had decided."""
    if _merge_at_hand(manager) is None or is_unmerged(manager) or not (decided or _is_hidden(manager)):
        return
    stages = _stages(manager)
    if stages:  # `update-index --unresolve` knows merges alone
        gone = "0" * len(next(iter(stages.values())))
        lines = [f"0 {gone}\t", *(f"100644 {oid} {stage}\t" for stage, oid in stages.items())]
        given = "".join(f"{line}{model.FILE_NAME}\n" for line in lines).encode()
        manager.git.run("update-index", "--index-info", stdin=given)


def _is_hidden(manager: DataManager) -> bool:
    try:
        left = left_open(manager, manager.manifests.staged())
    except ManifestError:
        return False
    return left is not None and bool(left.clashes)


def _mark(manager: DataManager) -> Path:
    return manager.git.git_dir / "data" / "resolved"


def _marked(manager: DataManager) -> str | None:
    return _read(_mark(manager))


def _merge_at_hand(manager: DataManager) -> str | None:
    """Which merge, pick, revert or rebase is under way: begun anew it is another one."""
    for name in _HEADS:
        path = manager.git.git_dir / name
        text = _read(path)
        if text:
            return f"{name} {' '.join(text.split())} onto {manager.git.head()} at {path.stat().st_mtime_ns}\n"
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None
