"""The command line: a table of commands, loaded when they are run, and one place for errors."""

import errno
import importlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_datamanager.cli import render
from git_datamanager.errors import EXIT_INTERRUPTED, EXIT_UNREAD, EXIT_USAGE, DataError, Forbidden

if TYPE_CHECKING:
    from git_datamanager.manager import DataManager
    from git_datamanager.workspace.remotes import Remote

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

# command → module and a line of help (so that the overview imports nothing)
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("setup", "Set up git data in this repository."),
    "trust": ("setup", "Confirm the store addresses that came with this clone."),
    "config": ("setup", "Show every effective setting and where it comes from."),
    "install": ("hooks", "Install the Git hooks and the merge driver in this clone."),
    "uninstall": ("hooks", "Remove them again."),
    "add": ("track", "Make files the next version of their datasets."),
    "prepare": ("track", "Make FILE the next version of NAME and upload it."),
    "status": ("look", "Show what changed, here and on its way."),
    "ls": ("listing", "List the datasets."),
    "log": ("listing", "Show the versions of datasets."),
    "show": ("listing", "Show one version in full."),
    "diff": ("diff", "Show what changed inside datasets, row by row."),
    "profile": ("profile", "Show what the tables of a version hold."),
    "blame": ("blame", "Show which version last changed a row, cell by cell."),
    "sql": ("sql", "Ask datasets in SQL."),
    "check": ("checks", "Check datasets by the rules that were set for them."),
    "catalog": ("catalog", "Show what is published, and how to get it."),
    "upload": ("move", "Bring pending versions to staging."),
    "pull": ("move", "Bring verified versions into the work tree."),
    "publish": ("publish", "Publish what is merged (run by CI)."),
    "preview": ("preview", "Show what a request would do (run by CI)."),
    "ci": ("ci", "Write the files with which CI publishes."),
    "rollback": ("lifecycle", "Make an older version the newest."),
    "delete": ("lifecycle", "Ask for the deletion of a dataset."),
    "undelete": ("lifecycle", "Bring back what was deleted, while its bytes can be had."),
    "prune": ("lifecycle", "Ask for the deletion of old versions."),
    "compact": ("compact", "Ask for deltas in place of old whole versions."),
    "set": ("telling", "Tell a dataset its key columns, title, tags."),
    "mv": ("lifecycle", "Rename a dataset."),
    "rm": ("lifecycle", "Stop materialising a dataset."),
    "gc": ("sweep", "Move what nothing names to the trash, and later remove it."),
    "cleanup": ("sweep", "Sweep staging."),
    "cache": ("cache", "Show what this clone keeps, and make room."),
    "verify": ("check", "Measure what the current credentials may do."),
    "doctor": ("doctor", "Look at everything git data rests on."),
    "fsck": ("check", "Hash everything again and compare."),
    "resolve": ("hooks", "Settle a manifest with merge conflicts."),
    "merge-driver": ("hooks", "Merge two manifests (called by Git)."),
    "hook": ("hooks", "Run a hook (called by Git)."),
    "textconv": ("diff", "Print a manifest as text (called by Git)."),
    "completion": ("setup", "Print the completion script of a shell."),
    "demo": ("demo", "Play the whole story in a scratch folder."),
}
HIDDEN = frozenset(["merge-driver", "hook", "textconv"])
# The seeds' words for the same things.
ALIASES = {"list-datasets": "ls", "prune-versions": "prune", "push": "upload"}


class LazyGroup(click.Group):
    """Knows its commands by name; imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"git_datamanager.cli.{COMMANDS[name][0]}")
        command = getattr(module, name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101 - the table is tested
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Unknown words get the nearest known one as a hint."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            close = difflib.get_close_matches(args[0], [*COMMANDS, *ALIASES], 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"git data has no command {args[0]!r}.{hint}", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(n, text) for n, (_, text) in COMMANDS.items() if n not in HIDDEN])


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        from git_datamanager import __version__

        render.out(f"git-data version {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings=HELP)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
    help="Show the version.",
)  # fmt: skip
@click.option("-C", "folder", type=click.Path(file_okay=False, exists=True), help="Run as if started there.")
@click.option("--color", type=click.Choice(["always", "never", "auto"]), help="Colour the output.")
@click.pass_context
def cli(ctx: click.Context, folder: str | None, color: str | None) -> None:
    """Large, versioned datasets beside a Git repository, in nothing but a bucket."""
    if folder:
        os.chdir(folder)
    render.settings.color = color or "auto"
    if ctx.invoked_subcommand is None:
        render.out(ctx.get_help())


_SAME_KEYSTROKE = 1.0
"""Seconds within which a second SIGINT is the first one, passed on."""


def _take_one_interrupt() -> None:
    """Let one Ctrl-C stop the command, and not also what it does to leave things in order.

    As `git data` it gets two signals for one keystroke: the terminal's, and git passes its own on. The
    second would come while leases are given back and temporary files removed.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return  # ignored in the background; or somebody else's business
    taken = float("-inf")

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal taken
        if time.monotonic() - taken > _SAME_KEYSTROKE:
            taken = time.monotonic()
            raise KeyboardInterrupt

    with suppress(ValueError):  # not the main thread: no signal comes here
        signal.signal(signal.SIGINT, interrupt)


