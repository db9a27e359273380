"""Run commands one after the other and print what each took, as JSON: seconds, peak memory, exit status.

    python -I -S launch.py '[{"argv": ["true"], "cwd": ".", "env": {}}]'

A process of its own, and a small one: on Linux a child begins with the peak memory of its parent.
`peak` is the resident size in bytes of the largest process of the command's tree, from wait4. The
first command that fails is the last that runs; its last words are `said`.
"""

import json
import os
import sys
import tempfile
import time

SAID = 3000


def run(argv: list[str], cwd: str, env: dict[str, str]) -> dict[str, object]:
    """One command, its output in a file so that no pipe can hold it up."""
    with tempfile.TemporaryFile() as output, open(os.devnull, "rb") as nothing:  # noqa: PTH123 - no pathlib
        streams = [
            (os.POSIX_SPAWN_DUP2, source.fileno(), n) for n, source in enumerate([nothing, output, output])
        ]
        began = time.perf_counter()
        os.chdir(cwd)
        process = os.posix_spawnp(argv[0], argv, env, file_actions=streams)
        _, status, usage = os.wait4(process, 0)
        seconds = time.perf_counter() - began
        end = output.seek(0, os.SEEK_END)
        output.seek(max(0, end - SAID))
        said = output.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    return {"seconds": seconds, "peak": usage.ru_maxrss * 1024, "code": code, "said": said}


def main() -> None:
    done = []
    for command in json.loads(sys.argv[1]):
        done.append(run(command["argv"], command["cwd"], command["env"]))
        if done[-1]["code"] != 0:
            break
    print(json.dumps(done))


if __name__ == "__main__":
    main()
