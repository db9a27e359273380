"""S01-S08: which names are safe on every system."""

import os
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from git_datamanager.errors import NameRefused
from git_datamanager.model.names import check_name, check_together, fold, overlapping
from tests.model.strategies import names

REFUSED = {
    # S01: outside the repository, or no path at all
    "": "empty",
    "..": "holds the component",
    "../x": "holds the component",
    "a/../../x": "holds the component",
    "a/..": "holds the component",
    "./x": "holds the component",
    ".": "holds the component",
    "/": "absolute",
    "/etc/passwd": "absolute",
    "//host/share": "absolute",
    "C:\\x": "backslash",
    "C:/x": "absolute",
    "c:x": "absolute",
    "\\\\host\\share": "backslash",
    "a//b": "empty folder",
    "a/": "empty folder",
    "a\0b": "control",
    "a\nb": "control",
    "a\x1b[31mb": "control",
    "a\x7f": "control",
    "a\x85b": "control",
    "a\u2028b": "control",
    "a\udc80b": "control",
    "a" * 201: "longer",
    "ä" * 101: "longer",
    "a/" * 600 + "a": "longer",
    # S05: what Git, CI and this tool read, in every disguise
    ".git": "belongs",
    ".GIT": "belongs",
    ".git/hooks/pre-commit": "belongs",
    "sub/.git/config": "belongs",
    "sub/.Git": "belongs",
    "git~1": "belongs",
    "GIT~1/config": "belongs",
    "git~10": "belongs",
    "gitmod~1": "belongs",
    "GITATT~2": "belongs",
    "gitign~1": "belongs",
    "gi7eba~1": "belongs",
    "GI7D29~1": "belongs",
    "manife~1.jso": "belongs",
    "env~1": "belongs",
    ".g\u200cit": "belongs",
    ".git\u200d": "belongs",
    "\ufeff.git": "belongs",
    ".\u00adgit": "belongs",
    "．git": "belongs",
    ".ｇｉｔ": "belongs",
    ".git::$INDEX_ALLOCATION": "colon",
    ".git ": "ends with",
    ".git.": "ends with",
    ".gitmodules": "belongs",
    "sub/.gitmodules": "belongs",
    ".gitattributes": "belongs",
    "a/.gitattributes": "belongs",
    ".gitignore": "belongs",
    ".GitIgnore": "belongs",
    ".gitdata": "belongs",
    "manifest.json": "belongs",
    "Manifest.JSON": "belongs",
    ".github/workflows/x.yml": "belongs",
    ".gitlab-ci.yml": "belongs",
    ".forgejo/workflows/x.yml": "belongs",
    ".pre-commit-config.yaml": "belongs",
    ".env": "belongs",
    "sub/.ENV": "belongs",
    "\u200b": "visible",
    "a/\u200b/b": "visible",
    "a/.\u200b./b": "ends with",
    "\u3000": "visible",
    ".git-data-tmp-1": "temporary",
    "a/.git-data-x": "temporary",
    # S07: Windows
    "con": "device",
    "CON.txt": "device",
    "a/nul": "device",
    "aux .csv": "device",
    "com1": "device",
    "com¹.csv": "device",
    "LPT9.tar.gz": "device",
    "conin$": "device",
    "ｃｏｎ": "device",
    "x.": "ends with",
    "x ": "ends with",
    "a./b": "ends with",
    "a\\b": "backslash",
    "a:b": "absolute",
    "ab:c": "colon",
    "x.csv:stream": "colon",
    # S44: a name that shows as another one
    "data/\u202efdp.exe": "reverses",
    "\u2066a\u2069": "reverses",
}

