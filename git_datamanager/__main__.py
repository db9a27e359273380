"""The console script `git-data`: what must start at once goes past click."""

import sys


def _run() -> int:
    arguments = sys.argv[1:]
    asks_for_help = arguments[1:2] in ([], ["-h"], ["--help"])
    if arguments[:1] in (["hook"], ["merge-driver"]) and not asks_for_help:
        from git_datamanager.hook import main as run_hook

        if arguments[0] == "hook":
            arguments = arguments[1:]
        return run_hook(arguments)
    if arguments[:1] == ["textconv"] and not asks_for_help:
        from git_datamanager.cli.textconv import main as print_manifest

        return print_manifest(arguments[1:])
    if arguments == ["--version"]:
        from git_datamanager import __version__

        print(f"git-data version {__version__}")  # noqa: T201 - the one line that must not wait for click
        return 0
    from git_datamanager.cli.app import run

    return run(arguments)


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        return _run()
    except KeyboardInterrupt:  # before there was anybody else to take it
        print("interrupted: nothing was done; run the same command again", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:
        from git_datamanager.cli.app import unread

        return unread()


if __name__ == "__main__":
    sys.exit(main())
