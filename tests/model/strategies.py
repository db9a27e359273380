"""Hypothesis strategies: valid manifests, names, and branches that grew from one manifest by the verbs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from git_datamanager.errors import DataError
from git_datamanager.model import evolve
from git_datamanager.model.entries import DATASET_FIELDS, VERSION_FIELDS
from git_datamanager.model.evolve import Draft, Publication
from git_datamanager.model.manifest import Dataset, DatasetState, Kind, Manifest, State, Version
from git_datamanager.model.names import check_together
from git_datamanager.model.oid import EMPTY, Oid
from git_datamanager.model.ulid import encode_ulid

START = 1_790_000_000_000
text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
times = st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0"))
ulids = st.builds(encode_ulid, st.integers(0, 2**48 - 1), st.integers(0, 2**80 - 1))
oids = st.integers(0, 1000).map(lambda n: Oid.of(b"" if n == 0 else str(n).encode()))
integers = st.integers(-(2**63) + 1, 2**63 - 1)
sizes = st.integers(0, 2**63 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | integers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
_part = (
    st.text("abcXYZ019_-äé日 .", min_size=1, max_size=6)
    .map(str.strip)
    .filter(lambda part: part.strip(". ") and part[-1] != ".")
)
names = st.lists(_part, min_size=1, max_size=3).map("/".join)


def unknown(known: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Keys that this version of the format does not know."""
    return st.dictionaries(text.filter(lambda key: key not in known), json_values, max_size=2)


