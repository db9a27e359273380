"""The cheapest way to a version's bytes: docs/design/encodings.md, "Pull". Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from git_datamanager.model.layout import IDENTITY, Encoding
from git_datamanager.model.oid import Oid

DEEPEST = 8
"""Deltas on top of each other; more would cost more time than they save bytes."""
SMALLEST = 1 << 20
"""Bytes; below it a version has no encodings: they would cost more requests than they save."""


class Step(NamedTuple):
    """One object to fetch: the form of a version, and how many bytes it is."""

    oid: Oid
    encoding: Encoding
    size: int


@dataclass(frozen=True, slots=True)
class Route:
    """What to fetch, in this order; each delta's base is at hand or the result of the step before."""

    steps: tuple[Step, ...]

    @property
    def cost(self) -> int:
        """Bytes to fetch."""
        return sum(step.size for step in self.steps)


@dataclass(frozen=True, slots=True)
class Forms:
    """What a store keeps of one version: the size of its plain bytes, None where only encodings are left."""

    plain: int | None
    encodings: Mapping[str, int]

    @property
    def bases(self) -> set[Oid]:
        """What the deltas among them build on."""
        encodings = map(Encoding.parse, self.encodings)
        return {encoding.base for encoding in encodings if encoding.base is not None}

    def steps(self, oid: Oid) -> Iterable[Step]:
        """The plain bytes first: of two ways of one size the simpler one."""
        if self.plain is not None:
            yield Step(oid, IDENTITY, self.plain)
        for name, size in self.encodings.items():
            yield Step(oid, Encoding.parse(name), size)


def cheapest(wanted: Oid, stored: Mapping[Oid, Forms], local: Collection[Oid]) -> Route | None:
    """The route with the fewest bytes, of those the shortest; None where nothing leads there.

    `local` are the contents this clone can read. A version that is local itself needs no step.
    """
    routes: dict[tuple[Oid, int], Route | None] = {}

    def to(oid: Oid, depth: int) -> Route | None:  # the depth ends a circle of deltas, too
        if oid in local:
            return Route(())
        if (oid, depth) not in routes:
            routes[oid, depth] = _best(stored.get(oid), oid, depth, to)
        return routes[oid, depth]

    return to(wanted, DEEPEST)


def _best(forms: Forms | None, oid: Oid, depth: int, to: Callable[[Oid, int], Route | None]) -> Route | None:
    found = list[Route]()
    for step in forms.steps(oid) if forms else ():
        base = step.encoding.base
        before = Route(()) if base is None else to(base, depth - 1) if depth else None
        if before is not None:
            found.append(Route((*before.steps, step)))
    return min(found, key=lambda route: (route.cost, len(route.steps)), default=None)
