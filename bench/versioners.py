"""git data and the tools like it, each told to do the same things: add, send, clone, fetch."""

from collections.abc import Mapping
from pathlib import Path

from measuring import OURS, Step, command
from repos import Image, put, remove, repository, size
from scene import Scene
from servers import Bucket


class Versioner:
    """One tool in a project of its own: a bare origin, an author's clone, and readers' clones.

    `data` is the path of the dataset in the work tree, a file or a folder.
    """

    program = ""
    slow = True
    """Whether one round has to do where the data is large."""
    to_bucket = True
    """Whether its bytes go through the bucket."""

    def __init__(self, scene: Scene, label: str, data: str) -> None:
        self.scene, self.data, self.label = scene, data, label
        self.place = scene.root / f"{type(self).__name__.lower()}-{label}"
        self.origin, self.work = self.place / "origin.git", self.place / "author"
        self.prefix = scene.prefix(self.place.name)

    @property
    def name(self) -> str:
        return self.program

    @property
    def is_here(self) -> bool:
        return self.program in self.scene.programs

    @property
    def executable(self) -> str:
        return self.scene.programs[self.program]

    def found(self) -> None:
        """Make the repositories and set the tool up."""
        repository(self.origin, self.work, self.scene.env)
        self.configure(self.work)
        self.git("commit", "-q", "--allow-empty", "-m", "Set up")
        self.git("push", "-q", "origin", "main")

    def configure(self, clone: Path) -> None:
        """What a clone needs before data can come."""

    def env(self, _bucket: Bucket) -> Mapping[str, str]:
        """What says where the bucket is, beyond `Bucket.env`."""
        return {}

    def add(self) -> list[Step]:
        raise NotImplementedError

    def send(self) -> list[Step]:
        """To the store; `record` was called, or for `change` is part of it."""
        raise NotImplementedError

    def change(self) -> list[Step]:
        """Add and send a new version."""
        return [*self.add(), *self.send()]

    def fetch(self, clone: Path) -> list[Step]:
        raise NotImplementedError

    def record(self) -> None:
        """Commit what was added and push the commit."""
        self.git("add", "-u")
        self.git("commit", "-q", "--allow-empty", "-m", "Change")
        self.git("push", "-q", "origin", "main")

    def settle(self) -> None:
        """Make what was sent what readers get."""

    def save(self) -> None:
        """Everything from the changed file to the store, not timed."""
        self.take(self.add())
        self.record()
        self.take(self.send())
        self.settle()

    def clone_step(self, name: str) -> Step:
        """`git clone`, without any data."""
        return Step(["git", "clone", "-q", self.origin.as_uri(), name], self.place)

    def clone(self, name: str) -> Path:
        """A reader's clone, without any data."""
        self.take([self.clone_step(name)])
        self.configure(self.place / name)
        return self.place / name

    def refresh(self, clone: Path) -> None:
        """The newest commits, without any data."""
        command("git", "pull", "-q", "--ff-only", cwd=clone, env=self.quiet())

    def quiet(self) -> dict[str, str]:
        """The environment in which Git moves commits and no data."""
        return self.scene.env

    def forget(self) -> None:
        """Remove what was sent from the store."""
        self.scene.bucket.empty(self.prefix)

    def arrived(self) -> int:
        """Bytes where they go, for a tool whose store is not the bucket."""
        return 0

    def image(self, clone: Path) -> Image:
        return Image(clone)

    def put(self, source: Path) -> None:
        """The data into the author's work tree."""
        put(source, self.work / self.data)

    def git(self, *words: str) -> str:
        return command("git", *words, cwd=self.work, env=self.quiet())

    def take(self, steps: list[Step]) -> None:
        """Steps that are not timed."""
        env = {**self.scene.env, **self.env(self.scene.bucket)}
        for step in steps:
            command(*step.argv, cwd=step.cwd, env=env)


