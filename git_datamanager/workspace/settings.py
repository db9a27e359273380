"""Settings and where each comes from: docs/reference/settings.md.

Command line > `GIT_DATA_*` > git config > `.env` on request > tracked `.gitdata` > defaults.
`.gitdata` comes with the clone and is read as what a stranger wrote: only the keys below marked for
it, and a store address that stands nowhere else is used only after `git data trust`.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from git_datamanager.errors import SettingsError
from git_datamanager.workspace.git import Git, GitFailed

FILE_NAME = ".gitdata"
ROLES = ("staging", "production")


class Key(NamedTuple):
    """One setting: its default, and whether a tracked file may set it."""

    name: str
    default: str | None = None
    tracked: bool = False


KEYS = (
    Key("data.upload", "commit", tracked=True),
    Key("data.autoPull", "cache"),
    Key("data.hooks", "auto"),
    Key("data.cache", "auto"),
    Key("data.cacheDir"),
    Key("data.cacheSize", "10g"),
    Key("data.encoding", "auto", tracked=True),
    Key("data.memory", "256m"),
    Key("data.bandwidth", "0"),
    Key("data.check", "manual", tracked=True),
    Key("data.diff.fetch", "ask"),
    Key("data.dotenv"),
    Key("data.maxBlobSize", "10m", tracked=True),
    Key("data.grace", "14", tracked=True),
    Key("data.leaseTime", "60"),
    Key("data.policy.deletedVersions", "10", tracked=True),
    Key("data.policy.deletedShare", "25", tracked=True),
    Key("data.preview.samples", "3", tracked=True),
    Key("data.preview.maxSize", "2g", tracked=True),
    Key("data.preview.seconds", "600", tracked=True),
    *(
        Key(f"data.remote.{role}.{item}", tracked=item != "profile")
        for role in ROLES
        for item in ("url", "endpoint", "region", "publicUrl", "accountId", "profile")
    ),
)
_CHOICES = {
    "data.upload": ("commit", "push", "manual"),
    "data.autoPull": ("never", "cache", "always"),
    "data.hooks": ("auto", "config", "files", "none"),
    "data.cache": ("auto", "copy", "none"),
    "data.check": ("manual", "commit"),
    "data.diff.fetch": ("never", "ask", "always"),
    "data.encoding": ("auto", "identity", "zstd"),
}
_BY_LOWER = {key.name.lower(): key for key in KEYS}
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"([0-9]{1,12})([kmgt]?)", re.ASCII | re.IGNORECASE)


class Setting(NamedTuple):
    """A value and who said it."""

    value: str
    origin: str

    @property
    def is_tracked(self) -> bool:
        return self.origin == FILE_NAME


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective settings of one clone."""

    values: Mapping[str, Setting]
    dotenv: Mapping[str, str] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()

    def setting(self, name: str) -> Setting | None:
        key = _BY_LOWER[name.lower()]
        found = self.values.get(key.name)
        if found is None and key.default is not None:
            return Setting(key.default, "default")
        return found

    def get(self, name: str) -> str | None:
        found = self.setting(name)
        return found.value if found else None

    def choice(self, name: str) -> str:
        """A setting with a fixed list of values. Raises SettingsError."""
        found = self.setting(name)
        value = found.value if found else ""
        if value not in _CHOICES[name]:
            origin = found.origin if found else "default"
            raise SettingsError(
                f"{name} is {value!r} ({origin}), not one of {', '.join(_CHOICES[name])}",
                hints=[f"git config {name} {_BY_LOWER[name.lower()].default}"],
            )
        return value

    def number(self, name: str, smallest: int = 0) -> int:
        """A whole number. Raises SettingsError."""
        value = self.get(name) or ""
        if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) or int(value) < smallest:
            raise SettingsError(
                f"{name} is {value!r}, not a whole number from {smallest} up",
                hints=[f"git config {name} {_BY_LOWER[name.lower()].default}"],
            )
        return int(value)

    def size(self, name: str) -> int:
        """A number of bytes; k, m, g and t as git writes them. Raises SettingsError."""
        value = self.get(name) or ""
        match = _SIZE.fullmatch(value)
        if not match:
            raise SettingsError(
                f"{name} is {value!r}, not a size like 512m or 10g",
                hints=[f"git config {name} {_BY_LOWER[name.lower()].default}"],
            )
        return int(match[1]) * _UNITS[match[2].lower()]

    def effective(self) -> list[tuple[str, Setting]]:
        """Everything that has a value, for people to look at."""
        found = [(key.name, self.setting(key.name)) for key in KEYS]
        return [(name, s._replace(value=without_secrets(s.value))) for name, s in found if s]


# Credentials where no credentials belong: a user part, a parameter of the query.
_USER_PART = re.compile(r"(//)[^/?#\s]*@")
_SECRET_PART = re.compile(
    r"((?:secret|token|password|credential|access.?key|signature)[^=&]*=)[^&\s]*", re.IGNORECASE
)


def without_secrets(text: str) -> str:
    """An address as it may be printed: what should not stand in it is left out."""
    return _SECRET_PART.sub(r"\1***", _USER_PART.sub(r"\1***@", text))


def load(git: Git, *, revision: str | None = None) -> Settings:
    """Read all sources once. Raises SettingsError where one cannot be read.

    With `revision` the `.gitdata` of that commit counts, and nothing in the work tree: what is checked
    out there may be a stranger's.
    """
    warnings: list[str] = []
    tracked = _from_gitdata(git, warnings, revision)
    config = {entry.key: Setting(entry.value, f"git config ({entry.scope})") for entry in git.config}
    environment = _from_environment()
    dotenv = _dotenv(git, {**tracked, **_known(config), **environment}, warnings)
    values = {
        **_last_resort(),
        **tracked,
        **_seed_names(dotenv, ".env"),
        **_known(config),
        **environment,
    }
    return Settings(values, dotenv, tuple(warnings))


