"""The pre-commit hook: what is about to be committed is sound, and its bytes are in staging.

Only what the commit changes is looked at. The network is asked only for entries that no parent has.
"""

import os
import re
import shlex
from collections.abc import Iterator

from git_datamanager.content.snapshot import COMPANIONS
from git_datamanager.errors import (
    DataError,
    ManifestError,
    NoCredentials,
    SettingsError,
    SeveralFailed,
    Unreachable,
    Untrusted,
)
from git_datamanager.manager import DataManager
from git_datamanager.model import manifest as model
from git_datamanager.model.manifest import Dataset, Kind, Manifest
from git_datamanager.ops.hooks.findings import Blob, Commit, Finding, refusal
from git_datamanager.ops.hooks.not_added import not_added

_EXAMPLES = (".example", ".sample", ".template", ".dist")
_SECRET = re.compile(
    rb"(?m)^[ \t]*(?:export[ \t]+)?((?:R2|AWS)_(?:SECRET_ACCESS_KEY|SESSION_TOKEN))"
    rb"[ \t]*=[ \t]*['\"]?[^\s'\"#]"
)


def read_commit(manager: DataManager) -> Commit:
    """Look at the index as Git presents it to the hook (GIT_INDEX_FILE: partial commits too)."""
    git = manager.git
    merging = git.git_dir / "MERGE_HEAD"
    parents = ["HEAD"] if git.head() else []
    parents += merging.read_text().split() if merging.is_file() else []
    blobs = _changed(manager, parents)
    found = git.blobs([":" + model.FILE_NAME, *(f"{p}:{model.FILE_NAME}" for p in parents)])
    changed = any(blob.path == model.FILE_NAME for blob in blobs)
    manifest, findings = _staged_manifest(found[0], changed=changed)
    return Commit(manifest, tuple(map(_lenient, found[1:])), blobs, findings)


def _changed(manager: DataManager, parents: list[str]) -> tuple[Blob, ...]:
    """Files added or changed against every parent: a merge does not answer for what it brings along."""
    sides = [_diff(manager, [parent]) for parent in parents] or [_diff(manager, [])]
    common = set(sides[0]).intersection(*sides[1:])
    return tuple(blob for blob in sides[0] if blob in common)


