"""Ten thousand pending entries: bounded memory, progress, and all of them go live."""

import re
import resource
import sys

import pytest

from tests.world import World

pytestmark = pytest.mark.nightly
COUNT = 10_000
MEMORY = 300 << 20


def test_ten_thousand_pending_entries(world: World) -> None:
    ana = world.found("ana")
    for n in range(COUNT):
        ana.write(f"d/{n:05}.csv", f"{n}\n")
    ana.data("add", "--quiet", *(f"d/{n:05}.csv" for n in range(COUNT)))
    ana.commit("many")
    ana.git("push", "-q")
    runner = world.clone("runner")
    done = runner.data("publish", env={"GIT_DATA_TRUST": "1", "CI": "true"})
    assert len(re.findall(r"published", done.out)) >= COUNT
    assert "done" in done.err or "MiB" in done.err or "%" in done.err, "progress is shown"
    scale = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * scale
    assert peak < MEMORY, f"{peak >> 20} MiB"
    print(f"peak of any child: {peak >> 20} MiB")
    ana.git("pull", "-q")
    manifest = ana.manifest()["datasets"]
    assert {d["versions"][0]["state"] for d in manifest.values()} == {"published"}
    assert len(manifest) == COUNT
    again = runner.data("publish", env={"GIT_DATA_TRUST": "1", "CI": "true"})
    assert "nothing is pending" in again.text
