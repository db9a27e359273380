"""The composition root and the door of the Python API.

    from git_datamanager import DataManager
    from git_datamanager.ops import pull

    manager = DataManager.open("path/to/clone")
    pull.pull(manager, ["data/energy.sqlite@v3"])

A `DataManager` holds the parts of one clone and has no logic of its own; the verbs are the functions
in `git_datamanager.ops`. Parts are made when first used.
"""

import os
import shlex
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from git_datamanager.errors import DataError, SettingsError
from git_datamanager.events import Progress, note, silent, warn
from git_datamanager.model.oid import Oid
from git_datamanager.workspace.cache import Cache
from git_datamanager.workspace.cutsfile import CutsFiles
from git_datamanager.workspace.git import Git, open_git
from git_datamanager.workspace.journal import Journal
from git_datamanager.workspace.manifests import Manifests
from git_datamanager.workspace.remotes import Remote, Remotes, Trust
from git_datamanager.workspace.settings import Settings, is_initialised, load
from git_datamanager.workspace.statecache import StateCache
from git_datamanager.workspace.worktree import WorkTree

if TYPE_CHECKING:
    from git_datamanager.objects import ObjectStore
    from git_datamanager.workspace.folderpacks import Packs
    from git_datamanager.workspace.folders import Folders
    from git_datamanager.workspace.partials import Partials
    from git_datamanager.workspace.resumebook import UploadBook


_Part = TypeVar("_Part")
_MAKING = threading.RLock()


class _once(Generic[_Part]):  # noqa: N801 - a decorator
    """A part that is made once, by whichever thread needs it first: cached_property has no lock."""

    def __init__(self, make: "Callable[[DataManager], _Part]") -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, manager: "DataManager | None", _: type) -> _Part:
        if manager is None:
            return cast("_Part", self)
        made = vars(manager)  # found there before this is asked again
        with _MAKING:
            if self._name not in made:
                made[self._name] = self._make(manager)
            return cast("_Part", made[self._name])


@dataclass(frozen=True)
class DataManager:
    """One clone: its Git repository, settings, stores, cache, journal."""

    git: Git
    settings: Settings
    progress: Progress = silent
    confirm: Callable[[Remote], bool] = lambda _: False
    """Asked once before the first request to a store that only tracked files name."""

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] = ".",
        *,
        progress: Progress = silent,
        confirm: Callable[[Remote], bool] = lambda _: False,
    ) -> "DataManager":
        """Find the repository around `path`.

        Raises DataError where there is none or `git data init` was never run there.
        """
        git = open_git(path)
        settings = load(git)
        if not is_initialised(git) and not settings.get("data.remote.staging.url"):
            raise DataError(
                "git data is not set up in this repository: nothing was done", hints=["git data init"]
            )
        for text in settings.warnings:
            warn(progress, text)
        return cls(git, settings, progress, confirm)

    @property
    def state_folder(self) -> Path:
        """Shared by all work trees of the clone."""
        return Path(os.environ.get("GIT_DATA_DIR") or self.git.common_dir / "data")

    @property
    def cache_folder(self) -> Path:
        """That of this clone, or one that several share: `data.cacheDir`, an absolute path."""
        shared = self.settings.get("data.cacheDir")
        if not shared:
            return self.state_folder / "cache"
        path = Path(shared).expanduser()
        if not path.is_absolute():
            raise SettingsError(
                f"data.cacheDir is {shared!r}: it has to be an absolute path",
                hints=[f"git config data.cacheDir {shlex.quote(str(path.absolute()))}"],
            )
        return path

    @_once
    def manifests(self) -> Manifests:
        return Manifests(self.git, self.state_folder)

    @_once
    def journal(self) -> Journal:
        return Journal(self.state_folder / "journal.db", self._user, lambda text: warn(self.progress, text))

    @_once
    def cache(self) -> Cache:
        return Cache(
            self.cache_folder,
            self.settings.choice("data.cache"),
            lambda: self.settings.size("data.cacheSize"),
            lambda oid: bool(self.journal.holders(oid)),
            kept=self.state_folder / "kept",
        )

    @_once
    def cuts(self) -> CutsFiles:
        return CutsFiles(self.cache_folder)

    @_once
    def work(self) -> WorkTree:
        states = StateCache(self.git.git_dir / "data" / "state.db")
        return WorkTree(self.git.work_tree, states, self.cache, lambda text: note(self.progress, text))

    @_once
    def packs(self) -> "Packs":
        """Small members of folders, shared by all work trees of the clone."""
        from git_datamanager.workspace.folderpacks import Packs

        return Packs(
            self.cache_folder,
            self.settings.choice("data.cache"),
            lambda: self.settings.size("data.cacheSize"),
            lambda oid: bool(self.journal.holders(oid)),
        )

    @_once
    def folders(self) -> "Folders":
        """The working folders of datasets of kind `tree`."""
        from git_datamanager.workspace.folders import Folders
        from git_datamanager.workspace.folderstate import FolderStates

        states = FolderStates(self.git.git_dir / "data" / "folders")
        return Folders(
            self.git.work_tree, states, self.packs, self.cache, lambda text: note(self.progress, text)
        )

    @_once
    def uploads(self) -> "UploadBook":
        """Uploads in parts that broke off."""
        from git_datamanager.workspace.resumebook import UploadBook

        return UploadBook(self.state_folder / "uploads.db")

    @_once
    def partials(self) -> "Partials":
        """Downloads that broke off."""
        from git_datamanager.workspace.partials import Partials

        return Partials(self.state_folder / "partial")

    @_once
    def remotes(self) -> Remotes:
        return Remotes(self.git, self.settings, Trust(self.state_folder / "trust"), self.confirm)

    def store(self, role: str) -> "ObjectStore":
        """`staging` or `production`. Raises Untrusted, SettingsError; sends nothing yet."""
        store = self.remotes.open(role)
        if store.book is None:
            from git_datamanager.storage.traffic import TRAFFIC

            TRAFFIC.limit(
                memory=self.settings.size("data.memory"), bandwidth=self.settings.size("data.bandwidth")
            )
            store.book = self.uploads
        return store

    def held_by(self, oid: Oid) -> set[str]:
        """The roles whose store was seen to hold these bytes; offline, from the journal."""
        holders = self.journal.holders(oid)
        return {role for role in ("staging", "production") if self._url(role) in holders}

    def _url(self, role: str) -> str | None:
        try:
            return self.remotes.remote(role).url
        except SettingsError:
            return None

    def _user(self) -> str:
        try:
            return self.git.author()
        except SettingsError:
            return "unknown"


open_manager = DataManager.open
