"""How clashes are decided, one by one or by group. Pure: docs/design/rowmerge.md, "Decisions"."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from git_datamanager.errors import DataError
from git_datamanager.tables.merging.merged import LISTED, Clash, Take
from git_datamanager.tables.schema import folded

SCHEMA = "git-data/merge-rows/1"
MAX_BYTES = 64 << 20
_NAME = re.compile(r'"((?:[^"]|"")*)"|([^".][^.]*)')
_UNSEEN = ("table", "virtual table")
"""Kinds of clashes of which only a summary is shown: two may look alike."""

Scope = tuple[str, ...]
"""Folded: nothing, a table, or a table and a column."""
Single = Mapping[str, Take]
"""Decisions of clashes by their id."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """What somebody decided for one dataset."""

    scopes: Mapping[Scope, Take] = field(default_factory=dict)
    single: Single = field(default_factory=dict)
    versions: str = ""
    """What tells the three versions from any others."""

    @classmethod
    def all(cls, take: Take | None) -> "Decisions":
        return cls({(): take} if take else {})


def scopes(texts: Iterable[str]) -> dict[Scope, Take]:
    """Of values of `--take`. Raises ValueError for one that cannot be read, or contradicts another."""
    found = dict[Scope, Take]()
    for text in texts:
        word, mark, place = text.partition(":")
        if word not in list(Take):
            raise ValueError(f"{text!r} begins with none of ours, theirs, base")
        scope = _scope(text, place) if mark else ()
        if found.setdefault(scope, Take(word)) != word:
            raise ValueError(f"{text!r} decides once more, and otherwise, what {found[scope]} was taken for")
    return found


def _scope(text: str, place: str) -> Scope:
    names, at = list[str](), 0
    while len(names) < 2 and (match := _NAME.match(place, at)):
        in_quotes, bare = match.groups()
        names.append(folded(bare if in_quotes is None else in_quotes.replace('""', '"')))
        at = match.end()
        if at == len(place):
            return tuple(names)
        if place[at] != ".":
            break
        at += 1
    raise ValueError(f'{text!r} is not SIDE:TABLE or SIDE:TABLE.COLUMN (names with . or " in double quotes)')


def scope_text(table: str, column: str | None = None) -> str:
    """As `scopes` reads it."""
    names = [table] if column is None else [table, column]
    return ".".join(
        name if _NAME.fullmatch(name) and name[0] != '"' else '"' + name.replace('"', '""') + '"'
        for name in names
    )


def read(data: bytes, what: str) -> dict[str, dict[str, Take]]:
    """The decisions that stand in a document of `--json`, by dataset and id; `what`: how it is called. Raises
    DataError for anything else, and for a side that does not exist."""
    if len(data) > MAX_BYTES:
        raise _refusal(f"{what} is larger than {MAX_BYTES >> 20} MiB")
    try:
        document = json.loads(data, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise _refusal(f"{what} is not JSON ({error})") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise _refusal(f"{what} is no list of conflicts: its schema is not {SCHEMA}")
    found: dict[str, dict[str, Take]] = {}
    for dataset in _objects(document, "datasets", what):
        singles = found.setdefault(str(dataset.get("name")), {})
        for clash in _objects(dataset, "clashes", what):
            if clash.get("take") is not None:
                _put(singles, str(clash.get("id")), _take(clash, what), what)
    return found


def united(files: Iterable[Mapping[str, Single]]) -> dict[str, dict[str, Take]]:
    """The decisions of several files. Raises DataError where two contradict each other."""
    found: dict[str, dict[str, Take]] = {}
    for name, single in ((name, single) for decided in files for name, single in decided.items()):
        for key, take in single.items():
            _put(found.setdefault(name, {}), key, take, "what --decisions names")
    return found


def _put(singles: dict[str, Take], key: str, take: Take, what: str) -> None:
    if singles.setdefault(key, take) != take:
        raise _refusal(f"{what} decides the conflict {key} in two ways")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _objects(owner: Mapping[str, Any], key: str, what: str) -> list[dict[str, Any]]:
    listed = owner.get(key)
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise _refusal(f"{what} is no list of conflicts: {key} is not a list of objects")
    return listed


def _take(clash: Mapping[str, Any], what: str) -> Take:
    try:
        return Take(clash["take"])
    except ValueError as error:
        said = json.dumps(clash["take"])[:80]
        raise _refusal(
            f"{what} decides the conflict {clash.get('id')} by {said}: it is ours, theirs, base or null"
        ) from error


def _refusal(message: str) -> DataError:
    return DataError(
        f"{message}: nothing was merged",
        hints=["git data resolve --merge-rows --json   # prints the conflicts there are, for --decisions"],
    )


def identity(clash: Clash, versions: str = "") -> str:
    """A digest of all that a clash says, values in full length."""
    seen = (clash.table, clash.what, clash.column, len(clash.key), *clash.key, *clash[4:7])
    digest = hashlib.sha256()
    for cell in (*seen, versions if clash.what in _UNSEEN else None):
        data = cell if isinstance(cell, bytes) else str(cell).encode("utf-8", "surrogatepass")
        digest.update(f"{type(cell).__name__} {len(data)} ".encode() + data)
    return digest.hexdigest()[:20]


class Judge:
    """Decides the clashes of one merge as somebody wished, and takes all of them down."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        self._unused: set[Scope | str] = {one for one in decisions.scopes if one}
        self._unused |= set(decisions.single)
        self._open: list[Clash] = []
        self._decided: list[Clash] = []
        self.count = 0
        self.open_count = 0

    @property
    def listed(self) -> tuple[Clash, ...]:
        return (*self._open, *self._decided)[:LISTED]

    def decide(self, clash: Clash) -> Take | None:
        """None where it must be decided yet."""
        self.count += 1
        listed = self._decided
        key = identity(clash, self._decisions.versions) if self._decisions.single else ""
        take = self._take(clash, key)
        if take is None:
            self.open_count += 1
            listed = self._open
        if len(listed) < LISTED:
            listed.append(clash._replace(take=take, id=key or identity(clash, self._decisions.versions)))
        return take

    def settle(self) -> bool:
        """Once all clashes are known: whether all are decided. Raises DataError for a decision of none."""
        if self._unused:
            self._refuse_unused()
        return not self.open_count

    def _take(self, clash: Clash, key: str) -> Take | None:
        """Wide scopes are used, too, where a narrower one decides."""
        table = folded(clash.table)
        wider: list[Scope] = [(table,), ()]
        places = [(table, folded(clash.column)), *wider] if clash.column is not None else wider
        if self._unused:
            self._unused -= {key, *places}
        if key in self._decisions.single:
            return self._decisions.single[key]
        return next((self._decisions.scopes[p] for p in places if p in self._decisions.scopes), None)

    def _refuse_unused(self) -> NoReturn:
        named = sorted(
            f"the conflict {one}" if isinstance(one, str) else scope_text(*one) for one in self._unused
        )
        more = f" and {len(named) - 3} more" if len(named) > 3 else ""
        verb = "fits" if len(named) == 1 else "fit"
        raise _refusal(f"{', '.join(named[:3])}{more} of the decisions {verb} no conflict of these versions")
