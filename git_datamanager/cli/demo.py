"""git data demo."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP
from git_datamanager.errors import DataError
from git_datamanager.ops.demo import Chapter, Command, Scene, play


@click.command(context_settings=HELP)
@click.option(
    "--keep", metavar="DIR", type=click.Path(path_type=Path), help="Play in DIR and leave it there."
)
@options.json_output
@options.talk
def demo(keep: Path | None, as_json: bool) -> int:
    """Play the whole story in a scratch folder: init, add, publish, pull, rollback, prune, delete.

    Runs every command for real, with a bare origin, two clones and two folders as stores. Needs no
    account and no network, reads none of your settings, and takes some seconds. DIR must be empty or
    not there yet.
    """
    scenes: list[Scene] = []
    failure: DataError | None = None
    with _folder(keep) as folder:
        try:
            for scene in play(folder, color=not as_json and render.paint("x", "hint") != "x"):
                scenes.append(scene)
                if not as_json and not render.settings.quiet:
                    _print(scene)
        except DataError as error:
            failure = error
    if as_json:
        render.json("demo", _json(scenes, keep, failure))
    if failure is not None:
        if render.settings.quiet and scenes and isinstance(scenes[-1], Command):
            render.say(scenes[-1].output.rstrip("\n"))
        render.say(f"{render.paint('error:', 'error', stream='stderr')} {render.clean(str(failure))}")
        return failure.exit_code
    if not as_json and not render.settings.quiet:
        _farewell(keep)
    return 0


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    scratch = Path(tempfile.mkdtemp(prefix="git-data-demo-"))
    try:
        yield scratch
    finally:
        _remove(scratch)


def _remove(folder: Path) -> None:
    """After Ctrl-C a command's own children may still be writing for a moment."""
    for _ in range(10):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    render.warn(f"{folder} could not be removed whole")


def _print(scene: Scene) -> None:
    if isinstance(scene, Chapter):
        render.out()
        render.out(render.paint(f"== {scene.title}", "changed"))
        render.out(scene.text)
        render.out()
    elif isinstance(scene, Command):
        who = f"{scene.who} " if scene.who else ""
        render.out(render.paint(f"{who}$ {scene.words}", "added"))
        if scene.output:
            # The commands made their own output safe for a terminal.
            render.out(scene.output.rstrip("\n"))
    else:
        render.out(render.paint(f"# {scene.text}", "dim"))
    sys.stdout.flush()


def _farewell(keep: Path | None) -> None:
    render.out()
    if keep is not None:
        shown = os.path.join(keep, "ana")  # noqa: PTH118 - as the user wrote it
        render.out(f"The clones are {render.clean(shown)} and ben beside it; the stores are in ana.data.")
    else:
        render.out("The scratch folder is gone; git data demo --keep DIR leaves it for you to look at.")
    render.out("Next, in a Git repository of your own:")
    for words in ("git data init", "git data add <file>", 'git commit -m "Add <file>"'):
        render.out(f"  {words}")


def _json(scenes: list[Scene], keep: Path | None, failure: DataError | None) -> dict[str, Any]:
    return {
        "kept": str(keep) if keep else None,
        "steps": [_step(scene) for scene in scenes],
        "error": str(failure) if failure else None,
    }


def _step(scene: Scene) -> dict[str, Any]:
    """A command has an exit code and output; a chapter and a fact have a text alone."""
    if isinstance(scene, Command):
        return {
            "kind": "command",
            "folder": scene.who,
            "command": scene.words,
            "exit_code": scene.code,
            "output": scene.output,
        }
    text = f"{scene.title}: {scene.text}" if isinstance(scene, Chapter) else scene.text
    return {"kind": "chapter" if isinstance(scene, Chapter) else "fact", "text": text}
