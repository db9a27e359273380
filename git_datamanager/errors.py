"""Every exception of the package.

The class owns the exit code (docs/reference/exit-codes.md); the instance owns one sentence of fact
and the commands that help. A new class is worth it only where somebody catches it or the exit code
differs. A negative answer (exit 1) is a return value, never an exception.
"""

from collections.abc import Sequence

EXIT_NEGATIVE = 1
EXIT_USAGE = 129
EXIT_INTERRUPTED = 130
EXIT_UNREAD = 141
"""128 and the number of SIGPIPE."""


class DataError(Exception):
    """Root of all errors; what it names was not done and nothing was lost."""

    exit_code = 128

    def __init__(self, message: str, *, hints: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hints = tuple(hints)
        self.dataset: str | None = None
        """Which dataset it is about, where a verb works on several."""

    def __str__(self) -> str:
        return self.message


class ManifestError(DataError):
    """manifest.json is not one: malformed, of another kind, too new, or against a rule."""


class NameRefused(ManifestError):
    """A dataset name that is not safe on every system (reliability.md S01-S08)."""


class SettingsError(DataError):
    """A setting has no usable value."""


class NotFound(DataError):
    """What was asked for does not exist."""

    exit_code = 3


class UnknownDataset(NotFound):
    """No dataset of this name in the manifest."""


class UnknownVersion(NotFound):
    """The dataset has no such version."""


class ObjectMissing(NotFound):
    """A store does not hold an object."""


class Denied(DataError):
    """Refused for lack of rights."""

    exit_code = 4


class Forbidden(Denied):
    """The store knows the credentials and refuses, or the file system does."""


class NoCredentials(Denied):
    """There are no credentials, or they have expired."""


class Untrusted(Denied):
    """A store address that only tracked files name, and that nobody has confirmed in this clone."""


class Conflict(DataError):
    """Two changes meet; neither is lost."""

    exit_code = 5


class PreconditionFailed(Conflict):
    """The object exists (expected absent) or is another one (expected by its ETag)."""


class DirtyFile(Conflict):
    """A working file holds bytes that nobody added."""


class Locked(Conflict):
    """Somebody else holds a lock."""


class Corrupt(DataError):
    """Bytes are not what their name says."""

    exit_code = 6


class Unreachable(DataError):
    """The store does not answer: transient, the only family that is retried."""

    exit_code = 7


class OutcomeUnknown(Unreachable):
    """A write was sent and its answer lost: read back, never clean up."""


class SeveralFailed(DataError):
    """Several datasets failed, each on its own; the exit code is that of the first."""

    def __init__(self, failures: Sequence[tuple[str, DataError]]) -> None:
        super().__init__(f"{len(failures)} datasets failed")
        self.failures = tuple(failures)
        self.exit_code = failures[0][1].exit_code


def raise_failures(failures: Sequence[tuple[str, DataError]]) -> None:
    """Raise nothing for none, the error itself for one, all together for several."""
    for name, failure in failures:
        failure.dataset = name
    if len(failures) == 1:
        raise failures[0][1]
    if failures:
        raise SeveralFailed(failures)
