"""Programs and libraries that copy files to and from a bucket, and keep no versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring import Contestant, Step
from repos import remove
from scene import Scene

SCRIPTS = Path(__file__).parent / "programs"
SLOW = frozenset(["aws", "rclone", "boto3"])
"""Those that get one round."""
Argv = Sequence[str | Path]


@dataclass(frozen=True)
class Copier:
    """How one of them is called."""

    name: str
    scene: Scene

    @property
    def is_here(self) -> bool:
        return self.name in self.scene.programs

    def address(self, key: str) -> str:
        return f"{self.scene.bucket.name}/{key}"

    def up(self, source: Path, key: str) -> Argv:
        raise NotImplementedError

    def down(self, key: str, target: Path, *, many: bool) -> Argv:
        raise NotImplementedError


class S5cmd(Copier):
    def up(self, source: Path, key: str) -> Argv:
        many = source.is_dir()
        words = (
            [f"{source}/", f"s3://{self.address(key)}/"] if many else [source, f"s3://{self.address(key)}"]
        )
        return [self.scene.programs["s5cmd"], "cp", *words]

    def down(self, key: str, target: Path, *, many: bool) -> Argv:
        words = (
            [f"s3://{self.address(key)}/*", f"{target}/"] if many else [f"s3://{self.address(key)}", target]
        )
        return [self.scene.programs["s5cmd"], "cp", *words]


class Rclone(Copier):
    def up(self, source: Path, key: str) -> Argv:
        return self._copy(source, f":s3:{self.address(key)}", many=source.is_dir())

    def down(self, key: str, target: Path, *, many: bool) -> Argv:
        return self._copy(f":s3:{self.address(key)}", target, many=many)

    def _copy(self, source: str | Path, target: str | Path, *, many: bool) -> Argv:
        words = ["copy", "--transfers", "32", "--checkers", "32"] if many else ["copyto"]
        return [self.scene.programs["rclone"], *words, source, target]


class Aws(Copier):
    def up(self, source: Path, key: str) -> Argv:
        return self._copy(source, f"s3://{self.address(key)}", many=source.is_dir())

    def down(self, key: str, target: Path, *, many: bool) -> Argv:
        return self._copy(f"s3://{self.address(key)}", target, many=many)

    def _copy(self, source: str | Path, target: str | Path, *, many: bool) -> Argv:
        more = ["--recursive"] if many else []
        return [self.scene.programs["aws"], "s3", "cp", "--only-show-errors", *more, source, target]


class Library(Copier):
    """boto3 and obstore: our scripts around them, in the Python that has them."""

    def up(self, source: Path, key: str) -> Argv:
        return [*self._script, "up", source, self.scene.bucket.name, key]

    def down(self, key: str, target: Path, *, many: bool) -> Argv:  # noqa: ARG002 - the script sees it
        return [*self._script, "down", self.scene.bucket.name, key, target]

    @property
    def _script(self) -> Argv:
        return [self.scene.programs[self.name], SCRIPTS / f"{self.name}_copy.py"]


def copiers(scene: Scene) -> list[Copier]:
    libraries = [Library(name, scene) for name in ("obstore", "boto3")]
    return [S5cmd("s5cmd", scene), *libraries, Rclone("rclone", scene), Aws("aws", scene)]


def senders(scene: Scene, source: Path) -> list[Contestant]:
    """Everyone sends a file or folder to a place that is empty."""
    return [_sender(scene, one, source) for one in copiers(scene)]


def _sender(scene: Scene, one: Copier, source: Path) -> Contestant:
    key = scene.prefix(f"{one.name}/{source.name}")
    return Contestant(
        one.name,
        [Step(one.up(source, key), scene.root)] if one.is_here else [],
        cleanup=lambda: scene.bucket.empty(scene.prefix(one.name)),
        rounds=1 if one.name in SLOW else None,
        is_counted=one.name == "s5cmd",
    )


def fetchers(scene: Scene, key: str, *, many: bool) -> list[Contestant]:
    """Everyone fetches what lies under a key, a file or `many`, to a place that is empty."""
    return [_fetcher(scene, one, key, many=many) for one in copiers(scene)]


def _fetcher(scene: Scene, one: Copier, key: str, *, many: bool) -> Contestant:
    target = scene.root / f"{one.name}-fetched"

    def reset() -> None:
        remove(target)
        if many:
            target.mkdir()

    return Contestant(
        one.name,
        [Step(one.down(key, target, many=many), scene.root)] if one.is_here else [],
        reset=reset,
        cleanup=lambda: remove(target),
        rounds=1 if one.name in SLOW else None,
        is_counted=one.name == "s5cmd",
        note="not verified" if one.name == "s5cmd" else "",
    )
