"""The cheapest way to a version's bytes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.model.chains import DEEPEST, Forms, Route, cheapest
from git_datamanager.model.layout import IDENTITY, Encoding
from git_datamanager.model.oid import Oid

A, B, C, D = (Oid(letter * 64) for letter in "abcd")


def delta(base: Oid) -> str:
    return f"delta:{base}"


def what(route: Route | None) -> list[tuple[Oid, str]] | None:
    return None if route is None else [(step.oid, step.encoding.kind) for step in route.steps]


def test_what_is_here_needs_nothing() -> None:
    assert cheapest(A, {A: Forms(10, {})}, {A}) == Route(())


def test_without_encodings_the_plain_bytes_are_fetched() -> None:
    assert what(cheapest(A, {A: Forms(10, {})}, ())) == [(A, "identity")]


def test_a_delta_needs_its_base_here() -> None:
    stored = {A: Forms(100, {}), B: Forms(100, {delta(A): 1})}
    assert what(cheapest(B, stored, {A})) == [(B, "delta")]
    assert what(cheapest(B, stored, ())) == [(B, "identity")]


def test_a_chain_is_taken_where_it_is_smaller() -> None:
    stored = {A: Forms(100, {}), B: Forms(100, {delta(A): 30}), C: Forms(100, {delta(B): 40, "zstd": 75})}
    assert what(cheapest(C, stored, {A})) == [(B, "delta"), (C, "delta")]
    stored[C] = Forms(100, {delta(B): 40, "zstd": 69})
    assert what(cheapest(C, stored, {A})) == [(C, "zstd")]


def test_of_two_ways_of_one_size_the_simpler_one() -> None:
    stored = {A: Forms(100, {}), B: Forms(100, {delta(A): 50}), C: Forms(100, {delta(B): 50})}
    assert what(cheapest(C, stored, {A})) == [(C, "identity")]


def test_a_compacted_version_comes_over_its_chain_with_the_base_fetched() -> None:
    stored = {A: Forms(None, {delta(B): 1}), B: Forms(100, {"zstd": 40})}
    assert what(cheapest(A, stored, ())) == [(B, "zstd"), (A, "delta")]


def test_nothing_leads_to_unknown_bytes() -> None:
    assert cheapest(A, {A: Forms(None, {delta(B): 1})}, ()) is None


def test_a_circle_of_deltas_ends() -> None:
    stored = {A: Forms(None, {delta(B): 1}), B: Forms(None, {delta(A): 1})}
    assert cheapest(A, stored, ()) is None


@pytest.mark.parametrize(("length", "found"), [(DEEPEST, True), (DEEPEST + 1, False)])
def test_a_chain_is_at_most_eight_deltas_deep(length: int, found: bool) -> None:
    oids = [Oid(f"{n:064x}") for n in range(length + 1)]
    stored = {new: Forms(None, {delta(old): 1}) for old, new in pairwise(oids)}
    route = cheapest(oids[-1], stored, {oids[0]})
    assert (route is not None) is found


OIDS = st.sampled_from([A, B, C, D])
FORMS = st.builds(
    Forms,
    st.none() | st.integers(0, 100),
    st.dictionaries(st.just("zstd") | st.builds(delta, OIDS), st.integers(0, 100), max_size=3),
)


@given(OIDS, st.dictionaries(OIDS, FORMS), st.frozensets(OIDS))
def test_no_route_is_cheaper_and_every_step_has_its_base(
    wanted: Oid, stored: dict[Oid, Forms], local: frozenset[Oid]
) -> None:
    route = cheapest(wanted, stored, local)
    costs = brute(wanted, stored, local, 3)
    assert (route is None) == (not costs)
    if route is None:
        return
    assert route.cost == min(costs)
    have = set(local)
    for step in route.steps:
        base = step.encoding.base
        assert base is None or base in have
        forms = stored[step.oid]
        is_plain = step.encoding == IDENTITY
        assert step.size == (forms.plain if is_plain else forms.encodings[str(step.encoding)])
        have.add(step.oid)
    assert wanted in have


def brute(wanted: Oid, stored: dict[Oid, Forms], local: frozenset[Oid], depth: int) -> list[int]:
    """The cost of every way; four versions make no longer one useful."""
    if wanted in local:
        return [0]
    forms = stored.get(wanted)
    if forms is None:
        return []
    found = [forms.plain] if forms.plain is not None else []
    for name, size in forms.encodings.items():
        base = Encoding.parse(name).base
        before = [0] if base is None else brute(base, stored, local, depth - 1) if depth else []
        found += [size + cost for cost in before]
    return found
