"""Packs that should become one: a folder that changes a little every day must not end in a thousand."""

from collections.abc import Iterable

from git_datamanager.content.packlist import PackRef

FEW = 16
"""Packs of about one size that may stand beside each other."""
_STEP = 3
"""Bits: sizes that differ by less than eight times are about the same."""
_LARGE = 32 << 20
"""Bytes; from here up a pack stays what it is."""


def crowded(packs: Iterable[PackRef]) -> list[PackRef]:
    """Those to write anew together, as there are too many of their size.

    Sizes are in steps of eight, so a byte is written again once per step at most: what versions cost
    together grows with the logarithm of their number.
    """
    steps: dict[int, list[PackRef]] = {}
    for one in packs:
        if one.size < _LARGE:
            steps.setdefault(one.size.bit_length() // _STEP, []).append(one)
    return [one for same in steps.values() if len(same) >= FEW for one in same]