def run(arguments: Sequence[str]) -> int:
    """Run a command line; returns the exit code, every error mapped once."""
    _take_one_interrupt()
    render.settings.wants_json = "--json" in arguments
    if "_GIT_DATA_COMPLETE" in os.environ:
        from git_datamanager.cli import bash

        bash.register()
    try:
        result = cli.main(
            list(arguments), prog_name="git data", standalone_mode=False, complete_var="_GIT_DATA_COMPLETE"
        )
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        render.usage_error(error)
        return EXIT_USAGE
    except (KeyboardInterrupt, click.Abort) as stop:
        return _stopped(stop)
    except (BrokenPipeError, SystemExit):  # which is what click makes of a BrokenPipeError
        return unread()
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback for users
        return _failed(error)
    render.finish_progress()
    return result if isinstance(result, int) else 0


def _stopped(stop: BaseException) -> int:
    """Ctrl-C, which click hands on as the cause of its own Abort; a prompt left open has no such cause."""
    render.finish_progress()
    if isinstance(stop, KeyboardInterrupt) or isinstance(stop.__cause__, KeyboardInterrupt):
        render.say("interrupted: nothing was half-written; run the same command again to go on")
    else:
        render.say("\nnot answered: nothing was changed")
    return EXIT_INTERRUPTED


def unread() -> int:
    """The reader of our output has gone (head, a pager): nobody is told, and a shell sees what it sees of
    git, which dies of the signal. What is still to be written goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return EXIT_UNREAD


def _failed(error: Exception) -> int:
    problem = _refused_by_system(error) if isinstance(error, OSError) else error
    if not isinstance(problem, DataError):
        return _crashed()
    render.finish_progress()
    render.error(problem)
    return problem.exit_code


_NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_NO_RIGHTS = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))
_OTHERS = frozenset((errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR))


def _refused_by_system(problem: OSError) -> DataError | None:
    """What a full or read-only disk makes of any verb: writes are whole or not at all (fsio)."""
    where = f" ({problem.filename})" if isinstance(problem.filename, str) else ""
    text = f"{problem.strerror}{where}: nothing was half-written, what was there was left as it is"
    if problem.errno in _NO_SPACE:
        return DataError(text, hints=["df -h .   # make room, then run the same command again"])
    if problem.errno in _NO_RIGHTS:
        return Forbidden(text, hints=["ls -ld . .git   # who may write here"])
    return DataError(text, hints=["git data fsck"]) if problem.errno in _OTHERS else None


def _crashed() -> int:
    """Something nobody thought of: say so in one line and keep the details in a file."""
    import traceback

    render.finish_progress()
    text = traceback.format_exc()
    if os.environ.get("GIT_DATA_TRACE") == "2":
        render.say(text)
    else:
        where = _crash_log(text)
        last = text.strip().splitlines()[-1]
        render.say(f"fatal: git data stopped at a fault of its own: {last}")
        render.say(
            f"hint: the details are in {where}" if where else "hint: GIT_DATA_TRACE=2 shows the details"
        )
    return 128


def _crash_log(text: str) -> Path | None:
    from git_datamanager import __version__
    from git_datamanager.workspace.git import open_git

    try:
        folder = open_git().common_dir / "data"
        folder.mkdir(exist_ok=True)
        path = folder / "crash.log"
        path.write_text(f"git-data {__version__}, Python {sys.version}\n{text}")
    except (DataError, OSError):
        return None
    return path


def ask_for_trust(place: "Remote") -> bool:
    """Whether requests, and credentials, may go to an address that came with the clone."""
    question = f"{place.role} is {render.clean(place.url)} (named by {place.origin}). Send requests there?"
    return bool(render.confirm(question))


@contextmanager
def manager() -> "Iterator[DataManager]":
    """The manager of the repository here, its progress drawn on stderr."""
    from git_datamanager.manager import DataManager

    with render.progress() as listen:
        yield DataManager.open(progress=listen, confirm=ask_for_trust)
