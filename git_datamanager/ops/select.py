"""Which dataset an argument means: a path seen from where the user stands, or a full name."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_datamanager.errors import NameRefused, UnknownVersion
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Manifest, Version
from git_datamanager.model.names import belongs_to_git, check_name
from git_datamanager.model.ulid import is_ulid

_VERSION = re.compile(r"v?[1-9][0-9]{0,8}", re.ASCII)


class Wanted(NamedTuple):
    """A dataset and the version asked for (None: the latest)."""

    dataset: Dataset
    version: str | None


def name_of(manager: DataManager, path: str | os.PathLike[str]) -> str:
    """The dataset name of a path (relative to the current folder). Raises NameRefused."""
    text = os.fspath(path)
    if not text or "\0" in text:
        raise NameRefused(f"{text!r} is no path: nothing was changed", hints=["git data ls"])
    top = manager.git.work_tree
    lexical = Path(os.path.abspath(text))  # noqa: PTH100 - resolve() would follow the leaf
    parent = Path(os.path.realpath(lexical.parent))
    try:
        name = (parent / lexical.name).relative_to(Path(os.path.realpath(top))).as_posix()
    except ValueError as error:
        raise NameRefused(
            f"{text!r} lies outside the repository {top}: nothing was changed",
            hints=[f"git data prepare NAME {shlex.quote(text)}   # makes it a version of the dataset NAME"],
        ) from error
    try:
        return check_name(name)
    except NameRefused as error:
        raise NameRefused(
            f"{error}: nothing was changed",
            hints=[
                "git data add -h   # says which names it takes"
                if belongs_to_git(name)
                else f"git data prepare NAME {shlex.quote(text)}   # the same bytes under another name"
            ],
        ) from error


def known_name(manager: DataManager, manifest: Manifest, text: str) -> str:
    """The dataset an argument names: as a path from here first, then as a full name."""
    is_plain = not manager.git.prefix and text == os.path.normpath(text)
    if manager.git.top is not None and not is_plain:
        try:
            name = name_of(manager, text)
        except NameRefused:
            name = text
        if name in manifest.datasets:
            return name
    return text


def dataset_of(manager: DataManager, manifest: Manifest, text: str) -> Dataset:
    """Raises UnknownDataset."""
    return manifest.dataset(known_name(manager, manifest, text))


def version_of(dataset: Dataset, text: str | None) -> Version:
    """The version `text` of a dataset, without one its latest. Raises UnknownVersion."""
    try:
        return dataset.version(text)
    except UnknownVersion as error:
        raise UnknownVersion(
            f"{error}: nothing was changed",
            hints=error.hints or [f"git data log {shlex.quote(dataset.name)}"],
        ) from error


def split_version(text: str) -> tuple[str, str | None]:
    """`NAME@v3` → NAME and v3. A name may hold an @ itself."""
    name, at, version = text.rpartition("@")
    if at and name and (_VERSION.fullmatch(version) or is_ulid(version)):
        return name, version
    return text, None


def select(manager: DataManager, manifest: Manifest, arguments: Sequence[str]) -> list[Wanted]:
    """The datasets that arguments name: one, a folder's, or without any all that are listed.

    Raises UnknownDataset, DataError where a folder holds none.
    """
    if not arguments:
        return [Wanted(dataset, None) for dataset in manifest.listed()]
    found: dict[tuple[str, str | None], Wanted] = {}
    for text in arguments:
        for wanted in _one(manager, manifest, text):
            found[wanted.dataset.name, wanted.version] = wanted
    return list(found.values())


def _one(manager: DataManager, manifest: Manifest, text: str) -> list[Wanted]:
    for name, version in ((text, None), split_version(text)):
        full = known_name(manager, manifest, name)
        if full in manifest.datasets:
            return [Wanted(manifest.datasets[full], version)]
    below = below_folder(manager, manifest, text)
    if below:
        return [Wanted(dataset, None) for dataset in below]
    return [Wanted(manifest.dataset(known_name(manager, manifest, split_version(text)[0])), None)]


def below_folder(manager: DataManager, manifest: Manifest, text: str) -> list[Dataset]:
    """The listed datasets below a folder; none where it is no folder."""
    if manager.git.top is None:
        return []
    folder = Path(os.path.realpath(text))
    top = Path(os.path.realpath(manager.git.work_tree))
    if folder == top:
        return manifest.listed()
    if not folder.is_relative_to(top):
        return []
    start = folder.relative_to(top).as_posix() + "/"
    return [dataset for dataset in manifest.listed() if dataset.name.startswith(start)]
