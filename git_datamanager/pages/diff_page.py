"""`diff_page`: what changed in data, as one HTML document that needs nothing else."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from git_datamanager.ops.inside.differences import DatasetDiff, FolderDiff, MemberChange
from git_datamanager.pages import measure, words
from git_datamanager.pages.budget import Budget, Limits
from git_datamanager.pages.document import document
from git_datamanager.pages.markup import Html, join, tag
from git_datamanager.pages.rows import sign
from git_datamanager.pages.tables import counts, group, left, note, source_parts
from git_datamanager.tables.schema import Change


class Remark(NamedTuple):
    """A line above the changes: a verdict, a finding."""

    text: str
    tone: str = ""
    """`good`, `bad`, or nothing."""
    hints: tuple[str, ...] = ()
    """Commands."""
    label: str = ""
    """What it is, for those who do not see the tone: `Problem`."""


DEFAULT = Limits()


def diff_page(
    diffs: Sequence[DatasetDiff],
    title: str,
    *,
    remarks: Sequence[Remark] = (),
    limits: Limits = DEFAULT,
) -> str:
    """A self-contained page of these changes. It opens offline and runs nothing that stands in the data."""
    budget = Budget(limits)
    found = [
        tag("header", tag("h1", tag("bdi", title)), tag("p", _facts(diffs), class_="quiet"), class_="top"),
        *map(_remark, remarks),
    ]
    if diffs:
        found += [_summary(diffs), *(_dataset(n, diff, budget) for n, diff in enumerate(diffs, 1))]
        found.append(tag("p", "Nothing on this page matches the filter.", id="nothing", hidden=True))
    else:
        found.append(tag("p", "No data changed.", class_="note"))
    return document(title, join(found), has_filter=bool(diffs))


def _remark(remark: Remark) -> Html:
    hints = [tag("code", hint) for hint in remark.hints]
    label = [tag("strong", f"{remark.label}: ")] if remark.label else []
    return tag("p", *label, remark.text, *hints, class_=f"remark {remark.tone}".strip())


def _facts(diffs: Sequence[DatasetDiff]) -> Html:
    """2 datasets · +12 −3 ~48 rows · +1.2 MiB."""
    tallies = [tally for tally in map(words.row_counts, diffs) if tally is not None]
    parts: list[str] = [measure.counted(len(diffs), "dataset")]
    sums = [sum(tally[n] for tally in tallies) for n in range(3)]
    if any(sums):
        parts.append(join([counts(*sums), " rows"]))
    parts.append(measure.size_change(sum(map(words.grown, diffs))))
    return join(parts, " · ")


def _row_counts(diff: DatasetDiff) -> Html:
    tally = words.row_counts(diff)
    return counts(*tally) if tally and any(tally) else tag("span", "–", class_="quiet")


class _Fact(NamedTuple):
    """A column of the summary."""

    head: str
    class_: str
    of: Callable[[DatasetDiff], str]


_FACTS = (
    _Fact("Version", "", words.versions),
    _Fact("Size", "n", lambda diff: measure.size(diff.after.size) if diff.after else "–"),
    _Fact("Δ", "n", lambda diff: measure.size_change(words.grown(diff))),
    _Fact("Rows", "n", _row_counts),
    _Fact("Schema", "words", words.schema),
    _Fact("Outcome", "words quiet", words.outcome),
)


def _summary(diffs: Sequence[DatasetDiff]) -> Html:
    facts = [fact for fact in _FACTS if any(map(fact.of, diffs))]
    head = [tag("th", fact.head, scope="col", class_=fact.class_ or None) for fact in facts]
    rows = [
        tag(
            "tr",
            tag("th", tag("a", tag("bdi", diff.name), href=f"#d{place}"), scope="row"),
            *(tag("td", fact.of(diff), class_=fact.class_ or None) for fact in facts),
        )
        for place, diff in enumerate(diffs, 1)
    ]
    table = tag(
        "table", tag("caption", "Changes by dataset", class_="aside"),
        tag("thead", tag("tr", tag("th", "Dataset", scope="col"), *head)), tag("tbody", *rows),
        class_="summary",
    )  # fmt: skip
    return tag("div", table, class_="wide", tabindex=0, role="region", aria_label="Changes by dataset")


def _dataset(place: int, diff: DatasetDiff, budget: Budget) -> Html:
    head = tag(
        "div",
        tag("h2", tag("bdi", diff.name), id=f"d{place}"),
        tag("span", words.versions(diff), class_="pill"),
        tag("span", _about(diff), class_="quiet"),
        class_="head",
    )
    return tag(
        "section",
        head,
        *_body(diff, budget),
        class_="dataset",
        data_name=diff.name,
        aria_labelledby=f"d{place}",
    )


def _about(diff: DatasetDiff) -> str:
    """sqlite · 12.0 MiB → 12.4 MiB (+400.0 KiB)."""
    sizes = [measure.size(point.size) for point in (diff.before, diff.after) if point is not None]
    grown = f" ({measure.size_change(words.grown(diff))})" if len(sizes) == 2 else ""
    return f"{words.kind(diff)} · {' → '.join(sizes)}{grown}"


def _body(diff: DatasetDiff, budget: Budget) -> Iterator[Html]:
    if diff.renamed_from is not None:
        yield tag("p", "Renamed from ", tag("bdi", diff.renamed_from, class_="name"), ".", class_="quiet")
    if outcome := words.outcome(diff):
        is_good = diff.is_same_data and diff.problem is None
        yield tag("p", f"{outcome[0].upper()}{outcome[1:]}.", class_="outcome good" if is_good else "outcome")
    if diff.source is not None:
        yield from source_parts(diff.source, budget, 3)
    if diff.folder is not None:
        yield from _folder(diff.folder, budget)


def _folder(diff: FolderDiff, budget: Budget) -> Iterator[Html]:
    if diff.note is not None:
        yield note(diff.note)
    kept = diff.members[: budget.rows(len(diff.members))]
    if kept:
        tally = counts(*(diff.count(c) for c in (Change.ADDED, Change.REMOVED, Change.CHANGED)))
        body = [_members(kept)]
        if len(kept) < len(diff.members):
            body.append(
                left(f"{measure.counted(len(diff.members) - len(kept), 'more file')} not shown on this page.")
            )
        quiet = tag("span", f"{measure.counted(diff.unchanged, 'file')} unchanged", class_="quiet")
        yield group("Files", [tally, quiet], body, 3, is_open=budget.may_open(len(kept)))
    inside = sorted(diff.tables.items())
    for path, source in inside[: budget.sections(len(inside))]:
        same = [tag("span", words.SAME_DATA, class_="pill good")] if source.is_same_data else []
        head = [counts(source.added, source.removed, source.changed), *same]
        parts = list(source_parts(source, budget, 4))
        yield group(path, head, parts, 3, is_open=budget.may_open(0) and bool(parts))


def _members(members: Sequence[MemberChange]) -> Html:
    rows = [_member(member) for member in members]
    heads = [
        tag("th", tag("span", "Change", class_="aside"), scope="col", class_="sign"),
        tag("th", "File", scope="col"),
        *(tag("th", word, scope="col", class_="n") for word in ("Before", "After", "Δ")),
    ]
    table = tag(
        "table", tag("caption", "Files that differ", class_="aside"), tag("thead", tag("tr", *heads)),
        tag("tbody", *rows), class_="cells",
    )  # fmt: skip
    return tag("div", table, class_="wide", tabindex=0, role="region", aria_label="Files that differ")


def _member(member: MemberChange) -> Html:
    moved = tag("small", " moved from ", tag("bdi", member.was)) if member.was is not None else ""
    sizes = [
        tag("td", "" if s is None else measure.size(s), class_="n") for s in (member.before, member.after)
    ]
    return tag(
        "tr",
        tag("th", sign(member.change), scope="row", class_="sign"),
        tag("td", tag("bdi", member.path), moved),
        *sizes,
        tag("td", measure.size_change((member.after or 0) - (member.before or 0)), class_="n"),
        data_change=str(member.change), class_=str(member.change),
    )  # fmt: skip
