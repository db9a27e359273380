"""The globs of a partial pull."""

import pytest

from git_datamanager.errors import NotFound
from git_datamanager.workspace.folderpick import picked
from tests.workspace.folderworld import listing

PATHS = ["a.csv", "d/a.csv", "d/b.txt", "d/e/c.csv", "d[1]/x", "de/y"]


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        ([], PATHS),
        (["*.csv"], ["a.csv"]),
        (["**/*.csv"], ["a.csv", "d/a.csv", "d/e/c.csv"]),
        (["d"], ["d/a.csv", "d/b.txt", "d/e/c.csv"]),
        (["./d/"], ["d/a.csv", "d/b.txt", "d/e/c.csv"]),
        (["d/*"], ["d/a.csv", "d/b.txt", "d/e/c.csv"]),
        (["d/?.*"], ["d/a.csv", "d/b.txt"]),
        (["d/**"], ["d/a.csv", "d/b.txt", "d/e/c.csv"]),
        (["d[1]"], ["d[1]/x"]),
        (["de/y", "a.csv"], ["a.csv", "de/y"]),
    ],
)
def test_what_a_glob_names(globs: list[str], expected: list[str]) -> None:
    made = listing(dict.fromkeys(PATHS, b"1"))
    assert picked(made, globs).paths == expected


@pytest.mark.parametrize("glob", ["x", "A.csv", "d/e/", "*/nothing"])
def test_a_glob_that_names_nothing_is_an_error(glob: str) -> None:
    made = listing({path: b"1" for path in PATHS if not path.startswith("d/e")})
    with pytest.raises(NotFound):
        picked(made, ["a.csv", glob])