def absent_or(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


@st.composite
def encodings(draw: st.DrawFn) -> dict[str, int]:
    kinds = st.just("zstd") | oids.map(lambda oid: f"delta:{oid}")
    return draw(st.dictionaries(kinds, sizes, max_size=2))


@st.composite
def versions(draw: st.DrawFn, entry: str, number: int) -> Version:
    state = draw(st.sampled_from(State))
    oid = draw(oids)

    def stamp(of: State) -> Any:
        return draw(times) if state is of else draw(absent_or(times))

    return Version(
        number=number,
        id=entry,
        state=state,
        oid=oid,
        size=0 if oid == EMPTY else draw(st.integers(1, 2**63 - 1)),
        created=draw(times),
        author=draw(text),
        message=draw(text),
        parent=draw(absent_or(ulids)),
        rollback_of=draw(absent_or(ulids)),
        encodings=draw(encodings()),
        published=stamp(State.PUBLISHED),
        commit=draw(absent_or(st.sampled_from(["a" * 40, "0123456789abcdef" * 4]))),
        deleting=stamp(State.DELETING),
        reason=draw(absent_or(text)),
        deleted=stamp(State.DELETED),
        extra=draw(unknown(VERSION_FIELDS)),
    )


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "key": st.lists(text, max_size=2),
        "encoding": st.sampled_from(["auto", "identity", "zstd"]),
        "storage_class": text,
        "tags": st.lists(text, max_size=2),
        "title": text,
        "description": text,
        "max_diff_rows": st.integers(0, 2**63 - 1),
        "later": json_values,
    },
)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Any valid manifest, numbers that collide and unknown keys included."""
    chosen = draw(st.lists(names, max_size=4, unique=True).filter(_stand_together))
    ids = draw(st.lists(ulids, min_size=12, max_size=12, unique=True))
    datasets = []
    for name in chosen:
        entries = [ids.pop() for _ in range(draw(st.integers(0, 3)))]
        made = [draw(versions(entry, draw(st.integers(1, 4)))) for entry in entries]
        ordered = sorted(made, key=lambda v: (v.number, v.id), reverse=True)
        datasets.append(
            Dataset(
                name=name,
                kind=draw(st.sampled_from(Kind)),
                state=draw(absent_or(st.sampled_from(DatasetState))),
                options=draw(OPTIONS),
                versions=tuple(ordered),
                extra=draw(unknown(DATASET_FIELDS)),
            )
        )
    return Manifest({}, draw(unknown(("format", "datasets")))).with_datasets(datasets)


def _stand_together(chosen: list[str]) -> bool:
    try:
        check_together(chosen)
    except DataError:
        return False
    return True


# Branches: what people do one after the other, starting from one manifest


class World:
    """Gives out ids and times, each only once, so that entries of two branches differ."""

    def __init__(self) -> None:
        self.ticks = 0

    def draft(self, backwards: int = 0) -> Draft:
        self.ticks += 1
        return Draft(encode_ulid(START + self.ticks - backwards, self.ticks), self.time(), "A <a@x>", "m")

    def time(self) -> str:
        self.ticks += 1
        return f"2026-11-{1 + self.ticks // 3600:02}T10:{self.ticks // 60 % 60:02}:{self.ticks % 60:02}Z"


NAMES = ("a.csv", "b.csv", "Dir/c.csv", "dir", "d.csv")
ids_of = evolve.committed_ids


def _add(draw: st.DrawFn, world: World, m: Manifest) -> Manifest:
    oid = Oid.of(str(draw(st.integers(1, 6))).encode())
    draft = world.draft(draw(st.sampled_from([0, 0, 50])))
    return evolve.add_version(m, draw(st.sampled_from(NAMES)), oid, 1, draft, committed=ids_of([m]))


def _roll_back(draw: st.DrawFn, world: World, m: Manifest) -> Manifest:
    number = f"v{draw(st.integers(1, 3))}"
    return evolve.roll_back(m, _one(draw, m), number, world.draft(), committed=ids_of([m]))


def _delete(draw: st.DrawFn, world: World, m: Manifest) -> Manifest:
    return evolve.mark_dataset(m, _one(draw, m), world.time(), "old", committed=ids_of([m]))


def _prune(draw: st.DrawFn, world: World, m: Manifest) -> Manifest:
    return evolve.prune_versions(m, _one(draw, m), 1, world.time(), None)


def _rename(draw: st.DrawFn, world: World, m: Manifest) -> Manifest:
    return evolve.rename(m, _one(draw, m), draw(st.sampled_from(["r.csv", "s.csv", *NAMES])))


def _remove(draw: st.DrawFn, world: World, m: Manifest) -> Manifest:
    return evolve.remove(m, _one(draw, m), committed=ids_of([m]))


def _finalize(draw: st.DrawFn, world: World, m: Manifest) -> Manifest:
    pending = sorted(v.id for _, v in m.entries() if v.state is State.PENDING)
    seen = draw(st.lists(st.sampled_from(pending), unique=True)) if pending else []
    return evolve.finalize(m, {i: Publication(world.time(), "c" * 40) for i in seen}, world.time())


def _option(draw: st.DrawFn, world: World, m: Manifest) -> Manifest:
    dataset = m.dataset(_one(draw, m))
    options = {**dataset.options, "title": draw(st.sampled_from("xyz"))}
    return m.put(replace(dataset, options=options))


def _one(draw: st.DrawFn, m: Manifest) -> str:
    return draw(st.sampled_from(sorted(m.datasets) or ["none"]))


Step = Callable[[st.DrawFn, World, Manifest], Manifest]
AUTHOR: list[Step] = [_add, _add, _add, _roll_back, _delete, _prune, _rename, _remove, _option]
PUBLISHER: list[Step] = [_finalize, _finalize, *AUTHOR]


def grown(draw: st.DrawFn, world: World, m: Manifest, steps: list[Step], most: int) -> Manifest:
    """What up to `most` steps make of `m`; refused steps change nothing."""
    for step in draw(st.lists(st.sampled_from(steps), max_size=most)):
        try:
            m = step(draw, world, m)
        except DataError:
            continue
    return m


@st.composite
def branches(draw: st.DrawFn) -> tuple[Manifest, Manifest, Manifest]:
    """Base, a branch of an author, and the main branch, where alone entries are published."""
    world = World()
    base = grown(draw, world, Manifest(), PUBLISHER, 8)
    return base, grown(draw, world, base, AUTHOR, 4), grown(draw, world, base, PUBLISHER, 4)
