"""`git data init` and `git data trust`: what a repository and a clone need before the first dataset."""

import os
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from git_datamanager import fsio
from git_datamanager.errors import Conflict, ManifestError, SettingsError
from git_datamanager.manager import DataManager
from git_datamanager.model import manifest as model
from git_datamanager.model.manifest import Manifest
from git_datamanager.storage import local
from git_datamanager.storage.locate import overlap, parse
from git_datamanager.workspace import ignorefile, settings
from git_datamanager.workspace.git import Git, open_git
from git_datamanager.workspace.remotes import Remote
from git_datamanager.workspace.settings import ROLES

ATTRIBUTES = ".gitattributes"
_MARKER = ".git-data-store"
"""In a folder store that init created: an empty mount point has none. Nothing asks for it yet."""
_MARKER_TEXT = b"git-data/store/1\n"
_ATTRIBUTE_LINES = (
    "manifest.json text eol=lf diff=git-data merge=git-data",
    ".gitdata text eol=lf",
    ".gitignore merge=union",
)


class Initialised(NamedTuple):
    """What `init` found and did."""

    written: list[str]
    """Files it wrote and staged."""
    created: list[Path]
    """Folder stores it created."""
    stores: dict[str, str]
    dotenv: str | None
    """An untracked file with the seed's names, which `data.dotenv` could ask for."""


def init(
    path: str = ".", *, staging: str | None = None, production: str | None = None, dry_run: bool = False
) -> Initialised:
    """Write and stage .gitdata, manifest.json, .gitattributes, .gitignore; create and trust the
    folder stores that were named here (or beside the repository). Running it again completes what is missing.

    Raises ManifestError where a manifest.json of another kind is in the way: nothing is written then.
    """
    git = open_git(path)
    top = git.work_tree
    _check_manifest(top / model.FILE_NAME)
    known = settings.load(git)
    given = {"staging": staging, "production": production}
    stores = {role: _store_url(git, known, role, given[role]) for role in ROLES}
    if overlap(parse(stores["staging"]), parse(stores["production"]), base=git.main_top):
        raise SettingsError(
            f"staging and production must lie apart: {stores['staging']}, {stores['production']}"
        )
    for url in stores.values():
        _refuse_inside(git, url)
    contents = _contents(git, top, stores)
    changed = [name for name, data in contents.items() if _read(top / name) != data]
    if not dry_run:
        wanted = [url for role, url in stores.items() if _is_ours(git, role, url, given)]
        created = [folder for url in wanted if (folder := _create_folder(url, git.main_top))]
        for name in changed:
            fsio.write_durably(top / name, contents[name])
        git.stage(list(contents))
        _trust(git, stores, given)
        return Initialised(changed, created, stores, _unasked_dotenv(git, known))
    return Initialised(changed, [], stores, _unasked_dotenv(git, known))


def _unasked_dotenv(git: Git, known: settings.Settings) -> str | None:
    path = git.work_tree / ".env"
    if known.get("data.dotenv") or not path.is_file() or git.tracked([".env"]):
        return None
    names = re.findall(r"(?m)^\s*(?:export\s+)?((?:R2|AWS)_[A-Z_]+)\s*=", path.read_text(errors="replace"))
    return ".env" if names else None


def _check_manifest(path: Path) -> None:
    data = _read(path)
    if data is None:
        return
    try:
        model.loads(data)
    except ManifestError as error:
        raise ManifestError(
            f"there is a manifest.json that git data did not write ({error}): nothing was changed",
            hints=["git mv manifest.json another-name.json", *error.hints],
        ) from error


def _read(path: Path) -> bytes | None:
    if path.is_symlink():
        raise Conflict(f"{path.name} is a symbolic link: nothing was changed")
    return path.read_bytes() if path.is_file() else None


def _store_url(git: Git, known: settings.Settings, role: str, given: str | None) -> str:
    """The address asked for, the one there is, or a folder beside the repository."""
    if given is not None:
        url = given if _has_scheme(given) else f"file:{given}"
        parse(url)
        return url
    standing = known.get(f"data.remote.{role}.url")
    return standing or _default_url(git, role)


def _default_url(git: Git, role: str) -> str:
    return f"file:../{git.main_top.name}.data/{role}"


