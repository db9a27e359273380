"""Merging manifest.json: the driver Git calls, and `git data resolve` for what is left over."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from git_datamanager import fsio
from git_datamanager.errors import Conflict, DataError, ManifestError
from git_datamanager.manager import DataManager
from git_datamanager.model import manifest as model
from git_datamanager.model import strictjson
from git_datamanager.model.heads import stacked
from git_datamanager.model.manifest import Manifest
from git_datamanager.model.merge import Clash, merge

_MARKERS = {"ours": b"<" * 7, "base": b"|" * 7}
_END = b">" * 7


class Driven(NamedTuple):
    """What the merge driver could not decide, and which files have new versions of both sides now."""

    clashes: tuple[Clash, ...]
    stacked: tuple[str, ...]


def merge_driver(base: Path, ours: Path, theirs: Path, name: str) -> Driven:
    """Unite two manifests in the file of `ours`, as Git asks a merge driver to.

    With clashes the file is a valid manifest too: all versions of both sides, and `ours` where a person
    must decide. Raises ManifestError, leaving the file alone, where a side cannot be read.
    """
    old, mine, other = (
        _side(_bounded(path), f"{name} of {side}")
        for path, side in ((base, "the common ancestor"), (ours, "this side"), (theirs, "the other side"))
    )
    merged = merge(old, mine, other)
    fsio.write_durably(ours, model.dumps(merged.manifest))
    files = (d for d in merged.manifest if d.kind is model.Kind.FILE and d.state is None)
    before = {d.name for side in (mine, other) for d in side if stacked(d) is not None}
    new = (d.name for d in files if d.name not in before and stacked(d) is not None)
    return Driven(merged.clashes, tuple(new))


def _bounded(path: Path) -> bytes:
    """What is too big for a manifest is read only so far that loading it says so."""
    with path.open("rb") as file:
        return file.read(strictjson.MAX_BYTES + 1)


def _side(data: bytes, what: str) -> Manifest:
    """Both sides added the file: Git gives an empty ancestor."""
    return model.loads(data, what=what) if data.strip() else Manifest()


class Resolved(NamedTuple):
    """What `resolve` made of the manifest; with clashes left nothing was written."""

    clashes: tuple[Clash, ...]
    is_changed: bool


class _Sides(NamedTuple):
    base: Manifest
    ours: Manifest
    theirs: Manifest


def resolve(manager: DataManager, take: str | None = None) -> Resolved:
    """Merge a manifest that Git left in conflict, or that holds markers; write and stage it.

    `take` ("ours" or "theirs", in Git's sense: in a rebase `ours` is the branch one rebases onto) decides
    every clash. Without a conflict the manifest is brought into its canonical form.
    """
    with manager.manifests.lock():  # nobody changes between reading and writing what is merged here
        return _resolve(manager, take)


def _resolve(manager: DataManager, take: str | None) -> Resolved:
    data = manager.manifests.read() or b""
    sides = _unmerged(manager) or _marked(manager, data)
    if sides is None:
        return _stage(manager, manager.manifests.current(), data)
    mine, other = (sides.theirs, sides.ours) if take == "theirs" else (sides.ours, sides.theirs)
    merged = merge(sides.base, mine, other)
    if merged.clashes and take is None:
        return Resolved(merged.clashes, is_changed=False)
    if take is None:
        _keep_edits(manager, data, merged.manifest)
    return _stage(manager, merged.manifest, data)


def _stage(manager: DataManager, manifest: Manifest, before: bytes) -> Resolved:
    manager.manifests.write(manifest)
    manager.git.stage([model.FILE_NAME])
    return Resolved((), is_changed=model.dumps(manifest) != before)


def _unmerged(manager: DataManager) -> _Sides | None:
    """The three stages of the index; a side that deleted the file counts as empty."""
    if not manager.git.output("ls-files", "-u", "--", model.FILE_NAME):
        return None
    blobs = manager.git.blobs([f":{stage}:{model.FILE_NAME}" for stage in (1, 2, 3)])
    names = ("the common ancestor", "this side", "the other side")
    return _Sides(
        *(_side(blob or b"", f"{model.FILE_NAME} of {n}") for blob, n in zip(blobs, names, strict=True))
    )


def _marked(manager: DataManager, data: bytes) -> _Sides | None:
    """The sides of a file with conflict markers whose stages are gone (it was added as it was)."""
    texts = split_conflicts(data)
    if texts is None:
        return None
    ours = _side(texts.ours, "this side of the markers")
    theirs = _side(texts.theirs, "the other side of the markers")
    return _Sides(_ancestor(manager, texts.base), ours, theirs)


class Texts(NamedTuple):
    """A file with conflict markers, as each side had it; the base where every conflict names it."""

    ours: bytes
    base: bytes | None
    theirs: bytes


def split_conflicts(data: bytes) -> Texts | None:
    """Take the sides apart; None where no conflict is marked. A conflict that does not end is plain text."""
    sides: dict[str, list[bytes]] = {"ours": [], "base": [], "theirs": []}
    found, all_based = False, True
    for conflict in _parts(data.splitlines(keepends=True)):
        if isinstance(conflict, bytes):
            for lines in sides.values():
                lines.append(conflict)
            continue
        found, all_based = True, all_based and "base" in conflict
        for side, lines in sides.items():
            lines.extend(conflict.get(side, []))
    if not found:
        return None
    ours, base, theirs = (b"".join(lines) for lines in sides.values())
    return Texts(ours, base if all_based else None, theirs)


def _parts(lines: list[bytes]) -> Iterator[bytes | dict[str, list[bytes]]]:
    """Plain lines, and conflicts with the lines of their sides; each line is looked at once."""
    conflict: dict[str, list[bytes]] = {}
    began = 0
    for number, line in enumerate(lines):
        at = next(reversed(conflict), None)
        if at is None:
            if line.startswith(_MARKERS["ours"]):
                conflict, began = {"ours": []}, number
            else:
                yield line
        elif at == "theirs" and line.startswith(_END):
            yield conflict
            conflict = {}
        elif (following := _side_begun(at, line)) is not None:
            conflict[following] = []
        else:
            conflict[at].append(line)
    if conflict:
        yield from lines[began:]


def _side_begun(at: str, line: bytes) -> str | None:
    """Which side a marker begins, seen from the side before it."""
    if at == "ours" and line.startswith(_MARKERS["base"]):
        return "base"
    text = line.rstrip(b"\r\n")
    is_middle = len(text) >= 7 and not text.strip(b"=")
    return "theirs" if at != "theirs" and is_middle else None


def _ancestor(manager: DataManager, marked: bytes | None) -> Manifest:
    """From diff3 markers, else from the merge at hand; an empty one takes nothing away from any side."""
    if marked is not None:
        return _side(marked, "the common ancestor in the markers")
    commit = manager.git.answer("merge-base", "HEAD", "MERGE_HEAD")
    try:
        return manager.manifests.at(commit) if commit else Manifest()
    except DataError:
        return Manifest()


def _keep_edits(manager: DataManager, data: bytes, merged: Manifest) -> None:
    """Nobody's work by hand is replaced: a valid file that no side and no merge wrote is a decision."""
    stages = manager.git.blobs([f":{stage}:{model.FILE_NAME}" for stage in (1, 2, 3)])
    if not data or data in (model.dumps(merged), *stages):
        return
    try:
        model.loads(data)
    except ManifestError:
        return
    raise Conflict(
        f"{model.FILE_NAME} was edited since the merge began: it was left as it is",
        hints=[
            f"git add -f {model.FILE_NAME}   # takes your edit",
            "git data resolve --ours   # or --theirs: merges anew, without it",
        ],
    )
