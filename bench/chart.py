"""An SVG of ratios on a logarithmic scale: how many times longer, or bigger, than ours."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _LEFT, _RIGHT, _BAR, _GAP = 860, 210, 130, 15, 30
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 } .axis { fill: #57606a } .line { stroke: #d0d7de } .one { stroke: #1a7f37 }
  .slower { fill: #0969da } .faster { fill: #bf3989 } .floor { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .axis { fill: #8d96a0 } .line { stroke: #30363d } .one { stroke: #3fb950 }
    .slower { fill: #4493f8 } .faster { fill: #db61a2 } .floor { fill: #6e7681 }
  }"""


class Bar(NamedTuple):
    """One contestant: its ratio to ours, and what is written beside it."""

    name: str
    ratio: float
    label: str
    is_floor: bool = False


class Group(NamedTuple):
    """A workload; ours is the line at 1."""

    title: str
    ours: str
    bars: Sequence[Bar]


def draw(groups: Sequence[Group], caption: str) -> str:
    """The chart, for light and dark pages."""
    ratios = [bar.ratio for group in groups for bar in group.bars] or [1.0]
    low = min(0, math.floor(math.log10(min(ratios))))
    high = max(1, math.ceil(math.log10(max(ratios))))

    def x(ratio: float) -> float:
        share = (math.log10(ratio) - low) / (high - low)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    height = 60 + sum(_GAP + _BAR * len(group.bars) + 4 for group in groups)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(caption)}</title>",
        f"<style>{_STYLE}\n</style>",
        f'<text x="10" y="18" class="axis">{escape(caption)}</text>',
    ]
    for power in range(low, high + 1):
        place, kind = x(10**power), "one" if power == 0 else "line"
        lines.append(f'<line x1="{place}" x2="{place}" y1="44" y2="{height - 8}" class="{kind}"/>')
        lines.append(f'<text x="{place}" y="38" text-anchor="middle" class="axis">{10.0**power:g} ×</text>')
    top = 44
    for group in groups:
        top += _GAP
        lines.append(
            f'<text x="10" y="{top - 6}" class="title">{escape(group.title)}: {escape(group.ours)}</text>'
        )
        for bar in group.bars:
            lines += _bar(bar, x, top)
            top += _BAR
        top += 4
    return "\n".join([*lines, "</svg>", ""])


def _bar(bar: Bar, x: object, top: int) -> list[str]:
    assert callable(x)
    begin, end = sorted((x(1), x(bar.ratio)))
    kind = "floor" if bar.is_floor else "slower" if bar.ratio >= 1 else "faster"
    return [
        f'<text x="{_LEFT - 50}" y="{top + 11}" text-anchor="end">{escape(bar.name)}</text>',
        f'<rect x="{begin}" y="{top + 2}" width="{max(1.0, round(end - begin, 1))}" height="{_BAR - 4}"'
        f' class="{kind}"/>',
        f'<text x="{end + 5}" y="{top + 11}">{escape(bar.label)}</text>',
    ]
