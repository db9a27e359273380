"""Sizes and counts in words. Imports nothing: everything that speaks uses it."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(count: int) -> str:
    """1023 B, 18.0 MiB."""
    power = min((count.bit_length() - 1) // 10, 4) if count > 0 else 0
    return f"{count / 1024**power:.1f} {_UNITS[power]}" if power else f"{count} B"


def size_change(count: int) -> str:
    """+18.0 MiB, −3 B, 0."""
    return f"{'+' if count > 0 else '−'}{size(abs(count))}" if count else "0"


def number(count: int) -> str:
    """1 234 567, with narrow blanks that do not break."""
    return f"{count:,}".replace(",", "\u202f")


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 row`, `3 rows`, `2 indexes`."""
    return f"{number(count)} {one if count == 1 else many or f'{one}s'}"
