"""The console script `git-data`: what must start at once goes past click."""

import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["hook"] and arguments[1:2] not in ([], ["-h"], ["--help"]):
        from git_datamanager.hook import main as run_hook

        return run_hook(arguments[1:])
    if arguments == ["--version"]:
        from git_datamanager import __version__

        print(f"git-data version {__version__}")  # noqa: T201 - the one line that must not wait for click
        return 0
    from git_datamanager.cli.app import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