def _diff(manager: DataManager, against: list[str]) -> list[Blob]:
    command = ("diff", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-ext-diff")
    out = manager.git.output(*command, "--ignore-submodules", "--diff-filter=d", *against, "--")
    parts = out.split("\0")
    pairs = ((header.split(" "), path) for header, path in zip(parts[::2], parts[1::2], strict=False))
    return [Blob(path, header[3]) for header, path in pairs if header[1].startswith("100")]


def _staged_manifest(data: bytes | None, *, changed: bool) -> tuple[Manifest | None, tuple[Finding, ...]]:
    if data is None:
        return Manifest(), ()
    try:
        manifest = model.loads(data, what=f"the staged {model.FILE_NAME}")
    except ManifestError as error:
        return None, (refusal(error)._replace(refuses=changed),)
    if changed and model.dumps(manifest) != data:
        text = f"the staged {model.FILE_NAME} is valid, but not in its canonical form"
        hint = "git data resolve   # rewrites and stages it"
        return manifest, (Finding(refuses=False, text=text, hints=(hint,)),)
    return manifest, ()


def _lenient(data: bytes | None) -> Manifest:
    """What an older commit holds; nothing where it holds nothing readable."""
    try:
        return model.loads(data) if data is not None else Manifest()
    except ManifestError:
        return Manifest()


def check_commit(manager: DataManager, commit: Commit) -> list[Finding]:
    """Everything that can be said without the network."""
    manifest = commit.manifest or Manifest()
    return [
        *commit.findings,
        *_undecided(manager, commit),
        *_datasets_staged(manager, manifest, commit.blobs),
        *_secrets(manager, commit.blobs),
        *_big_blobs(manager, manifest, commit.blobs),
        *_not_added(manager, manifest),
        *_rules(manager, commit),
    ]


def _rules(manager: DataManager, commit: Commit) -> Iterator[Finding]:
    """What the new versions break of the rules for data, where `data.check` asks for it."""
    if commit.changes_manifest and manager.settings.choice("data.check") == "commit":
        from git_datamanager.ops.hooks.rules import broken_rules

        yield from broken_rules(manager, commit)


def _undecided(manager: DataManager, commit: Commit) -> Iterator[Finding]:
    """What a conflict left open, taken as it is by `git add` or `git commit -a`."""
    from git_datamanager.ops.hooks import unmerged

    if commit.manifest is None or not commit.manifest.datasets:
        return  # unreadable, or taken out of the repository on purpose
    left = unmerged.left_open(manager, commit.manifest)
    hint = "git data resolve --ours   # or --theirs: decides all of them"
    if left and left.clashes:
        first, more = left.clashes[0], len(left.clashes) - 1
        text = f"{model.FILE_NAME} was in conflict, and nobody decided: {first}"
        yield Finding(
            refuses=True, text=text + (f" and {more} more" if more else ""), hints=(hint,), exit_code=5
        )
    elif left and left.lost:
        text = f"this commit would lose what a parent has published: {names_of(list(left.lost))}"
        yield Finding(refuses=True, text=text, hints=(hint,), exit_code=5)


def _here(manager: DataManager, path: str) -> str:
    """The path as a word for a command where the user stands (GIT_PREFIX)."""
    return shlex.quote(os.path.relpath(path, manager.git.prefix or "."))


def _datasets_staged(manager: DataManager, manifest: Manifest, blobs: tuple[Blob, ...]) -> Iterator[Finding]:
    names = {dataset.name: dataset for dataset in manifest.listed()}
    for blob in blobs:
        owner = _owner(names, blob.path)
        if owner is not None:
            beside = "" if owner == blob.path else f" (it belongs to {owner})"
            yield Finding(
                refuses=True,
                text=f"{blob.path} is a dataset{beside}: Git itself would keep its bytes for ever",
                hints=(
                    f"git rm --cached -- {_here(manager, blob.path)}   # the file stays",
                    f"git data add {_here(manager, owner)}",
                ),
            )


def _owner(names: dict[str, Dataset], path: str) -> str | None:
    """The dataset that a path is, lies in, or is a log of."""
    stems = [path, *(path.removesuffix(suffix) for suffix in COMPANIONS if path.endswith(suffix))]
    found = next((stem for stem in stems if stem in names), None)
    if found is None:
        folders = (path[:n] for n, char in enumerate(path) if char == "/")
        found = next((f for f in folders if f in names and names[f].kind is Kind.TREE), None)
    return found


def _secrets(manager: DataManager, blobs: tuple[Blob, ...]) -> Iterator[Finding]:
    asked = manager.settings.get("data.dotenv")
    files = [blob for blob in blobs if blob.path == asked or _is_dotenv(blob.path)]
    for blob, data in zip(files, manager.git.blobs([b.oid for b in files]) if files else (), strict=True):
        match = _SECRET.search(data or b"")
        if match:
            yield Finding(
                refuses=True,
                text=f"{blob.path} holds {match[1].decode()}: a secret that is committed is no secret",
                hints=(
                    f"git rm --cached -- {_here(manager, blob.path)}   # the file stays",
                    f"add the line /{blob.path} to .gitignore",
                ),
            )


def _is_dotenv(path: str) -> bool:
    name = path.rpartition("/")[2]
    return (name == ".env" or name.startswith(".env.")) and not name.endswith(_EXAMPLES)


def _big_blobs(manager: DataManager, manifest: Manifest, blobs: tuple[Blob, ...]) -> Iterator[Finding]:
    limit = manager.settings.size("data.maxBlobSize")
    if not blobs or not limit:
        return
    given = "".join(f"{blob.oid}\n" for blob in blobs).encode()
    sizes = manager.git.output("cat-file", "--batch-check=%(objectsize)", stdin=given).splitlines()
    for blob, size in zip(blobs, sizes, strict=True):
        if size.isdigit() and int(size) > limit and blob.path not in manifest.datasets:
            word = _here(manager, blob.path)
            yield Finding(
                refuses=True,
                text=f"{blob.path} has {int(size):,} bytes, more than data.maxBlobSize"
                f" ({manager.settings.get('data.maxBlobSize')}): Git would keep each version for ever",
                hints=(
                    f"git rm --cached -- {word} && git data add {word}",
                    f"git -c data.maxBlobSize={size} commit   # if it belongs into Git",
                ),
            )


def _not_added(manager: DataManager, manifest: Manifest) -> Iterator[Finding]:
    changed = not_added(manager, manifest)
    if changed:
        yield Finding(
            refuses=False,
            text=f"{names_of(changed)} changed on disk and not added: this commit does not take that along",
            hints=(f"git data add {_here(manager, changed[0])}",),
        )


def names_of(names: list[str], most: int = 5) -> str:
    """`a, b and 3 more`."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def upload_commit(manager: DataManager, commit: Commit) -> tuple[list[str], list[Finding]]:
    """Bring what the commit adds to staging, where `data.upload` says so.

    A store that cannot be asked is a warning: the push asks again. One that refuses, or bytes that
    are not what was added, refuse the commit.
    """
    if not commit.changes_manifest or manager.settings.choice("data.upload") != "commit":
        return [], []
    old = {v.id for parent in commit.parents for _, v in parent.entries()}
    from git_datamanager.ops.upload import Outcome, pending_entries, upload

    entries = [(d, v) for d, v in pending_entries(commit.manifest or Manifest()) if v.id not in old]
    if not entries:
        return [], []
    try:
        done = upload(manager, entries)
    except DataError as error:
        return [], list(_failures(error))
    return [f"{u.name} {u.version.name}" for u in done if u.outcome is Outcome.UPLOADED], []


def _failures(error: DataError) -> Iterator[Finding]:
    causes = [e for _, e in error.failures] if isinstance(error, SeveralFailed) else [error]
    refusing = [cause for cause in causes if not cannot_ask(cause)]
    for cause in refusing:
        yield refusal(cause)
    if not refusing:
        text = f"the data of this commit is not in staging yet ({causes[0]}); git push tries again"
        yield Finding(refuses=False, text=text, hints=causes[0].hints)


def cannot_ask(error: DataError) -> bool:
    """The store did not answer, or must not be asked: no verdict."""
    return isinstance(error, Unreachable | Untrusted | NoCredentials | SettingsError)