class Ours(Versioner):
    """git data: staging and production in the bucket, publish in a third clone as CI does it."""

    program = "git"
    slow = False

    def __init__(self, scene: Scene, label: str, data: str, **settings: str) -> None:
        super().__init__(scene, label, data)
        self.settings = {f"data.{key}": value for key, value in settings.items()}

    @property
    def name(self) -> str:
        said = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{OURS} ({said})" if said else OURS

    def found(self) -> None:
        repository(self.origin, self.work, self.scene.env)
        bucket = self.scene.bucket
        words = (f"--{store}={bucket.url(self.prefix + '/' + store)}" for store in ("staging", "production"))
        self.git("data", "init", "-q", "--no-hooks", *words)
        self.configure(self.work)
        self.git("commit", "-q", "-m", "Set up")
        self.git("push", "-q", "origin", "main")

    def configure(self, clone: Path) -> None:
        for key, value in {"data.hooks": "none", **self.settings}.items():
            command("git", "config", key, value, cwd=clone, env=self.scene.env)

    def env(self, bucket: Bucket) -> Mapping[str, str]:
        return {
            f"GIT_DATA_REMOTE_{store.upper()}_URL": bucket.url(f"{self.prefix}/{store}")
            for store in ("staging", "production")
        }

    def add(self) -> list[Step]:
        return [Step(["git", "data", "add", "-q", self.data], self.work)]

    def send(self) -> list[Step]:
        return [Step(["git", "data", "upload", "-q"], self.work)]

    def fetch(self, clone: Path) -> list[Step]:
        return [Step(["git", "data", "pull", "-q"], clone)]

    def status(self) -> list[Step]:
        return [Step(["git", "data", "status"], self.work)]

    def settle(self) -> None:
        """Publish. localbucket knows no write whose condition is an ETag, and nobody else publishes here."""
        self.as_ci("publish", "-q", "--unsafe-single-writer")
        self.refresh(self.work)

    def as_ci(self, *words: str) -> str:
        """A command of CI, in its own clone at the newest commit."""
        runner = self.place / "runner"
        if not runner.exists():
            self.clone("runner")
        self.refresh(runner)
        return command("git", "data", *words, cwd=runner, env={**self.scene.env, "CI": "true"})

    def forget(self) -> None:
        """Staging alone: production is reset with the project."""
        self.scene.bucket.empty(f"{self.prefix}/staging")


class Lfs(Versioner):
    """git-lfs with a folder as its server (its own standalone transfer)."""

    program = "git-lfs"
    to_bucket = False

    def configure(self, clone: Path) -> None:
        command("git", "lfs", "install", "--local", cwd=clone, env=self.scene.env)
        if clone == self.work:
            pattern = self.data if "." in self.data else f"{self.data}/**"
            self.git("lfs", "track", pattern)
            self.git("add", ".gitattributes")

    def add(self) -> list[Step]:
        return [Step(["git", "add", self.data], self.work)]

    def send(self) -> list[Step]:
        return [Step(["git", "lfs", "push", "origin", "main"], self.work)]

    def change(self) -> list[Step]:
        commit = Step(["git", "commit", "-q", "-m", "Change"], self.work)
        return [*self.add(), commit, *self.send()]

    def record(self) -> None:
        self.git("commit", "-q", "--allow-empty", "-m", "Change")

    def settle(self) -> None:
        self.git("push", "-q", "origin", "main")

    def fetch(self, clone: Path) -> list[Step]:
        return [Step(["git", "lfs", "pull"], clone)]

    def status(self) -> list[Step]:
        return [Step(["git", "status", "--short"], self.work)]

    def quiet(self) -> dict[str, str]:
        return {**self.scene.env, "GIT_LFS_SKIP_SMUDGE": "1"}

    def arrived(self) -> int:
        return size(self.origin / "lfs") + size(self.place / "reader" / ".git" / "lfs")

    def forget(self) -> None:
        remove(self.origin / "lfs")


class Dvc(Versioner):
    """DVC with the bucket as its remote."""

    program = "dvc"

    def configure(self, clone: Path) -> None:
        if clone == self.work:
            self.dvc("init", "-q")
            self.dvc("remote", "add", "-q", "-d", "s3", f"s3://{self.scene.bucket.name}/{self.prefix}")
            self.git("add", ".dvc")

    def dvc(self, *words: str) -> str:
        return command(self.executable, *words, cwd=self.work, env=self.scene.env)

    def add(self) -> list[Step]:
        return [Step([self.executable, "add", "-q", self.data], self.work)]

    def send(self) -> list[Step]:
        return [Step([self.executable, "push", "-q"], self.work)]

    def fetch(self, clone: Path) -> list[Step]:
        return [Step([self.executable, "pull", "-q"], clone)]

    def status(self) -> list[Step]:
        return [Step([self.executable, "status", "-q"], self.work)]

    def record(self) -> None:
        self.git("add", f"{self.data}.dvc", ".gitignore")
        super().record()

    def image(self, clone: Path) -> Image:
        return Image(clone, ".dvc", ".gitignore", f"{self.data}.dvc")


class Annex(Versioner):
    """git-annex, for adding alone."""

    program = "git-annex"

    def configure(self, clone: Path) -> None:
        command("git", "annex", "init", "-q", cwd=clone, env=self.scene.env)

    def add(self) -> list[Step]:
        return [Step(["git", "annex", "add", "-q", self.data], self.work)]
