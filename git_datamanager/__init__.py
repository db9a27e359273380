"""git data: large, versioned datasets beside a Git repository, in nothing but a bucket."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["DataManager", "__version__", "open"]

if TYPE_CHECKING:
    from git_datamanager.manager import DataManager
    from git_datamanager.manager import open_manager as open  # noqa: A004 - the public name


def __getattr__(name: str) -> object:
    if name in {"DataManager", "open"}:
        from git_datamanager import manager

        return manager.DataManager if name == "DataManager" else manager.open_manager
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