ACCEPTED = [
    "a", "a.csv", "data/energy.sqlite", "a b.csv", "-rf", "--help", "~x", "data/.hidden", "données/été.csv",
    "日本/データ.parquet", "a/b/c/d/e/f", "x" * 200, "sub/manifest.json", "sub/.github/x", "git", "gitx",
    "git~", "git~x",
    "con1", "console.csv", "com10", "nullable.csv", "auxiliary", "..a", "a..b", "a...b/c", "...a",
    "$(touch x)", "a*b?", "<a|b>", "a;b", "a'b", "a@v2", "a=b", "a,b", "%2e%2e", "#1.csv", "[1].csv",
    "नि\u200dखिल.csv", "👩\u200d🔬.csv",
    ".gitkeep", "env", "manifest.jsonl",
]  # fmt: skip


@pytest.mark.parametrize(("name", "reason"), REFUSED.items(), ids=ascii)
def test_refused(name: str, reason: str) -> None:
    with pytest.raises(NameRefused, match=reason) as caught:
        check_name(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("name", ACCEPTED, ids=ascii)
def test_accepted(name: str) -> None:
    assert check_name(name) == name


def inside_root(name: str) -> bool:
    joined = os.path.normpath(os.path.join("/root", name))
    return joined.startswith("/root/") and joined == "/root/" + name


@given(st.text() | st.text("./\\:~git CON\u200b\u202e\0", max_size=12))
@example("\ud800")
@example(".\u200b.")
def test_any_text_is_accepted_safely_or_refused(name: str) -> None:
    try:
        assert check_name(name) == name
    except NameRefused as refused:
        assert str(refused).isprintable()
    else:
        assert check_name(check_name(name)) == name
        assert inside_root(name)
        # The name that HFS+ would take this for does not lead outside either.
        assert inside_root("".join(c for c in name if unicodedata.category(c) != "Cf"))


@given(names)
def test_the_strategy_makes_good_names(name: str) -> None:
    assert check_name(name) == name


@given(st.text())
def test_one_fold_for_every_unicode_form(name: str) -> None:
    forms = {fold(unicodedata.normalize(form, name)) for form in ("NFC", "NFD")}
    assert forms == {fold(name)}
    assert fold(fold(name)) == fold(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [("a.csv", "A.CSV"), ("Straße", "STRASSE"), ("caf\u00e9", "cafe\u0301"), ("CAFÉ", "cafe\u0301"),
     ("\u212a", "k"), ("\u03c3", "\u03c2"), ("a\u200cb", "ab"), ("x/Y", "X/y")],
)  # fmt: skip
def test_s06_pairs_that_are_one_file(one: str, other: str) -> None:
    for pair in ([one, other], [other, "between", one]):
        with pytest.raises(NameRefused, match="same file"):
            check_together(pair)


@pytest.mark.parametrize(
    ("outer", "inner"), [("a", "a/b"), ("a", "A/b"), ("a/b", "a/b/c/d"), ("caf\u00e9", "cafe\u0301/x")]
)
def test_no_dataset_lies_inside_another(outer: str, inner: str) -> None:
    for pair in ([outer, inner], [inner, outer], [outer, "a b", "a-b", "a.b", inner]):
        with pytest.raises(NameRefused, match="inside the dataset"):
            check_together(pair)


def test_neighbours_may_stand_side_by_side() -> None:
    check_together(["a", "a b", "a-b/c", "a.b", "ab/c", "b/a", "b/b", "b/a b"])
    check_together([])


@given(
    st.lists(st.lists(st.sampled_from(["a", "A", "b", "a b", "a!"]), min_size=1, max_size=3).map("/".join))
)
def test_overlapping_finds_what_comparing_every_pair_finds(several: list[str]) -> None:
    def clash(one: str, other: str) -> bool:
        one, other = fold(one), fold(other)
        return one == other or one.startswith(other + "/") or other.startswith(one + "/")

    pairs = list(overlapping(several))
    assert all(clash(several[one], several[other]) and one != other for one, other in pairs)
    assert bool(pairs) == any(clash(a, b) for n, a in enumerate(several) for b in several[n + 1 :])
