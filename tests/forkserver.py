"""`git data …` without starting Python again: a process that has imported everything forks for each command.

A command still runs in a process of its own, with its own environment, folder and streams, through the
program's entry point; what is spared is Git's dispatch and the imports, most of a small command's time.
Where Git starts `git-data` (hooks, drivers), it finds `programs/git-data`, which asks the same process.
`DATA_TESTS_REAL=1` turns this off; tests that look at processes, signals or start-up start their own.
"""

import ast
import contextlib
import os
import secrets
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

REAL = "DATA_TESTS_REAL"
_PROGRAMS = Path(__file__).resolve().parent / "programs"
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
    return is_data and _is_on(changed)


def below_git(args: Sequence[str], changed: Mapping[str, str]) -> dict[str, str]:
    """What to set for a command so that the `git-data` that Git starts runs so.

    Nothing where the test's PATH has another one first, or none.
    """
    ours = str(Path(sys.executable).parent / "git-data")
    if args[0] != "git" or not _is_on(changed) or shutil.which("git-data") != ours:
        return {}
    path = os.pathsep.join([str(_PROGRAMS), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "DATA_TESTS_SERVER": _server(os.getpid()).name}


def _is_on(changed: Mapping[str, str]) -> bool:
    is_early = any(name.startswith(_EARLY) for name in changed)
    return not is_early and sys.platform == "linux" and not os.environ.get(REAL)


def run(args: Sequence[str], folder: Path, env: Mapping[str, str], *, seconds: float) -> Ended:
    """Run `git data …` there. Raises subprocess.TimeoutExpired."""
    server = _server(os.getpid())
    path = os.pathsep.join([server.programs, env.get("PATH", os.defpath)])  # as git hands it on
    request = (list(args[2:]), str(folder), {**env, "PATH": path})
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, contextlib.ExitStack() as stack:
        reading, writing = os.pipe()
        stack.callback(os.close, reading)
        try:
            descriptors = [server.nothing, out.fileno(), err.fileno(), writing]
            socket.send_fds(server.asked, [ascii(request).encode()], descriptors)
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


class _Server(NamedTuple):
    asked: socket.socket
    name: str
    """Of the socket where others may ask, in the abstract namespace."""
    programs: str
    nothing: int
    """An open /dev/null."""


@cache
def _server(process: int) -> _Server:
    """One for each process that runs tests; it ends when that one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    name = f"data-tests-{process}-{secrets.token_hex(4)}"
    with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind("\0" + name)
        door.listen(64)
        subprocess.Popen(
            [sys.executable, "-m", "tests.forkserver", str(theirs.fileno()), str(door.fileno())],
            cwd=_PROGRAMS.parent.parent,
            pass_fds=[theirs.fileno(), door.fileno()],
            stdin=subprocess.DEVNULL,
        )
    programs = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True)
    return _Server(ours, name, programs.stdout.strip(), os.open(os.devnull, os.O_RDONLY))


# The other side


def serve(asked: socket.socket, door: socket.socket) -> None:
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
        if door in select.select([asked, door], [], [])[0]:
            guest, _ = door.accept()
            with guest:
                data, descriptors, _, _ = socket.recv_fds(guest, 1 << 20, 4)
        else:
            data, descriptors, _, _ = socket.recv_fds(asked, 1 << 20, 4)
            if not data:
                return
        if data and os.fork() == 0:
            asked.close()
            door.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _become(*ast.literal_eval(data.decode()), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _become(args: list[str], folder: str, env: dict[str, str], descriptors: Sequence[int]) -> None:
    """Run the command, and end with this process."""
    code = 70
    *streams, status = descriptors
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.set_inheritable(status, False)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = ["git-data", *args]
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
    with socket.socket(fileno=int(sys.argv[1])) as asked, socket.socket(fileno=int(sys.argv[2])) as door:
        serve(asked, door)
