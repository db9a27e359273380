"""A work tree with folders, and what its tests ask of it."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from git_datamanager.content import tree
from git_datamanager.content.tree import Listing, Member
from git_datamanager.model.members import check_members
from git_datamanager.model.oid import Oid
from git_datamanager.workspace.cache import Cache
from git_datamanager.workspace.folderbuild import Provide
from git_datamanager.workspace.folderpacks import Packs
from git_datamanager.workspace.folderput import Version, materialise
from git_datamanager.workspace.folders import Folders
from git_datamanager.workspace.folderstate import FolderStates

Files = dict[str, bytes]
OLD_TIME = 1_600_000_000.123


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def folders_in(root: Path, *, mode: str = "auto", held: bool = False, limit: int = 1 << 40) -> Folders:
    """The folders of a clone below `root`; what is announced stands in `root/said`."""
    (root / "top").mkdir(exist_ok=True)
    cache = Cache(root / "data" / "cache", mode, lambda: limit, lambda _: held)
    packs = Packs(root / "data" / "cache", mode, lambda: limit, lambda _: held)
    states = FolderStates(root / "git" / "data" / "folders")

    def announce(text: str) -> None:
        with (root / "said").open("a") as file:
            file.write(text + "\n")

    return Folders(root / "top", states, packs, cache, announce)


def write(folder: Path, files: Files, *, executable: Sequence[str] = ()) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755 if name in executable else 0o644)


def read(folder: Path) -> Files:
    """Every file below, with its content."""
    found = (p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def listing(files: Files, *, executable: Sequence[str] = ()) -> Listing:
    members = (Member(name, len(data), sha(data), name in executable) for name, data in files.items())
    return tree.listing(members, check=check_members)


def version(files: Files, *, executable: Sequence[str] = ()) -> Version:
    made = listing(files, executable=executable)
    return Version(Oid(tree.digest_of(made).hex()), made)


def provider(files: Files) -> Provide:
    """Gives the bytes of these files."""
    contents = {sha(data): data for data in files.values()}
    return lambda members: [(m.digest, contents[m.digest]) for m in members if m.digest in contents]


def put(folders: Folders, name: str, files: Files, known: Sequence[Files] = (), **more: bool) -> str | None:
    return materialise(
        folders, name, version(files), provider(files), known=[listing(k) for k in known], **more
    )


def kept_bytes(root: Path, folders: Folders) -> set[bytes]:
    """All contents that this clone has somewhere, but for the packs' own framing."""
    places = [root / "top", root / "data" / "kept", *(root / "data" / "cache").glob("[0-9a-f][0-9a-f]")]
    found = {data for place in places for data in read(place).values()}
    digests = [d for p in folders.packs for d in folders.packs.read_index(p.oid).digests]
    return found | {data for _, data in folders.packs.read(digests)}


def leftovers(root: Path) -> list[str]:
    return [p.name for p in (root / "top").rglob(".git-data-tmp-*")]


def inodes(folder: Path) -> set[int]:
    return {os.lstat(p).st_ino for p in folder.rglob("*") if p.is_file()}
