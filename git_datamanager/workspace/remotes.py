"""The two stores of this clone: address, credentials, trust (docs/design/threat-model.md).

An address that only tracked files name comes from whoever wrote the commit. Ambient AWS keys work
against any host, so no request leaves for such an address before somebody in this clone said yes.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from git_datamanager import fsio
from git_datamanager.errors import NoCredentials, SettingsError, Unreachable, Untrusted
from git_datamanager.workspace.git import Git
from git_datamanager.workspace.settings import ROLES, Settings, credential, without_secrets

if TYPE_CHECKING:
    from git_datamanager.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a store is, and who says so."""

    role: str
    url: str
    origin: str
    is_tracked: bool

    @property
    def fingerprint(self) -> str:
        import hashlib

        return hashlib.sha256(f"{self.role} {self.url}".encode()).hexdigest()


def remote(settings: Settings, role: str) -> Remote:
    """The configured store. Raises SettingsError where there is none."""
    found = settings.setting(f"data.remote.{role}.url")
    if found is None:
        raise SettingsError(
            f"no {role} store is configured",
            hints=["git data init", f"git config data.remote.{role}.url s3://bucket/prefix"],
        )
    parts = [(item, settings.setting(f"data.remote.{role}.{item}")) for item in ("endpoint", "region")]
    if found.value.startswith("r2:"):
        parts.append(("account", settings.setting(f"data.remote.{role}.accountId")))
    extra = {item: setting for item, setting in parts if setting is not None}
    tracked = found.is_tracked or any(setting.is_tracked for setting in extra.values())
    url = _with_query(found.value, {item: setting.value for item, setting in extra.items()})
    return Remote(role, url, found.origin, tracked)


def _with_query(url: str, extra: dict[str, str]) -> str:
    """What stands in the URL wins over the settings beside it."""
    if not extra or url.startswith("file:"):
        return url
    from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

    from git_datamanager.storage.locate import parse

    parse(url)  # a tracked file may hold anything: SettingsError, before urlsplit stumbles over it
    split = urlsplit(url)
    given = dict(parse_qsl(split.query))
    added = "&".join(f"{k}={quote(v, safe=':/')}" for k, v in extra.items() if k not in given)
    query = "&".join(part for part in (split.query, added) if part)
    return urlunsplit(split._replace(query=query))


class Trust:
    """The addresses somebody has confirmed in this clone: `data/trust`, one digest a line."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def covers(self, place: Remote) -> bool:
        return (
            not place.is_tracked
            or os.environ.get("GIT_DATA_TRUST") == "1"
            or place.fingerprint in self._confirmed()
        )

    def confirm(self, place: Remote) -> None:
        lines = sorted({*self._confirmed(), place.fingerprint})
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fsio.write_durably(self._file, "".join(line + "\n" for line in lines).encode())

    def _confirmed(self) -> set[str]:
        try:
            return set(self._file.read_text().split())
        except FileNotFoundError:
            return set()


class Remotes:
    """Opens the stores of a clone, each once, and only trusted ones."""

    def __init__(self, git: Git, settings: Settings, trust: Trust, confirm: Callable[[Remote], bool]) -> None:
        self._git = git
        self._settings = settings
        self.trust = trust
        self._confirm = confirm
        self._open: dict[str, ObjectStore] = {}
        self._refused: set[str] = set()
        self._lock = threading.Lock()

    def remote(self, role: str) -> Remote:
        return remote(self._settings, role)

    def open(self, role: str) -> "ObjectStore":
        """The store behind a role. Raises Untrusted, SettingsError; asks nothing of the store yet.

        Of several threads one opens it (and asks about it), the others get what came of that.
        """
        with self._lock:
            if role not in self._open:
                self._open[role] = self._connect(self.remote(role))
            return self._open[role]

    def _connect(self, place: Remote) -> "ObjectStore":
        if not self.trust.covers(place) and place.fingerprint not in self._refused:
            if self._confirm(place):
                self.trust.confirm(place)
            else:
                self._refused.add(place.fingerprint)
        if not self.trust.covers(place):
            raise Untrusted(
                f"the {place.role} store {without_secrets(place.url)} is named only by tracked files: "
                "no request was sent",
                hints=["git data trust"],
            )
        self._check_apart()
        from git_datamanager.objects import ObjectStore
        from git_datamanager.storage.locate import Access, open_store, parse

        s = self._settings
        access = Access(
            profile=s.get(f"data.remote.{place.role}.profile"),
            access_key=self._key(place, "ACCESS_KEY_ID"),
            secret_key=self._key(place, "SECRET_ACCESS_KEY"),
            session_token=s.dotenv.get("AWS_SESSION_TOKEN"),
            region=s.get(f"data.remote.{place.role}.region"),
            endpoint=s.get(f"data.remote.{place.role}.endpoint"),
            account_id=s.get(f"data.remote.{place.role}.accountId"),
        )
        if bool(access.access_key) != bool(access.secret_key):
            raise NoCredentials(f"one half of the key pair for {place.url} is missing")
        address = parse(place.url)
        if address.scheme == "file":
            self._check_folder(place, address.place)
        return ObjectStore(open_store(address, access, base=self._git.main_top), place.role)

    def _check_folder(self, place: Remote, folder: str) -> None:
        """A folder that is not there may be a drive that is not mounted: never a new, empty store."""
        path = Path(os.path.normpath(self._git.main_top / folder))
        if not path.is_dir():
            raise Unreachable(
                f"the {place.role} store is not there: no folder {path} ({place.origin}); "
                "nothing was changed",
                hints=[
                    f"git config data.remote.{place.role}.url file:/path/to/the/folder   # where it is now"
                ],
            )

    def _key(self, place: Remote, name: str) -> str | None:
        """The seed's names for R2; `.env` names for AWS (the process's own are boto3's business)."""
        if place.url.startswith("r2:"):
            return credential(self._settings, [f"R2_{name}"]) or self._settings.dotenv.get(f"AWS_{name}")
        return self._settings.dotenv.get(f"AWS_{name}")

    def _check_apart(self) -> None:
        from git_datamanager.storage.locate import overlap, parse

        urls = [self.remote(role).url for role in ROLES if self._settings.get(f"data.remote.{role}.url")]
        if len(urls) == 2 and overlap(parse(urls[0]), parse(urls[1]), base=self._git.main_top):
            raise SettingsError(
                f"the staging and production stores overlap ({urls[0]}, {urls[1]}): what cleans one "
                "would remove from the other"
            )
