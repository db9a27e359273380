"""What the process may take while somebody's SQL runs: docs/design/tables.md, "Questions".

DuckDB counts the rows that it keeps, not what one function makes at once: `SELECT range(1e9)` is a list
of 8 GB. The system refuses that where it is asked to; DuckDB then says that memory is out, and lives on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATUS = Path("/proc/self/status")
BESIDE = 1 << 30
"""Bytes beside what DuckDB counts: the vectors of its threads, and the program."""


@contextmanager
def bounded(more: int) -> Iterator[None]:
    """The process, in all its threads, gets so many bytes more, and BESIDE, until the block ends. Without
    Linux there is no bound."""
    held = _held()
    if held is None:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [limit for limit in (soft, hard, held + more + BESIDE) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _held() -> int | None:
    """Bytes of private memory, as the limit counts them."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    kib = next((line.split()[1] for line in lines if line.startswith("VmData:")), None)
    return None if kib is None else int(kib) << 10
