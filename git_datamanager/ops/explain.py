"""What a store says of an object, completed by what it means for a dataset and what to run."""

from collections.abc import Callable
from typing import TypeVar

from git_datamanager.errors import DataError, OutcomeUnknown

T = TypeVar("T")


def explained(work: Callable[[], T], name: str, unchanged: str, *hints: str) -> T:
    """The result of `work`; an error of it names the dataset, what was not changed, and the way on.

    What the error says already is not said twice; an unknown outcome promises nothing.
    """
    try:
        return work()
    except DataError as error:
        message = error.message if name in error.message else f"{name}: {error.message}"
        if unchanged not in message and not isinstance(error, OutcomeUnknown):
            message = f"{message}; {unchanged}"
        error.message = message
        error.hints = error.hints or hints
        raise
    except OSError as error:  # a full disk does not say what it was that did not fit
        error.filename = error.filename or name
        raise
