"""The user's pager for long output, run as git runs it: on a terminal alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def paged(*, is_wanted: bool = True) -> Iterator[None]:
    """What is printed inside goes through the pager; colours stay, as git has them stay. A reader that has
    seen enough there ends the block, and that is no error."""
    command = _pager() if is_wanted and _is_terminal() else None
    if command is None:
        yield
        return
    env = {"LESS": "FRX", "LV": "-c", **os.environ}
    sys.stdout.flush()
    process = subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, env=env)
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    terminal = os.dup(1)
    os.dup2(process.stdin.fileno(), 1)
    process.stdin.close()
    os.environ["GIT_PAGER_IN_USE"] = "true"
    try:
        with _read_enough():
            yield
    finally:
        os.dup2(terminal, 1)
        os.close(terminal)
        del os.environ["GIT_PAGER_IN_USE"]
        with suppress(KeyboardInterrupt):  # Ctrl-C is the pager's own business
            process.wait()


@contextmanager
def _read_enough() -> Iterator[None]:
    """What nobody reads any more is thrown away: it must not come out elsewhere later."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
        sys.stdout.flush()


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and "GIT_PAGER_IN_USE" not in os.environ


def _pager() -> str | None:
    """What git would run; None where that is nothing, or `cat`."""
    done = subprocess.run(
        ["git", "var", "GIT_PAGER"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    command = done.stdout.strip() if done.returncode == 0 else ""
    return command if command not in ("", "cat") else None