def environment_name(key: str) -> str:
    """`data.autoPull` → `GIT_DATA_AUTO_PULL`."""
    words = key.removeprefix("data.").replace(".", "_")
    return "GIT_DATA_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", words).upper()


def _from_environment() -> dict[str, Setting]:
    names = {key.name: environment_name(key.name) for key in KEYS}
    found = {
        key: Setting(os.environ[name], f"environment ({name})")
        for key, name in names.items()
        if name in os.environ
    }
    if (hooks := found.get("data.hooks")) and hooks.value in ("0", "false"):
        found["data.hooks"] = hooks._replace(value="none")  # GIT_DATA_HOOKS=0 turns them off
    return found


def _known(found: Mapping[str, Setting]) -> dict[str, Setting]:
    return {_BY_LOWER[k.lower()].name: setting for k, setting in found.items() if k.lower() in _BY_LOWER}


def tracked_entries(git: Git, revision: str | None = None) -> list[tuple[str, str]]:
    """All that `.gitdata` says, settings or not, in its order; a stranger wrote it. Raises SettingsError."""
    return _gitdata_entries(git) if revision is None else _first_of(git, f"{revision}:{FILE_NAME}")


def _from_gitdata(git: Git, warnings: list[str], revision: str | None) -> dict[str, Setting]:
    found = {key: Setting(value, FILE_NAME) for key, value in tracked_entries(git, revision)}
    allowed = {k: v for k, v in _known(found).items() if _BY_LOWER[k.lower()].tracked}
    warnings.extend(
        f"{FILE_NAME} sets {key[:80]}, which a tracked file may not: ignored"
        for key in sorted(found)
        if key.startswith("data.") and key.lower() not in {k.lower() for k in allowed}
    )
    return allowed


def _gitdata_entries(git: Git) -> list[tuple[str, str]]:
    """The work tree's `.gitdata`, else the index's, else HEAD's."""
    file = git.top / FILE_NAME if git.top else None
    if file is not None and file.is_symlink():
        raise SettingsError(
            f"{FILE_NAME} is a symbolic link: it was not read", hints=[f"git checkout HEAD -- {FILE_NAME}"]
        )
    if file is not None and file.is_file():
        return _parse(git, "-f", str(file))
    return _first_of(git, f":{FILE_NAME}", f"HEAD:{FILE_NAME}")


def _first_of(git: Git, *specs: str) -> list[tuple[str, str]]:
    spec = next((s for s in specs if git.blob(s) is not None), None)
    return _parse(git, "--blob", spec) if spec else []


def _parse(git: Git, *source: str) -> list[tuple[str, str]]:
    try:
        out = git.output("config", *source, "--no-includes", "--list", "-z")
    except GitFailed as error:
        raise SettingsError(
            f"{FILE_NAME} cannot be read, nothing was done: {error.stderr.strip()}",
            hints=[f"git checkout HEAD -- {FILE_NAME}   # the last committed one"],
        ) from error
    items = (item.partition("\n") for item in out.split("\0") if item)
    return [(key, value) for key, _, value in items]


def is_initialised(git: Git) -> bool:
    """`git data init` has been run: there is a .gitdata somewhere."""
    if git.top is not None and (git.top / FILE_NAME).is_file():
        return True
    return any(git.blob(spec) is not None for spec in (f":{FILE_NAME}", f"HEAD:{FILE_NAME}"))


# The names of the seed's .env (docs/reference/settings.md)
_BUCKETS = {"staging": "R2_STAGING_BUCKET", "production": "R2_PRODUCTION_BUCKET"}


def _seed_names(values: Mapping[str, str], origin: str) -> dict[str, Setting]:
    found = {
        f"data.remote.{role}.url": Setting(f"r2://{values[name]}", f"{origin} ({name})")
        for role, name in _BUCKETS.items()
        if values.get(name)
    }
    if values.get("R2_ACCOUNT_ID"):
        for role in ROLES:
            account = Setting(values["R2_ACCOUNT_ID"], f"{origin} (R2_ACCOUNT_ID)")
            found[f"data.remote.{role}.accountId"] = account
    return found


def _last_resort() -> dict[str, Setting]:
    """The seed's names in the process environment count only where nothing else names a store."""
    return _seed_names(os.environ, "environment")


def _dotenv(git: Git, settings: Mapping[str, Setting], warnings: list[str]) -> dict[str, str]:
    """The file that `data.dotenv` asks for: top of the work tree, untracked, nothing interpolated."""
    asked = settings.get("data.dotenv")
    if asked is None or git.top is None:
        return {}
    if "/" in asked.value or "\\" in asked.value:
        raise SettingsError(f"data.dotenv is {asked.value!r}: it names a file at the top of the work tree")
    path = git.top / asked.value
    if not path.is_file():
        raise SettingsError(
            f"data.dotenv names {asked.value}, which is not there", hints=["git config --unset data.dotenv"]
        )
    if git.tracked([asked.value]):
        warnings.append(f"{asked.value} is tracked by Git, so everybody has its keys: ignored")
        return {}
    from dotenv import dotenv_values

    found = dotenv_values(path, interpolate=False)
    return {k: v for k, v in found.items() if v is not None and _is_ours(k)}


def _is_ours(name: str) -> bool:
    return name.startswith(("AWS_", "R2_"))


def credential(settings: Settings, names: Iterable[str]) -> str | None:
    """The first of these names that the process environment or the requested `.env` has."""
    names = list(names)
    for source in (os.environ, settings.dotenv):
        found = next((source[name] for name in names if source.get(name)), None)
        if found:
            return found
    return None
