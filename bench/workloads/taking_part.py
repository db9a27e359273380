"""Versioners as contestants: made in a repository of their own, brought back before every round."""

from collections.abc import Callable
from pathlib import Path

from measuring import Contestant, Step, nothing
from repos import Image, put
from scene import Scene
from versioners import Annex, Dvc, Lfs, Ours, Versioner


def peers(scene: Scene, label: str, data: str) -> list[Versioner]:
    """git data first, then the tools like it that can send and fetch."""
    return [kind(scene, label, data) for kind in (Ours, Lfs, Dvc)]


def contestant(
    tool: Versioner,
    steps: Callable[[], list[Step]],
    prepare: Callable[[], object],
    reset: Callable[[], object] = nothing,
    cleanup: Callable[[], object] = nothing,
    *,
    slow: bool = False,
    counted: bool = False,
) -> Contestant:
    """A tool's part in a table. `slow`: one round is enough for it."""
    return Contestant(
        tool.name,
        steps() if tool.is_here else [],
        prepare=prepare,
        reset=reset,
        cleanup=cleanup,
        env=tool.env,
        rounds=1 if slow and tool.slow else None,
        is_counted=counted and tool.to_bucket,
        arrived=tool.arrived if counted and not tool.to_bucket else None,
    )


def adders(scene: Scene, source: Path, *, slow: bool) -> list[Contestant]:
    """Adding data that no tool has seen."""
    tools = [*peers(scene, "add", source.name), Annex(scene, "add", source.name)]
    return [_adder(tool, source, slow=slow or isinstance(tool, Annex)) for tool in tools]


def _adder(tool: Versioner, source: Path, *, slow: bool) -> Contestant:
    images: list[Image] = []

    def prepare() -> None:
        tool.found()
        images.append(tool.image(tool.work))
        _give(tool, source)

    def back() -> None:
        if not isinstance(tool, Annex):  # it has moved the data into .git, and has one round
            images[0].restore(f"{tool.data}.dvc")
            tool.git("reset", "-q", "--hard")

    return contestant(tool, tool.add, prepare, cleanup=back, slow=slow)


def sender(tool: Versioner, source: Path, *, slow: bool = False, counted: bool = False) -> Contestant:
    """Sending data that was added."""
    images: list[Image] = []

    def prepare() -> None:
        tool.found()
        _give(tool, source)
        tool.take(tool.add())
        tool.record()
        images.append(tool.image(tool.work))

    def back() -> None:
        images[0].restore()
        tool.forget()

    return contestant(tool, tool.send, prepare, cleanup=back, slow=slow, counted=counted)


def _give(tool: Versioner, source: Path) -> None:
    """The data for a tool: a hard link, but not for DVC and git-annex, which may change the file's mode."""
    if source.is_file() and isinstance(tool, Ours | Lfs):
        (tool.work / tool.data).hardlink_to(source)
    else:
        put(source, tool.work / tool.data)
