"""Errors of what reads files know no dataset: whoever opened it for them does."""

from collections.abc import Iterator
from contextlib import contextmanager

from git_datamanager.errors import DataError


@contextmanager
def named(dataset: str) -> Iterator[None]:
    """An error from below says which dataset it is about."""
    try:
        yield
    except DataError as error:
        if dataset not in error.message:
            error.message = f"{dataset}: {error.message}"
        raise
