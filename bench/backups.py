"""restic and borg: backups into a folder on this disk, which is in their favour."""

from collections.abc import Sequence
from pathlib import Path

from measuring import Step, command
from repos import size
from scene import Scene

NOTE = "to and from a folder on this disk"
Argv = Sequence[str | Path]


class Backup:
    """A repository, and the folder that is backed up into it."""

    name = ""

    def __init__(self, scene: Scene, place: Path) -> None:
        self.scene = scene
        self.store, self.folder = place / "repository", place / "data"

    @property
    def is_here(self) -> bool:
        return self.name in self.scene.programs

    @property
    def program(self) -> str:
        return self.scene.programs.paths.get(self.name, self.name)

    def found(self) -> None:
        """The empty repository and the empty folder."""
        self.folder.mkdir(parents=True)
        self.run(self.init)

    @property
    def init(self) -> Argv:
        raise NotImplementedError

    @property
    def save(self) -> Argv:
        raise NotImplementedError

    @property
    def load(self) -> Argv:
        """The newest backup, into the folder."""
        raise NotImplementedError

    def step(self, argv: Argv) -> Step:
        return Step(argv, self.folder)

    def run(self, argv: Argv) -> None:
        """Not timed."""
        command(*argv, cwd=self.folder, env=self.scene.env)

    def stored(self) -> int:
        """Bytes of the repository."""
        return size(self.store)


class Restic(Backup):
    name = "restic"

    @property
    def init(self) -> Argv:
        return self._words("init")

    @property
    def save(self) -> Argv:
        return self._words("backup", ".")

    @property
    def load(self) -> Argv:
        return self._words("restore", "latest", "--target", ".")

    def _words(self, *words: str) -> Argv:
        return [self.program, "-q", "-r", self.store, *words]


class Borg(Backup):
    name = "borg"

    @property
    def init(self) -> Argv:
        return [self.program, "init", "-e", "none", self.store]

    @property
    def save(self) -> Argv:
        return [self.program, "create", f"{self.store}::{{utcnow:%s.%f}}", "."]

    @property
    def load(self) -> Argv:
        newest = f'{self.program} list --short --last 1 "$1"'
        return ["sh", "-c", f'exec {self.program} extract "$1::$({newest})"', "sh", self.store]


def backups(scene: Scene, label: str) -> list[Backup]:
    return [kind(scene, scene.root / f"{kind.name}-{label}") for kind in (Restic, Borg)]
