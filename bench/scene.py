"""What every workload is given: a folder, a meter, programs, and a scale."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import Meter, Row
from programs_here import Programs
from servers import Bucket

SCRIPTS = Path(sys.executable).parent
_FOREIGN = ("GIT_", "R2_", "S3_", "BOTO", "XDG_", "RCLONE_", "RESTIC_", "BORG_", "DVC_", "PRE_COMMIT")
_GITCONFIG = """\
[user]
	name = Bench
	email = bench@example.org
[init]
	defaultBranch = main
[protocol "file"]
	allow = always
[advice]
	detachedHead = false
[gc]
	auto = 0
"""


@dataclass(frozen=True)
class Scene:
    """The place of one workload."""

    root: Path
    meter: Meter
    programs: Programs
    scale: float

    @property
    def env(self) -> dict[str, str]:
        """For what is not timed."""
        return {**self.meter.env, **self.bucket.env()}

    @property
    def bucket(self) -> Bucket:
        return self.meter.bucket

    def scaled(self, number: int, least: int = 1) -> int:
        """A size or count of this run."""
        return max(least, round(number * self.scale))

    def prefix(self, name: str) -> str:
        """A place of its own in the bucket."""
        return f"{self.root.name}/{name}"


@dataclass
class Table:
    """The result of one table: rows, and figures that no clock has to do with."""

    title: str
    rows: list[Row]
    figures: dict[str, Any]
    """`bytes`: of the data; others as the table needs them."""

    def as_json(self) -> dict[str, Any]:
        return {"title": self.title, "figures": self.figures, "rows": [row.as_json() for row in self.rows]}


def environment(home: Path, around: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Nothing of the user's settings but credentials for the bucket; git-data of this Python comes first."""
    home.mkdir(parents=True)
    (home / ".gitconfig").write_text(_GITCONFIG, encoding="utf-8")
    kept = {name: value for name, value in around.items() if not name.startswith(_FOREIGN)}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    for name, value in (("AWS_ACCESS_KEY_ID", "bench"), ("AWS_SECRET_ACCESS_KEY", "bench-secret")):
        kept.setdefault(name, value)
    return kept | {
        "PATH": os.pathsep.join([str(SCRIPTS), kept.get("PATH", os.defpath)]),
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_DATA_TRUST": "1",
        "LC_ALL": "C.UTF-8",
        "AWS_EC2_METADATA_DISABLED": "true",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(home / "dvc-site"),
        "RCLONE_S3_PROVIDER": "Other",
        "RCLONE_S3_ENV_AUTH": "true",
        "RCLONE_S3_FORCE_PATH_STYLE": "true",
        "RCLONE_S3_NO_CHECK_BUCKET": "true",
        "RCLONE_CONFIG": str(home / "rclone.conf"),
        "RESTIC_PASSWORD": "bench",
        "RESTIC_CACHE_DIR": str(home / "restic-cache"),
        "BORG_BASE_DIR": str(home / "borg"),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
    }
