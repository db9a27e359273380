"""How much one page may hold, so that a browser opens it at once whatever changed."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a page shows at most; it says what it leaves out."""

    rows: int = 200
    """Of one table, or files of one folder."""
    all_rows: int = 5_000
    sections: int = 300
    """Tables, indexes and the like."""
    open_rows: int = 150
    """Rows that lie open when the page opens."""


@dataclass(slots=True)
class Budget:
    """What is left for the rest of a page."""

    limits: Limits
    _rows: int = field(init=False)
    _sections: int = field(init=False)
    _open: int = field(init=False)

    def __post_init__(self) -> None:
        self._rows, self._sections = self.limits.all_rows, self.limits.sections
        self._open = self.limits.open_rows

    def rows(self, wanted: int) -> int:
        """So many of them may be shown."""
        given = min(wanted, self.limits.rows, self._rows)
        self._rows -= given
        return given

    def sections(self, wanted: int) -> int:
        given = min(wanted, self._sections)
        self._sections -= given
        return given

    def may_open(self, rows: int) -> bool:
        """Whether a section with so many rows lies open from the start."""
        if rows > self._open:
            return False
        self._open -= rows + 1
        return True
