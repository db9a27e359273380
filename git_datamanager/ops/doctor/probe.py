"""What a store was seen to refuse, remembered for a week: `doctor.json` in the clone's data folder.

A probe writes under `probe/` and takes some twenty requests, so it is not repeated every time. It is
made again for another address, another release of the tool, after 7 days, and on `--refresh`.
"""

import json
import threading
import time
from calendar import timegm
from collections.abc import Mapping
from typing import Any, NamedTuple

from git_datamanager import __version__, fsio
from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.ops.doctor.check import Check, Result, failed, skipped
from git_datamanager.ops.doctor.traits import traits
from git_datamanager.ops.rights.verify import Answer, Right, Verification, measure
from git_datamanager.storage.base import StorageAdapter
from git_datamanager.workspace.journal import utc_now

FILE = "doctor.json"
_FORMAT = 1
_WEEK = 7 * 86400
_WRITING = threading.Lock()


class Facts(NamedTuple):
    """One store as it was found."""

    url: str
    probed: str
    """UTC."""
    tool: str
    rights: dict[str, str]
    """Writing and deleting: what only a write can tell."""
    traits: list[dict[str, str]]
    """name, result, said."""


def facts(
    manager: DataManager, role: str, adapter: StorageAdapter, *, refresh: bool
) -> tuple[Facts | None, list[Check]]:
    """The remembered probe or a new one, and its checks; None where it could not be made. Rights are never
    remembered: they are those of the credentials at hand."""
    rights = _rights(manager, role)
    known = None if refresh else _remembered(manager, role, adapter.url)
    if known is not None:
        return known._replace(rights=_plain(rights)), _checks(role, known, f", probed {known.probed}")
    if rights.get(Right.WRITE) is not Answer.ALLOWED:
        blind = Facts(adapter.url, utc_now(), __version__, _plain(rights), [])
        return blind, [
            skipped(role, "probe", "these credentials may not write there: what it refuses is not known")
        ]
    try:
        tried = [trait._asdict() for trait in traits(adapter)]
    except DataError as error:
        return None, [failed(role, "probe", error)]
    found = Facts(adapter.url, utc_now(), __version__, _plain(rights), tried)
    _remember(manager, role, found)
    return found, _checks(role, found, "")


def _checks(role: str, known: Facts, when: str) -> list[Check]:
    return [
        Check(role, trait["name"], Result(trait["result"]), f"{trait['said']}{when}")
        for trait in known.traits
    ]


def _rights(manager: DataManager, role: str) -> dict[Right, Answer]:
    measured = Verification("developer", [], [], [])
    measure(measured, manager, role, read_only=False)
    return {f.right: f.answer for f in measured.findings if f.right in (Right.WRITE, Right.DELETE)}


def _plain(rights: dict[Right, Answer]) -> dict[str, str]:
    return {str(right): str(answer) for right, answer in rights.items()}


def _remembered(manager: DataManager, role: str, url: str) -> Facts | None:
    try:
        found = Facts(**_load(manager)[role])
        age = time.time() - timegm(time.strptime(found.probed, "%Y-%m-%dT%H:%M:%SZ"))
        [Result(trait["result"]) for trait in found.traits]
        [(Right(right), Answer(answer)) for right, answer in found.rights.items()]
    except (KeyError, TypeError, ValueError):
        return None  # never probed, or written by another release: it is probed again
    return found if (found.url, found.tool) == (url, __version__) and 0 <= age < _WEEK else None


def _load(manager: DataManager) -> dict[str, Any]:
    try:
        document = json.loads((manager.state_folder / FILE).read_bytes())
        stores = document["stores"] if document["format"] == _FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return stores if isinstance(stores, dict) else {}


def _remember(manager: DataManager, role: str, found: Facts) -> None:
    with _WRITING:
        stores: Mapping[str, Any] = {**_load(manager), role: found._asdict()}
        data = json.dumps({"format": _FORMAT, "stores": stores}, indent=2, sort_keys=True)
        manager.state_folder.mkdir(parents=True, exist_ok=True)
        fsio.write_durably(manager.state_folder / FILE, f"{data}\n".encode())
