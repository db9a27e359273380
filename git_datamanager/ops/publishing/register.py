"""Which repositories keep bytes in a store: `repos/<id>.json`, written by publish (docs/spec/lease-v1.md)."""

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from git_datamanager import documents
from git_datamanager.errors import Conflict, SettingsError
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import REPOSITORIES, repository_key
from git_datamanager.model.records import Repository
from git_datamanager.storage.base import ABSENT, StorageAdapter
from git_datamanager.workspace.git import Git
from git_datamanager.workspace.journal import utc_now
from git_datamanager.workspace.settings import without_secrets

_SCP = re.compile(r"(?:[^@/]+@)?([^:/\[\]]+):(?!//)(.*)")
_WEB = {"https": 443, "http": 80, "ssh": 22, "git": 9418}


def address(git: Git, remote: str | None) -> str:
    """The address of the repository that publishes, without credentials: the same for https and ssh."""
    url = git.output("remote", "get-url", remote) if remote else str(git.common_dir)
    return plain(url, git.top or git.git_dir)


def plain(url: str, start: Path) -> str:
    """One spelling of an address: no user, password, query or `.git`; paths absolute from `start`. It is
    text, whatever encoding a folder's name has. Raises SettingsError for what is no address."""
    try:
        return _plain(url, start).encode(errors="surrogateescape").decode(errors="backslashreplace")
    except ValueError as error:
        raise SettingsError(f"{without_secrets(url)!r} is no address of a repository: {error}") from error


def _plain(url: str, start: Path) -> str:
    scp = None if "://" in url or os.path.exists(start / url) else _SCP.fullmatch(url)  # noqa: PTH110 - may be no path
    if scp and len(scp[1]) > 1:  # one letter is a drive
        return _joined(scp[1], None, scp[2])
    parts = urlsplit(url) if "://" in url else None
    if parts and parts.scheme in _WEB and parts.hostname:
        port = None if parts.port in (None, _WEB[parts.scheme]) else parts.port
        return _joined(parts.hostname, port, parts.path)
    path = Path(parts.path if parts and parts.scheme == "file" else url)
    return "file://" + os.path.realpath(start / path).removesuffix("/.git").removesuffix(".git")


def _joined(host: str, port: int | None, path: str) -> str:
    where = host.lower() + (f":{port}" if port else "")
    return f"https://{where}/{path.strip('/').removesuffix('.git')}"


def identity(url: str) -> str:
    """The hex digest that names a repository in the register."""
    return hashlib.sha256(url.encode()).hexdigest()


def register(manager: DataManager, remote: str | None) -> None:
    """Say in production that this repository's refs are roots. Once is enough."""
    url = without_secrets(address(manager.git, remote))
    store, key = manager.store("production").adapter, repository_key(identity(url))
    if store.stat_object(key) is not None:
        return
    try:
        documents.write(store, key, Repository(url=url, registered=utc_now()), ABSENT)
    except Conflict:
        return  # another run was quicker


def registered(store: StorageAdapter) -> list[Repository]:
    """All repositories of a store. Raises Corrupt for an entry that cannot be read."""
    found = (documents.fetch(store, s.key, Repository) for s in store.list_objects(REPOSITORIES))
    return [repository for repository in found if repository is not None]
