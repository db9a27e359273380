"""The manifest in its three places: work tree, index, commits; and changing it safely."""

import os
import stat as stat_module
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from git_datamanager import fsio
from git_datamanager.errors import DataError, Locked, ManifestError
from git_datamanager.model import manifest as model
from git_datamanager.model import strictjson
from git_datamanager.model.evolve import committed_ids
from git_datamanager.model.manifest import Manifest
from git_datamanager.workspace import ignorefile
from git_datamanager.workspace.git import Git

INDEX = ":" + model.FILE_NAME
HEAD = "HEAD:" + model.FILE_NAME
_LOCK_SECONDS = 60
_BACK_TO_HEAD = (
    f"git diff HEAD -- {model.FILE_NAME}       # what changed since the last commit",
    f"git checkout HEAD -- {model.FILE_NAME}   # back to it; what was added since is added again",
)


class Manifests:
    """Reads and writes manifest.json of one clone."""

    def __init__(self, git: Git, state_folder: Path) -> None:
        self._git = git
        self._lock_file = state_folder / "lock"
        self._holding = threading.local()

    @property
    def path(self) -> Path:
        return self._git.work_tree / model.FILE_NAME

    def current(self) -> Manifest:
        """The work tree's manifest, or HEAD's where there is no work tree."""
        if self._git.top is None:
            return self.at("HEAD")
        data = self.read()
        if data is None:
            # Sparse checkouts and people who delete files: what Git knows still counts.
            found = self.several([INDEX, HEAD])
            data_found = next((m for m in found if m is not None), None)
            if data_found is None:
                raise ManifestError(
                    f"there is no {model.FILE_NAME} here: nothing was done", hints=["git data init"]
                )
            return data_found
        with _explained(_BACK_TO_HEAD):
            return model.loads(data)

    def read(self) -> bytes | None:
        """The file as it lies there, None without one. Raises ManifestError for a link and for what is
        too big for a manifest."""
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return None
        if not stat_module.S_ISREG(found.st_mode):
            raise ManifestError(
                f"{model.FILE_NAME} is a link or a folder: it was not read", hints=_BACK_TO_HEAD
            )
        if found.st_size > strictjson.MAX_BYTES:
            raise ManifestError(
                f"{model.FILE_NAME} has {found.st_size:,} bytes, more than {strictjson.MAX_BYTES >> 20} MiB: "
                "it was not read, and nothing was changed",
                hints=_BACK_TO_HEAD,
            )
        return self.path.read_bytes()

    def at(self, revision: str) -> Manifest:
        """The manifest of a commit. Raises NotFound, ManifestError."""
        commit = self._git.resolve(revision)
        found = self.several([f"{commit}:{model.FILE_NAME}"])[0]
        if found is None:
            raise ManifestError(
                f"the commit {commit[:12]} holds no {model.FILE_NAME}: nothing was done",
                hints=[f"git log --oneline -- {model.FILE_NAME}"],
            )
        return found

    def several(self, specs: Sequence[str]) -> list[Manifest | None]:
        """The manifests behind `HEAD:manifest.json`, `:manifest.json`, …; None where there is none."""
        blobs = self._blobs(specs)
        return [
            None if blob is None else _read_blob(spec, blob) for spec, blob in zip(specs, blobs, strict=True)
        ]

    def _blobs(self, specs: Sequence[str]) -> list[bytes | None]:
        with _explained(_BACK_TO_HEAD):
            return self._git.blobs(specs)

    def staged(self) -> Manifest:
        """The index's manifest: what the next commit will hold. Empty where there is none."""
        return self.several([INDEX])[0] or Manifest()

    def committed(self) -> Manifest:
        """HEAD's manifest; empty on an unborn branch."""
        return self.several([HEAD])[0] or Manifest()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Only one process (and thread) of this clone changes the manifest at a time. Whoever holds it
        may ask again. Raises Locked.
        """
        if getattr(self._holding, "lock", False):
            yield
            return
        with self._file_lock():
            self._holding.lock = True
            try:
                yield
            finally:
                self._holding.lock = False

    @contextmanager
    def _file_lock(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._lock_file, timeout=_LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout as error:
            raise Locked(
                f"another git data has held {self._lock_file} for {_LOCK_SECONDS} s: nothing was changed",
                hints=["ps -e | grep git-data   # which one; then run the same command again"],
            ) from error
        try:
            yield
        finally:
            lock.release()

    def change(
        self,
        evolve: Callable[[Manifest, frozenset[str]], Manifest],
        *,
        ignore: Callable[[str], str] | None = None,
        dry_run: bool = False,
    ) -> Manifest:
        """Read, evolve, write and stage the manifest (and .gitignore) under the lock.

        `evolve` gets the manifest and the ids that are committed. The new manifest is returned; nothing
        is written where it is the same or with `dry_run`.
        """
        with self.lock():
            before = self.current()
            ids = self._committed_ids()
            with _explained(["git data ls   # the names that are taken"]):
                after = evolve(before, ids)
            if dry_run:
                return after
            fsio.sweep(self._git.work_tree)
            self._write(after)
            if ignore is not None:
                self._rewrite_ignore(ignore)
            # Also what was written before: a run may have been killed between writing and staging.
            names = [model.FILE_NAME] + ([ignorefile.FILE_NAME] if ignore is not None else [])
            self._git.stage([name for name in names if (self._git.work_tree / name).exists()])
        return after

    def _committed_ids(self) -> frozenset[str]:
        """The entries some commit holds: HEAD's, and those a merge or cherry-pick at hand brings along."""
        specs = [f"{revision}:{model.FILE_NAME}" for revision in ("HEAD", *self._git.coming())]
        head, *coming = self._blobs(specs)
        manifests = [_read_blob(HEAD, head)] if head is not None else []
        for blob in coming:
            # A side that cannot be read brought nothing: whoever merges has settled that already.
            with suppress(ManifestError):
                manifests.append(model.loads(blob or b""))
        return committed_ids(manifests)

    def write(self, manifest: Manifest) -> bool:
        """Write (not stage) the manifest; False where the file has these bytes already."""
        with self.lock():
            return self._write(manifest)

    def _write(self, manifest: Manifest) -> bool:
        data = model.dumps(manifest)
        if self.read() == data:
            return False
        fsio.write_durably(self.path, data)
        return True

    def _rewrite_ignore(self, change: Callable[[str], str]) -> bool:
        path = self._git.work_tree / ignorefile.FILE_NAME
        if path.is_symlink():
            raise DataError(f"{ignorefile.FILE_NAME} is a symbolic link: it was not changed")
        # Lines in any encoding survive: only ours are text to us.
        text = path.read_bytes().decode(errors="surrogateescape") if path.exists() else ""
        changed = change(text)
        if changed == text:
            return False
        fsio.write_durably(path, changed.encode(errors="surrogateescape"))
        return True


def _read_blob(spec: str, blob: bytes) -> Manifest:
    """A manifest that Git holds: of the index (`:manifest.json`) or of a commit."""
    revision = spec.partition(":")[0]
    with _explained(_BACK_TO_HEAD if not revision else [f"git log -p -1 {revision} -- {model.FILE_NAME}"]):
        return model.loads(blob, what=spec if revision else f"the staged {model.FILE_NAME}")


@contextmanager
def _explained(hints: Sequence[str]) -> Iterator[None]:
    """Whoever reads a bad manifest hears that nothing happened, and how to get a good one back."""
    try:
        yield
    except ManifestError as error:
        raise type(error)(f"{error}: nothing was changed", hints=error.hints or hints) from error