def _is_ours(git: Git, role: str, url: str, given: dict[str, str | None]) -> bool:
    """Somebody named it here and now, or it is the folder beside the repository. Any other address may
    come with the clone, from whoever wrote the commit."""
    return given[role] is not None or url == _default_url(git, role)


def _refuse_inside(git: Git, url: str) -> None:
    """A folder store in the work tree would end up in Git."""
    address = parse(url)
    if address.scheme == "file":
        folder = Path(os.path.realpath(git.main_top / address.place))
        if folder.is_relative_to(os.path.realpath(git.work_tree)):
            beside = shlex.quote(_default_url(git, "staging").removeprefix("file:"))
            raise SettingsError(
                f"the store {url} would lie inside the work tree, and Git would take it along: "
                "nothing was changed",
                hints=[f"git data init --staging {beside}   # beside it"],
            )


def _has_scheme(text: str) -> bool:
    head, colon, _ = text.partition(":")
    return bool(colon) and len(head) > 1 and head.replace("+", "").isalnum()


def _contents(git: Git, top: Path, stores: dict[str, str]) -> dict[str, bytes]:
    """The four files as they should be."""
    ignore = (_read(top / ignorefile.FILE_NAME) or b"").decode(errors="surrogateescape")
    attributes = (_read(top / ATTRIBUTES) or b"").decode(errors="surrogateescape")
    return {
        settings.FILE_NAME: _gitdata(git, top, stores),
        model.FILE_NAME: _read(top / model.FILE_NAME) or model.dumps(Manifest()),
        ATTRIBUTES: _with_lines(attributes).encode(errors="surrogateescape"),
        ignorefile.FILE_NAME: ignorefile.empty_block(ignore).encode(errors="surrogateescape"),
    }


def _with_lines(text: str) -> str:
    present = {line.strip() for line in text.splitlines()}
    missing = [line for line in _ATTRIBUTE_LINES if line not in present]
    start = text if not text or text.endswith("\n") else text + "\n"
    return start + "".join(line + "\n" for line in missing)


def _gitdata(git: Git, top: Path, stores: dict[str, str]) -> bytes:
    """Edited by git itself, in a scratch copy, so that other keys and comments stay."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="git-data-") as folder:
        scratch = Path(folder) / "gitdata"
        scratch.write_bytes(_read(top / settings.FILE_NAME) or b"")
        for role, url in stores.items():
            git.run("config", "-f", str(scratch), f"data.remote.{role}.url", url)
        return scratch.read_bytes()


def _trust(git: Git, stores: dict[str, str], given: dict[str, str | None]) -> None:
    """What the user named here needs no second question; nor do the folders just created. Where a
    tracked file adds an endpoint to what was named, the whole address was not."""
    loaded = settings.load(git)
    remotes = DataManager(git, loaded).remotes
    for role, url in stores.items():
        added = (loaded.setting(f"data.remote.{role}.{key}") for key in ("endpoint", "region", "accountId"))
        if _is_ours(git, role, url, given) and not any(s is not None and s.is_tracked for s in added):
            remotes.trust.confirm(remotes.remote(role))


def _create_folder(url: str, base: Path) -> Path | None:
    """Make a folder store that is not there yet; None for everything else."""
    address = parse(url)
    folder = Path(os.path.normpath(base / address.place))
    if address.scheme != "file" or folder.is_dir():
        return None
    local.create(folder)
    fsio.write_durably(folder / _MARKER, _MARKER_TEXT)
    return folder


class Question(NamedTuple):
    """A store address that waits for somebody's word."""

    place: Remote
    is_trusted: bool


def trust(manager: DataManager, confirm: Callable[[Remote], bool]) -> list[Question]:
    """Ask about every store address that only tracked files name; remember what was confirmed.

    Raises SettingsError for an address that no store can have, before anything is asked.
    """
    asked: list[Question] = []
    every = places(manager)
    for place in every:
        parse(place.url)
    for place in every:
        if manager.remotes.trust.covers(place):
            asked.append(Question(place, is_trusted=True))
        elif confirm(place):
            manager.remotes.trust.confirm(place)
            asked.append(Question(place, is_trusted=True))
        else:
            asked.append(Question(place, is_trusted=False))
    return asked


def places(manager: DataManager) -> Sequence[Remote]:
    """The configured stores."""
    return [manager.remotes.remote(role) for role in ROLES if manager.settings.get(f"data.remote.{role}.url")]
