"""`git data …` without starting Python again: a process that has imported everything forks for each command.

A command still runs in a process of its own, with its own environment, folder and streams, through the
program's entry point; what is spared is Git's dispatch and the imports, most of a small command's time.
`DATA_TESTS_REAL=1` turns this off; tests that look at processes, signals or start-up start their own.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

REAL = "DATA_TESTS_REAL"
_EARLY = ("PYTHON", "LC_", "LANG", "PATH")
"""What a running interpreter no longer heeds."""
_PRELOADED = ("boto3", "botocore.httpsession", "pygit2", "filelock", "concurrent.futures.thread", "sqlite3")


class Ended(NamedTuple):
    code: int
    out: bytes
    err: bytes


def usable(args: Sequence[str], changed: Mapping[str, str]) -> bool:
    """Whether this command may run so; `changed`: what its environment says otherwise than the test's."""
    is_data = list(args[:2]) == ["git", "data"] and len(args) > 2
    is_early = any(name.startswith(_EARLY) for name in changed)
    return is_data and not is_early and sys.platform == "linux" and not os.environ.get(REAL)


def run(args: Sequence[str], folder: Path, env: Mapping[str, str], *, seconds: float) -> Ended:
    """Run `git data …` there. Raises subprocess.TimeoutExpired."""
    server, programs = _server(os.getpid())
    path = os.pathsep.join([programs, env.get("PATH", os.defpath)])  # as git hands it on
    request = {"args": list(args[2:]), "folder": str(folder), "env": {**env, "PATH": path}}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, contextlib.ExitStack() as stack:
        reading, writing = os.pipe()
        stack.callback(os.close, reading)
        try:
            socket.send_fds(server, [json.dumps(request).encode()], [out.fileno(), err.fileno(), writing])
        finally:
            os.close(writing)
        said = _said(reading, seconds)
        if said is None:
            raise subprocess.TimeoutExpired(list(args), seconds)
        out.seek(0)
        err.seek(0)
        return Ended(int(said) if said else -9, out.read(), err.read())


def _said(reading: int, seconds: float) -> bytes | None:
    """What the process left when it ended: nothing where it was killed. None when the time is over."""
    said = b""
    while True:
        if not select.select([reading], [], [], seconds)[0]:
            return None
        block = os.read(reading, 64)
        if not block:
            return said
        said += block


@cache
def _server(_process: int) -> tuple[socket.socket, str]:
    """One for each process that runs tests; it ends when that one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", "tests.forkserver", str(theirs.fileno())],
            cwd=Path(__file__).resolve().parent.parent,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
    programs = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True)
    return ours, programs.stdout.strip()


# The other side


def serve(listening: socket.socket) -> None:
    """Fork for each request until nobody asks any more."""
    import importlib
    import pkgutil
    import signal

    import git_datamanager

    for module in pkgutil.walk_packages(git_datamanager.__path__, "git_datamanager."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(Exception):  # one that is broken is told of by the command that needs it
                importlib.import_module(module.name)
    for name in _PRELOADED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: they say themselves how it went
    while True:
        data, descriptors, _, _ = socket.recv_fds(listening, 1 << 20, 3)
        if not data:
            return
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _become(json.loads(data), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _become(request: dict, out: int, err: int, status: int) -> None:
    """Run the command, and end with this process."""
    code = 70
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.set_inheritable(status, False)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["env"])
        sys.argv = ["git-data", *request["args"]]
        code = _main()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os.write(status, str(code).encode())
        os._exit(code)


def _main() -> int:
    """The entry point, and what the interpreter does after it."""
    import atexit
    import threading
    import traceback

    from git_datamanager.__main__ import main

    try:
        code = main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    return code


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        serve(listening)
