"""A line of sizes as inline SVG: no script, no request, readable as text too."""

from collections.abc import Sequence
from typing import NamedTuple

from git_datamanager.pages import measure
from git_datamanager.pages.markup import Html, tag

_WIDTH, _HEIGHT = 640, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 16, 14, 26
MOST = 200
"""Points that are drawn; of more, every so many-th and the last."""


class Point(NamedTuple):
    label: str
    size: int
    """Bytes."""


def size_chart(points: Sequence[Point]) -> Html:
    """Sizes from the oldest to the newest; nothing for fewer than two."""
    if len(points) < 2:
        return Html("")
    drawn = _thinned(points)
    top = max(1, *(point.size for point in drawn))
    step = (_WIDTH - _LEFT - _RIGHT) / (len(drawn) - 1)
    places = [(_LEFT + n * step, _y(point.size, top)) for n, point in enumerate(drawn)]
    ends = f"{measure.size(points[0].size)} to {measure.size(points[-1].size)}"
    said = f"Size over {measure.counted(len(points), 'version')}: {ends}"
    return tag(
        "figure",
        tag(
            "svg",
            *(_grid(count, top) for count in (0, top // 2, top)),
            tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), class_="line"),
            *(
                _dot(point, x, y)
                for point, (x, y) in zip(drawn, places, strict=True)
            ),
            _named(drawn[0].label, _LEFT, "start"),
            _named(drawn[-1].label, _WIDTH - _RIGHT, "end"),
            viewBox=f"0 0 {_WIDTH} {_HEIGHT}", width=_WIDTH, height=_HEIGHT, role="img", aria_label=said,
        ),
    )  # fmt: skip


def _dot(point: Point, x: float, y: float) -> Html:
    title = tag("title", f"{point.label}: {measure.size(point.size)}")
    return tag("circle", title, cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, class_="dot")


def _thinned(points: Sequence[Point]) -> list[Point]:
    every = -(-len(points) // MOST)
    return [*points[:-1:every], points[-1]]


def _y(count: int, top: int) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - count / top)


def _grid(count: int, top: int) -> Html:
    y = f"{_y(count, top):.1f}"
    line = tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid")
    label = tag("text", measure.size(count), x=_LEFT - 8, y=y, text_anchor="end", dominant_baseline="middle")
    return tag("g", line, label)


def _named(label: str, x: int, anchor: str) -> Html:
    return tag("text", label, x=x, y=_HEIGHT - 6, text_anchor=anchor)
