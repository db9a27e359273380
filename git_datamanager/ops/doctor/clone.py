"""This clone: is it set up, and does everything that hangs on it hang right?"""

import os
import shlex
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from git_datamanager.manager import DataManager
from git_datamanager.ops.doctor.check import Check, Result, each, fail, ok, skipped, warn
from git_datamanager.workspace import drivers, hooks_install
from git_datamanager.workspace.hook_state import Condition, HookState
from git_datamanager.workspace.hook_state import state as hook_states
from git_datamanager.workspace.settings import FILE_NAME, KEYS, ROLES, without_secrets

_TOPIC = "clone"
CHOICES = (
    "data.upload", "data.autoPull", "data.hooks", "data.cache", "data.check", "data.diff.fetch",
    "data.encoding",
)  # fmt: skip
SIZES = ("data.cacheSize", "data.memory", "data.bandwidth", "data.maxBlobSize", "data.preview.maxSize")
NUMBERS = {
    "data.grace": 1,
    "data.leaseTime": 0,
    "data.policy.deletedVersions": 0,
    "data.policy.deletedShare": 0,
    "data.preview.samples": 0,
    "data.preview.seconds": 0,
}
"""The smallest that each may be."""
_WEEK = 7 * 86400
_MERGE = ("Git merges manifest.json as text", "Git merges manifest.json by its entries")
_DIFF = ("Git shows changes of manifest.json, and none of the data", "Git shows what changed in the data")
"""Without a driver, and with it."""


def looks(manager: DataManager) -> Iterator[Check]:
    yield from each(
        _TOPIC,
        [
            ("manifest", lambda: _manifest(manager)),
            ("settings", lambda: _settings(manager)),
            ("unknown settings", lambda: _unknown(manager)),
            ("trust", lambda: _trust(manager)),
            ("hooks", lambda: _hooks(manager)),
            ("merge driver", lambda: _driver(manager, "merge", *_MERGE)),
            ("diff driver", lambda: _driver(manager, "diff", *_DIFF)),
            ("history", lambda: _history(manager)),
            ("letters", lambda: _letters(manager)),
            ("disk", lambda: _disk(manager)),
            ("journal", lambda: _journal(manager)),
            ("crash", lambda: _crash(manager)),
        ],
    )


def _manifest(manager: DataManager) -> Check:
    manifest = manager.manifests.current()
    entries = sum(1 for _ in manifest.entries())
    return ok(_TOPIC, "manifest", f"readable; datasets: {len(manifest.datasets)}, versions: {entries}")


def _settings(manager: DataManager) -> Check:
    for name in CHOICES:
        manager.settings.choice(name)
    for name in SIZES:
        manager.settings.size(name)
    for name, smallest in NUMBERS.items():
        manager.settings.number(name, smallest)
    sources: dict[str, int] = {}
    for _, setting in manager.settings.effective():
        sources[setting.origin] = sources.get(setting.origin, 0) + 1
    said = ", ".join(f"{count} from {origin}" for origin, count in sources.items())
    return ok(_TOPIC, "settings", said)


def _unknown(manager: DataManager) -> Check:
    """Misspelt settings do nothing, silently: say so."""
    known = {key.name.lower() for key in KEYS}
    strange = sorted(
        {e.key for e in manager.git.config if e.key.startswith("data.") and e.key.lower() not in known}
    )
    said = [*manager.settings.warnings, *(f"git config sets {key}, which is no setting" for key in strange)]
    if said:
        return warn(
            _TOPIC, "unknown settings", "; ".join(said), "git data config   # those that count",
            *(f"git config --unset-all {shlex.quote(key)}" for key in strange),
        )  # fmt: skip
    return ok(_TOPIC, "unknown settings", f"none in git config and {FILE_NAME}")


def _trust(manager: DataManager) -> Check:
    places = [manager.remotes.remote(r) for r in ROLES if manager.settings.get(f"data.remote.{r}.url")]
    if len(places) < len(ROLES):
        lacking = [r for r in ROLES if r not in {p.role for p in places}]
        return fail(
            _TOPIC, "trust", f"no {' and no '.join(lacking)} store is configured",
            *(f"git config data.remote.{r}.url s3://bucket/prefix" for r in lacking),
        )  # fmt: skip
    refused = [p for p in places if not manager.remotes.trust.covers(p)]
    if refused:
        shown = ", ".join(f"{p.role} {without_secrets(p.url)}" for p in refused)
        return warn(
            _TOPIC, "trust", f"{shown}: named by tracked files alone, so nothing is sent there",
            "git data trust   # shows the addresses and asks",
        )  # fmt: skip
    return ok(_TOPIC, "trust", "the addresses of both stores are yours or were confirmed")


def _hooks(manager: DataManager) -> Check:
    git = manager.git
    if os.environ.get("CI") == "true":
        return skipped(_TOPIC, "hooks", "a job of CI needs none")
    if manager.settings.choice("data.hooks") == "none":
        return skipped(_TOPIC, "hooks", "turned off (data.hooks is none): upload before you push")
    states = hook_states(git)
    wrong = [state for state in states if state.condition is not Condition.INSTALLED]
    if not wrong:
        return ok(
            _TOPIC, "hooks", f"{len(states)} installed ({', '.join(sorted({str(s.via) for s in states}))})"
        )
    said = ", ".join(f"{s.event} is {s.condition}" for s in wrong)
    safe = (Condition.MISSING, Condition.OUTDATED)
    if all(state.condition in safe for state in wrong):
        return warn(
            _TOPIC, "hooks", f"{said}: bytes are not uploaded or checked there", "git data install",
            repair=lambda: _install(manager),
        )  # fmt: skip
    return warn(_TOPIC, "hooks", f"{said}: not ours to change", *_advice(wrong))


