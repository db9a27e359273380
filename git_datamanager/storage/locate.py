"""From a URL to a store: one table of schemes, open for third parties."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from git_datamanager.errors import SettingsError
from git_datamanager.storage.address import BUCKETS, CONTROL, Address, read_address
from git_datamanager.storage.base import StorageAdapter

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "git_datamanager.storage"
"""Third parties register `scheme = "package.module:open"`; it is called like the factories below."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+", re.ASCII)
_AWS = "amazonaws.com"
_R2 = ".r2.cloudflarestorage.com"


@dataclass(frozen=True)
class Access:
    """Who asks, and what the settings say beside the URL, which wins."""

    profile: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint: str | None = None
    account_id: str | None = None


def parse(url: str) -> Address:
    """Read and check a store's URL. Raises SettingsError with what to write instead."""
    scheme, colon, rest = url.partition(":")
    if CONTROL.search(url):
        raise SettingsError("a store's address holds a line break or another control character")
    if not colon or not _SCHEME.fullmatch(scheme):
        raise SettingsError("a store's address needs a scheme", hints=["file:../store", "s3://bucket/prefix"])
    if scheme not in _FACTORIES and _plugin(scheme) is None:
        known = ", ".join(f"{name}:" for name in _FACTORIES)
        raise SettingsError(f"no store is known for {scheme}: addresses; there are {known}")
    return read_address(scheme, rest)


def open_store(address: Address, access: Access, *, base: Path) -> StorageAdapter:
    """The store at an address; nothing is asked of it yet. `base` is where relative folders start: the
    top of the main work tree."""
    factory = _FACTORIES.get(address.scheme)
    if factory is None:
        plugin = _plugin(address.scheme)
        if plugin is None:
            raise SettingsError(f"no store is known for {address.scheme}: addresses")
        factory = plugin.load()
    return factory(address, access, base)


def overlap(a: Address, b: Address, *, base: Path | None = None) -> bool:
    """Whether one store is or contains the other: cleaning one would then delete from the other.

    With `base` symbolic links in folders are resolved; without, paths are compared as written.
    """
    here, there = _position(a, base), _position(b, base)
    shorter = min(len(here), len(there))
    return _same_service(a, b) and here[:shorter] == there[:shorter]


def _position(address: Address, base: Path | None) -> tuple[str, ...]:
    """The way from the outermost container to the store."""
    if address.scheme == "file":
        path = os.path.normpath(address.place) if base is None else os.path.realpath(base / address.place)
        return PurePath(path).parts
    return (address.place, *filter(None, address.prefix.split("/")))


def _same_service(a: Address, b: Address) -> bool:
    """One R2 account has many spellings, and may be known only later: taken for the same then."""
    if a.scheme not in BUCKETS or b.scheme not in BUCKETS:
        return a.scheme == b.scheme
    here, there = _service(a), _service(b)
    return here == there or ("" in (here, there) and _is_r2(a) and _is_r2(b))


def _service(address: Address) -> str:
    """The host (and port) of a bucket; empty for an R2 account that the address does not name."""
    endpoint = address.get("endpoint")
    if endpoint is not None:
        host = endpoint.partition("://")[2].lower().removesuffix(":443")
        return _AWS if host.endswith(".amazonaws.com") else host
    if address.scheme == "r2":
        return f"{account.lower()}{_R2}" if (account := address.get("account")) else ""
    return _AWS


def _is_r2(address: Address) -> bool:
    return address.scheme == "r2" or _service(address).endswith(_R2)


def _completed(address: Address, access: Access) -> Address:
    """The address with what the settings add to its query, checked like a part of it."""
    values = {"endpoint": access.endpoint, "region": access.region}
    if address.scheme == "r2":
        values["account"] = access.account_id
    added = {name: value for name, value in values.items() if value and address.get(name) is None}
    if not added:
        return address
    return parse(str(replace(address, query=(*address.query, *added.items()))))


def _open_file(address: Address, _access: Access, base: Path) -> StorageAdapter:
    from git_datamanager.storage.local import LocalStore

    return LocalStore(Path(os.path.normpath(Path(os.path.realpath(base), address.place))))


def _open_memory(address: Address, _access: Access, _base: Path) -> StorageAdapter:
    from git_datamanager.storage.memory import MemoryStore

    return MemoryStore.named(address.place)


def _open_s3(address: Address, access: Access, _base: Path) -> StorageAdapter:
    full = _completed(address, access)
    return _bucket(address, full, access, full.get("endpoint"), full.get("region"))


def _open_r2(address: Address, access: Access, _base: Path) -> StorageAdapter:
    full = _completed(address, access)
    account = full.get("account")
    endpoint = full.get("endpoint") or (account and f"https://{account}{_R2}")
    if not endpoint:
        raise SettingsError(
            f"{address} needs the id of its Cloudflare account",
            hints=["export R2_ACCOUNT_ID=…", "git config data.remote.<name>.accountId …"],
        )
    return _bucket(address, full, access, endpoint, full.get("region") or "auto")


def _bucket(
    shown: Address, full: Address, access: Access, endpoint: str | None, region: str | None
) -> StorageAdapter:
    from git_datamanager.storage.s3 import Login, S3Store
    from git_datamanager.storage.wrappers import Retrying

    login = Login(
        endpoint=endpoint,
        region=region,
        path_style=full.switch("path_style"),
        profile=access.profile,
        access_key=access.access_key,
        secret_key=access.secret_key,
        session_token=access.session_token,
    )
    return Retrying(S3Store(full.place, full.prefix, login, url=str(shown)))


Factory = Callable[[Address, Access, Path], StorageAdapter]

_FACTORIES: dict[str, Factory] = {
    "file": _open_file,
    "mem": _open_memory,
    "r2": _open_r2,
    "s3": _open_s3,
}


def _plugin(scheme: str) -> "EntryPoint | None":
    from importlib.metadata import entry_points

    return next(iter(entry_points(group=ENTRY_POINTS, name=scheme)), None)
