"""Commands that tests run by forking do what real processes do."""

from collections.abc import Sequence

import pytest

from tests import forkserver
from tests.world import Clone, Done

COMMANDS = [
    ["data", "ls"],
    ["data", "show", "nothing"],
    ["data", "no-such-command"],
    ["-c", "alias.below=!printf '%s' \"$GREETING\" && git-data ls --json", "below"],
    ["-c", "alias.below=!cd sub && git-data show nothing", "below"],
    ["-c", "alias.below=!printf 'x y' | git-data hook pre-push origin nowhere", "below"],
]


def answer(clone: Clone, command: Sequence[str]) -> Done:
    return clone.git(*command, code=None, env={"GREETING": "hello"})


@pytest.mark.skipif(not forkserver.usable(["git", "data", "ls"], {}), reason="nothing is forked here")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_forked_command_answers_as_a_real_one(
    ana: Clone, command: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    (ana.path / "sub").mkdir()
    forked = answer(ana, command)
    monkeypatch.setenv(forkserver.REAL, "1")
    assert forked == answer(ana, command)
