"""`git-data hook EVENT …`: what the sh hooks start, and the pre-commit framework.

Imports nothing heavy unless there is an upload to do (docs/design: the start-up budget; a test pins it).
post-* hooks always exit 0; the others refuse only with a sentence that says what to run.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from git_datamanager import hook_talk
from git_datamanager.errors import EXIT_INTERRUPTED, EXIT_USAGE, DataError, ManifestError, SeveralFailed

if TYPE_CHECKING:
    from git_datamanager.manager import DataManager
    from git_datamanager.model.manifest import Manifest
    from git_datamanager.ops.hooks.push import PushedRef

_AS_A_FAULT = 128
_OFFERED = 5
"""Datasets that are named after a merge."""
_MERGE_AS_TEXT = 2  # the driver's shell function then calls git merge-file


def main(argv: Sequence[str]) -> int:
    """Run a hook; returns the exit status for Git."""
    event, *args = argv or [""]
    handler = _HANDLERS.get(event)
    if handler is None:
        hook_talk.say(f"error: there is no hook {event!r}; there are: {', '.join(_HANDLERS)}")
        return EXIT_USAGE
    if event != "merge-driver" and _is_off():
        return 0
    try:
        return handler(args)
    except KeyboardInterrupt:
        hook_talk.clear()
        hook_talk.say(
            f"interrupted: {'run git data pull' if event in _AFTER else 'nothing was done; try again'}"
        )
        return 0 if event in _AFTER else EXIT_INTERRUPTED
    except DataError as error:
        return _failed(event, error)
    except Exception as error:  # noqa: BLE001 - a hook never wedges Git, not even by a fault of ours
        return _faulty(event, error)


def _is_off() -> bool:
    return os.environ.get("GIT_DATA_SKIP") == "1" or os.environ.get("GIT_DATA_HOOKS") == "0"


def _failed(event: str, error: DataError) -> int:
    if event == "merge-driver":
        hook_talk.say(f"warning: {error}; merging it as text")
        return _MERGE_AS_TEXT
    word = "warning" if event in _AFTER else "error"
    for cause in [e for _, e in error.failures] if isinstance(error, SeveralFailed) else [error]:
        hook_talk.say(f"{word}: {cause}")
        hook_talk.hint(cause.hints)
    return 0 if event in _AFTER else error.exit_code


def _faulty(event: str, error: Exception) -> int:
    """A fault of our own: one line, the details in a file, and only a push is held up by it."""
    where = _log()
    text = f"a fault of its own ({type(error).__name__}: {error})"
    if event == "merge-driver":
        hook_talk.say(f"warning: {text}; merging as text")
        return _MERGE_AS_TEXT
    refuses = event in ("pre-push", "upload") and _is_push(event)
    hook_talk.say(
        f"{'error' if refuses else 'warning'}: stopped at {text}" + (f"; details: {where}" if where else "")
    )
    if refuses:
        hook_talk.hint(["GIT_DATA_SKIP=1 git push   # pushes without looking at the data"])
    return _AS_A_FAULT if refuses else 0


def _is_push(event: str) -> bool:
    return event == "pre-push" or "PRE_COMMIT_REMOTE_NAME" in os.environ


def _log() -> Path | None:
    import traceback

    from git_datamanager import __version__
    from git_datamanager.workspace.git import open_git

    try:
        folder = open_git().common_dir / "data"
        folder.mkdir(exist_ok=True)
        path = folder / "hook.log"
        text = f"git-data {__version__}, Python {sys.version}\n{traceback.format_exc()}"
        path.write_text(text, encoding="utf-8", errors="backslashreplace")  # names may hold surrogates
    except (DataError, OSError):
        return None
    return path


# Before the commit


def _pre_commit(args: list[str], *, checks: bool = True, uploads: bool = True) -> int:  # noqa: ARG001
    manager = _open()
    if manager is None:
        return 0
    from git_datamanager.ops.hooks import commit as check_commit

    commit = check_commit.read_commit(manager)
    findings = check_commit.check_commit(manager, commit) if checks else []
    if uploads and not any(finding.refuses for finding in findings):
        done, found = check_commit.upload_commit(manager, commit)
        hook_talk.clear()
        hook_talk.tell_uploaded(done)
        findings = [*findings, *found]
    return hook_talk.tell(findings, "commit")


def _check(args: list[str]) -> int:
    return _pre_commit(args, uploads=False)


def _upload(args: list[str]) -> int:
    """The framework does not name the event: only a push has a remote."""
    if "PRE_COMMIT_REMOTE_NAME" not in os.environ:
        return _pre_commit(args, checks=False)
    return _push(os.environ["PRE_COMMIT_REMOTE_NAME"], _framework_refs)


# Before the push


def _pre_push(args: list[str]) -> int:
    from git_datamanager.ops.hooks.push import parse_refs

    text = _stdin()
    return _push(args[0] if args else "origin", lambda _: parse_refs(text))


def _push(remote: str, read_refs: "Callable[[DataManager], list[PushedRef]]") -> int:
    manager = _open()
    if manager is None:
        return 0
    from git_datamanager.ops.hooks.push import check_push

    pushed = check_push(manager, remote, read_refs(manager))
    hook_talk.clear()
    hook_talk.tell_uploaded(pushed.uploaded)
    return hook_talk.tell(pushed.findings, "push")


def _framework_refs(manager: "DataManager") -> "list[PushedRef]":
    """The framework tells of the first pushed ref only: the other branches may be pushed, or not."""
    from git_datamanager.ops.hooks.push import PushedRef

    first = os.environ.get("PRE_COMMIT_TO_REF") or os.environ.get("PRE_COMMIT_LOCAL_BRANCH") or "HEAD"
    refs = [PushedRef(manager.git.resolve(first), "")]
    heads = manager.git.output("for-each-ref", "--format=%(objectname)", "refs/heads").split()
    return refs + [PushedRef(head, "", is_sure=False) for head in heads if head != refs[0].oid]


# After checkout, merge, rebase and amend


def _post_checkout(args: list[str]) -> int:
    old, new, flag = (*args, "", "", "")[:3]
    return 0 if flag == "0" else _follow(old, new or "HEAD")


def _post_merge(args: list[str]) -> int:
    squashed = args[:1] == ["1"]
    return _follow("HEAD" if squashed else "ORIG_HEAD", "" if squashed else "HEAD")


def _post_rewrite(args: list[str]) -> int:
    lines = [line.split() for line in _stdin().splitlines() if line.strip()]
    by_amend = args[:1] == ["amend"]
    old = lines[-1][0] if lines else ("HEAD@{1}" if by_amend else "ORIG_HEAD")
    return _follow(old, "HEAD", ends_rebase=not by_amend)


def _post(args: list[str]) -> int:  # noqa: ARG001
    """The event of the pre-commit framework, from what it tells."""
    env = os.environ.get
    if "PRE_COMMIT_CHECKOUT_TYPE" in os.environ:
        refs = [env("PRE_COMMIT_FROM_REF", ""), env("PRE_COMMIT_TO_REF", "HEAD")]
        return _post_checkout([*refs, env("PRE_COMMIT_CHECKOUT_TYPE", "1")])
    if "PRE_COMMIT_REWRITE_COMMAND" in os.environ:
        return _post_rewrite([env("PRE_COMMIT_REWRITE_COMMAND", "")])
    return _post_merge([env("PRE_COMMIT_IS_SQUASH_MERGE", "0")])


def _follow(old: str, new: str, *, ends_rebase: bool = False) -> int:
    """`new` empty: what lies in the work tree."""
    manager = _open(was_at=old)
    if manager is None or (not ends_rebase and _is_rebasing(manager.git.git_dir)):
        return 0
    before, after = manager.git.blobs([f"{old}:manifest.json", f"{new}:manifest.json"])
    if new and before == after:
        return 0
    from git_datamanager.ops.hooks.follow import follow

    wanted = _read(after) if new else manager.manifests.current()
    followed = follow(manager, _read(before, is_old=True), wanted)
    hook_talk.clear()
    if not (manager.git.git_dir / "BISECT_LOG").exists():
        hook_talk.tell_followed(followed)
    return 0


def _read(data: bytes | None, *, is_old: bool = False) -> "Manifest":
    from git_datamanager.model.manifest import Manifest, loads

    try:
        return loads(data) if data is not None else Manifest()
    except ManifestError:
        if is_old:
            return Manifest()
        raise


def _is_rebasing(git_dir: Path) -> bool:
    """In the middle of a rebase, which may still be aborted; not at the end of a fast-forward one."""
    todo = git_dir / "rebase-merge" / "git-rebase-todo"
    if todo.is_file():
        return any(line.strip() and not line.startswith("#") for line in todo.read_text().splitlines())
    return (git_dir / "rebase-apply").exists()


# Merging


def _merge_driver(args: list[str]) -> int:
    """%O %A %B %L %P of gitattributes(5)."""
    from git_datamanager.ops.mergefile import merge_driver

    if len(args) < 3:
        hook_talk.say("error: git data merge-driver is called by Git: %O %A %B %L %P")
        return EXIT_USAGE
    name = args[4] if len(args) > 4 else "manifest.json"
    clashes, stacked = merge_driver(Path(args[0]), Path(args[1]), Path(args[2]), name)
    for clash in clashes:
        hook_talk.say(f"conflict: {clash}")
    for dataset in stacked[:_OFFERED]:
        hook_talk.say(f"{dataset}: both sides made a new version; both are kept, one above the other")
    if stacked:
        hook_talk.hint(["git data resolve --merge-rows   # makes one version with the rows of both"])
    if clashes:
        hook_talk.hint(["git data resolve --ours   # or --theirs: decides all of them"])
    return 1 if clashes else 0


_HANDLERS: dict[str, Callable[[list[str]], int]] = {
    "pre-commit": _pre_commit,
    "pre-push": _pre_push,
    "post-checkout": _post_checkout,
    "post-merge": _post_merge,
    "post-rewrite": _post_rewrite,
    "check": _check,
    "upload": _upload,
    "post": _post,
    "merge-driver": _merge_driver,
}
_AFTER = ("post-checkout", "post-merge", "post-rewrite", "post")


def _open(was_at: str | None = None) -> "DataManager | None":
    """The clone around, or None where git data was never set up (nor was at the commit one comes from)."""
    from git_datamanager.manager import DataManager
    from git_datamanager.workspace.git import open_git
    from git_datamanager.workspace.settings import is_initialised, load

    git = open_git()
    git = replace(git, prefix=os.environ.get("GIT_PREFIX", git.prefix))
    if git.top is None or not (is_initialised(git) or (was_at and git.blob(f"{was_at}:.gitdata"))):
        return None
    settings = load(git)
    for text in settings.warnings:
        hook_talk.say(f"warning: {text}")
    return DataManager(git, settings, hook_talk.Listener())


def _stdin() -> str:
    return "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