def _advice(wrong: list[HookState]) -> tuple[str, ...]:
    """The lines to add are printed by install itself."""
    if any(state.condition is Condition.EDITED for state in wrong):
        return ("git data install --force   # replaces what was edited",)
    return ("git data install   # prints the lines to add", "git data install --append   # adds them")


def _install(manager: DataManager) -> str:
    steps = hooks_install.install(manager.git, manager.settings.choice("data.hooks"))
    done = [s.event for s in steps if s.deed not in (hooks_install.Deed.CURRENT, hooks_install.Deed.LEFT)]
    return f"installed the hooks {', '.join(done)}"


def _driver(manager: DataManager, word: str, without: str, having: str) -> Check:
    """One of the two that `git data install` configures; `word`: as attributes and settings call it."""
    git, name = manager.git, f"{word} driver"
    attribute = git.answer("check-attr", word, "--", "manifest.json") or ""
    if not attribute.endswith(": git-data"):
        return warn(
            _TOPIC, name, f".gitattributes does not name it: {without}", "git data init   # adds the line"
        )
    if any(key.startswith(f"{word}.") for key in drivers.configure_drivers(git, dry_run=True)):
        return warn(
            _TOPIC, name, f"not configured here: {without}", "git data install",
            repair=lambda: _configure(manager),
        )  # fmt: skip
    return ok(_TOPIC, name, having)


def _configure(manager: DataManager) -> str:
    """Both drivers, whichever was asked for first."""
    return f"configured {', '.join(drivers.configure_drivers(manager.git)) or 'both drivers'}"


def _history(manager: DataManager) -> Check:
    if manager.git.is_shallow():
        return warn(
            _TOPIC, "history", "this clone is shallow: publish fetches the rest, gc and cleanup refuse",
            "git fetch --unshallow",
        )  # fmt: skip
    if manager.git.answer("config", "--get-regexp", r"^remote\..*\.promisor$"):
        return warn(
            _TOPIC,
            "history",
            "this clone is partial: gc and cleanup refuse",
            "git fetch --refetch --no-filter",
        )
    return ok(_TOPIC, "history", "complete")


def _letters(manager: DataManager) -> Check:
    """A file system that folds case takes two names for one; Git has to know."""
    folder = manager.git.common_dir
    folds = folder.with_name(folder.name.swapcase()).exists()
    knows = (manager.git.answer("config", "--type=bool", "core.ignoreCase") or "false") == "true"
    if folds != knows:
        kind = "does not tell" if folds else "tells"
        return warn(
            _TOPIC, "letters", f"the file system {kind} upper from lower case, and Git thinks otherwise",
            f"git config core.ignoreCase {'true' if folds else 'false'}",
        )  # fmt: skip
    said = "are the same here; names that differ in nothing else are refused" if folds else "are told apart"
    return ok(_TOPIC, "letters", f"upper and lower case {said}")


def _disk(manager: DataManager) -> Check:
    free = shutil.disk_usage(manager.git.common_dir).free
    limit = manager.settings.size("data.cacheSize")
    room = max(0, limit - sum(cached.size for cached in manager.cache))
    if free < room:
        return warn(
            _TOPIC, "disk",
            f"{free >> 20:,} MiB are free, and the cache may grow by {room >> 20:,} MiB (data.cacheSize)",
            f"git config data.cacheSize {max(1, free >> 31)}g",
        )  # fmt: skip
    return ok(_TOPIC, "disk", f"{free >> 30:,} GiB are free, the cache may grow by {room >> 20:,} MiB")


def _journal(manager: DataManager) -> Check:
    file = manager.state_folder / "journal.db"
    if not file.exists():
        return ok(_TOPIC, "journal", "none yet")
    aside = (
        f"mv {shlex.quote(str(file))} {shlex.quote(str(file.with_suffix('.damaged')))}   # a new one is begun"
    )
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=2)) as database:
            said = str(database.execute("PRAGMA quick_check(3)").fetchone()[0])
            operations = database.execute("SELECT count(*) FROM operations").fetchone()[0]
    except sqlite3.Error as error:
        return fail(_TOPIC, "journal", f"cannot be read ({error}); no data is lost by that", aside)
    if said != "ok":
        return fail(_TOPIC, "journal", f"is damaged ({said}); no data is lost by that", aside)
    return ok(_TOPIC, "journal", f"sound, {operations} operations")


def _crash(manager: DataManager) -> Check:
    file = manager.git.common_dir / "data" / "crash.log"
    if file.is_file() and time.time() - file.stat().st_mtime < _WEEK:
        return warn(
            _TOPIC, "crash", f"git data stopped at a fault of its own: {_last_line(file)}",
            f"cat {shlex.quote(str(file))}   # for the report; then remove it",
        )  # fmt: skip
    return Check(_TOPIC, "crash", Result.OK, "none in the last 7 days")


def _last_line(file: Path) -> str:
    lines = file.read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "nothing was written"
