"""`git-data textconv FILE`: a manifest as Git shows it, each version as its change against its parent.

Git calls it twice for every change of manifest.json that it shows. It imports no click, prints all or
nothing, and where it fails Git shows the file as it is (workspace/drivers.py).
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from git_datamanager.cli.safe import clean
from git_datamanager.errors import EXIT_USAGE, DataError
from git_datamanager.model.manifest import Dataset, Manifest, Version, loads, plain_version
from git_datamanager.model.names import pasteable
from git_datamanager.pages.measure import size

if TYPE_CHECKING:
    from git_datamanager.ops.inside.diff_history import Told
    from git_datamanager.ops.inside.differences import DatasetDiff

AS_IT_IS = 2
"""The exit status after which the driver prints the file itself."""
_IN_HEADER = {"version", "state", "oid", "size", "created", "author", "message", "parent"}


def main(argv: Sequence[str]) -> int:
    """Print the manifest; returns the exit status. What cannot be shown so is not shown at all."""
    if len(argv) != 1:
        sys.stderr.write("git data: error: git data textconv is called by Git with one file\n")
        return EXIT_USAGE
    try:
        manifest = loads(Path(argv[0]).read_bytes())
        told = _told(manifest)
    except (DataError, OSError):
        return AS_IT_IS
    text = "".join(f"{line}\n" for line in lines(manifest, told))
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.flush()
    return 0


def _told(manifest: Manifest) -> "Mapping[str, Told]":
    """What changed in each version, as far as this clone can say."""
    from git_datamanager.manager import DataManager
    from git_datamanager.ops.inside.diff_history import changes

    try:
        manager = DataManager.open()
    except DataError:  # shown in a repository where git data was never set up
        return {}
    return changes(manager, manifest, _change)


def _change(diff: "DatasetDiff") -> list[str]:
    from git_datamanager.cli import diff_text

    head = diff_text.header(diff).removeprefix(clean(diff.name)).strip()
    return [head, *list(diff_text.lines(diff))[1:]]


def lines(manifest: Manifest, told: "Mapping[str, Told]") -> Iterator[str]:
    """All that the manifest says, and what changed in each version."""
    yield from (f"{clean(key)}: {_json(value)}" for key, value in manifest.extra.items())
    for dataset in manifest:
        state = f", {dataset.state}" if dataset.state else ""
        yield f"dataset {clean(dataset.name)}  ({dataset.kind}{state})"
        more = {**{f"option {key}": value for key, value in dataset.options.items()}, **dataset.extra}
        yield from (f"  {clean(key)}: {_json(value)}" for key, value in more.items())
        for version in dataset.versions:
            yield from _version(dataset, version, told.get(version.id))


def _version(dataset: Dataset, version: Version, told: "Told | None") -> Iterator[str]:
    parent = dataset.by_id(version.parent) if version.parent else None
    yield "  " + "  ".join(
        [version.name, str(version.state), version.created, clean(version.author), size(version.size)]
    )
    if version.message:
        yield f"    {clean(version.message)}"
    yield f"    {version.oid}, {version.size} bytes"
    if version.parent:
        yield f"    parent: {parent.name if parent else clean(version.parent)}"
    rest = {k: v for k, v in plain_version(version).items() if k not in _IN_HEADER}
    yield from (f"    {clean(key)}: {_json(value)}" for key, value in rest.items())
    if told is None:
        return
    yield from (f"    {line}" for line in told.lines)
    if told.is_large:
        name = pasteable(dataset.name)
        before = f"{name}@{parent.name} " if parent else ""
        yield f"    not compared here: {clean(f'git data diff {before}{name}@{version.name}')}"


def _json(value: Any) -> str:
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
