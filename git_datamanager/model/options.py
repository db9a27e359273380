"""What a dataset is told of itself: `options` in docs/spec/manifest-v1.md."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from git_datamanager.errors import DataError, ManifestError
from git_datamanager.model import fields, strictjson
from git_datamanager.model.entries import MAX_NUMBER


class Option(NamedTuple):
    type: type
    means: str


KNOWN: Mapping[str, Option] = {
    "key": Option(list, "columns by which rows are matched"),
    "encoding": Option(str, "auto, identity or zstd"),
    "storage_class": Option(str, "of its objects, where the store has classes"),
    "tags": Option(list, "words to find it by"),
    "title": Option(str, "what people call it"),
    "description": Option(str, "what it holds"),
    "max_diff_rows": Option(int, "rows that a diff shows at most"),
    "plain": Option(int, "versions that stay whole"),
}
"""In the order in which they are written."""
_ARTICLES = {list: "a list of strings", str: "a string", int: "an integer"}


def checked(value: object, where: str) -> dict[str, Any]:
    """The options of a dataset, those unknown here too. Raises ManifestError for a value that cannot be."""
    options = fields.mapping(value, f"{where}: options")
    for name, option in KNOWN.items():
        if name in options and not _is(options[name], option.type):
            raise ManifestError(f"{where}: option {name} is not {_ARTICLES[option.type]}")
    if options.get("encoding", "auto") not in ("auto", "identity", "zstd"):
        raise ManifestError(f"{where}: option encoding is not one of auto, identity, zstd")
    if options.get("max_diff_rows", 0) < 0:
        raise ManifestError(f"{where}: option max_diff_rows is negative")
    if not 1 <= options.get("plain", 1) <= MAX_NUMBER:
        raise ManifestError(f"{where}: option plain is not a number of versions from 1 up")
    return options


def read_word(word: str) -> tuple[str, Any]:
    """`NAME=VALUE` as somebody types it; a list with commas, or as JSON. Raises DataError."""
    name, _, text = word.partition("=")
    check_name(name)
    if not text:
        raise DataError(
            f"{word[:80]!r} has no value", hints=[f"git data set NAME {name}=VALUE   # or --unset {name}"]
        )
    if text != text.encode("utf-8", "replace").decode():
        raise DataError(f"what {name} is to be is no UTF-8 text", hints=["say it again in a UTF-8 terminal"])
    value = _read(KNOWN[name].type, text)
    if isinstance(value, list) and "" in value:
        raise DataError(f"{word[:80]!r} has an empty name", hints=[f'git data set NAME {name}="a,b"'])
    try:
        checked({name: value}, "git data set")
    except ManifestError as error:
        raise DataError(str(error), hints=[f"{name} is {KNOWN[name].means}"]) from error
    return name, value


def check_name(name: str) -> None:
    """Raises DataError for an option that nobody knows, or that another command sets."""
    if name == "plain":
        raise DataError("git data compact sets how many versions stay whole", hints=["git data compact -h"])
    if name not in KNOWN:
        known = ", ".join(known for known in KNOWN if known != "plain")
        raise DataError(f"there is no option {name[:80]!r}", hints=[f"the options are {known}"])


def _read(kind: type, text: str) -> object:
    if kind is int:
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
    if kind is str:
        return text
    if text.startswith("["):
        try:
            return strictjson.loads(text.encode(), what="the list")
        except ManifestError:
            return text
    return [word.strip() for word in text.split(",")]


def _is(value: object, wanted: type) -> bool:
    if isinstance(value, list):
        return wanted is list and all(isinstance(item, str) for item in value)
    return isinstance(value, wanted) and not isinstance(value, bool)
