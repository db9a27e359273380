"""The layers, and who may import what: docs/adr/0004-layers.md."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "git_datamanager"
# From the bottom; what stands in one line may not import each other (a package may import itself).
LAYERS: list[set[str]] = [
    {"errors"},
    {"events", "fsio"},
    {"model", "content", "storage"},
    {"objects", "documents", "tables"},
    {"lease", "encoded"},
    {"workspace"},
    {"manager"},
    {"ops"},
    {"pages"},
    {"hook_talk"},
    {"hook"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
WALLS = {
    "boto3": {"storage"},
    "botocore": {"storage"},
    "pygit2": {"workspace"},
    "click": {"cli"},
    "rich": {"cli"},
    "pydantic": {"model"},
    "duckdb": {"tables"},
    "pyarrow": {"tables"},
}


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py"))


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def imports(found: Iterable[ast.AST]) -> Iterator[str]:
    """Every module named by an import statement, wherever it stands."""
    for node in found:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def violations(part: str, module: Iterable[ast.AST]) -> list[str]:
    """What a module of this part imports and must not."""
    found = []
    for name in imports(module):
        words = name.split(".")
        if words[0] == "git_datamanager" and len(words) > 1 and words[1] in RANK and words[1] != part:
            if RANK[words[1]] >= RANK[part]:
                found.append(f"{part} imports {name}")
        elif words[0] in WALLS and part not in WALLS[words[0]]:
            found.append(f"{part} imports {words[0]}, which belongs to {WALLS[words[0]]}")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        return
    assert part in RANK, f"{part} has no layer"
    assert violations(part, nodes(path)) == []


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("model", "from git_datamanager.storage import base"),
        ("model", "import git_datamanager.workspace.git"),
        ("storage", "def f():\n    from git_datamanager.objects import ObjectStore"),
        ("ops", "from git_datamanager.cli import render"),
        ("ops", "import boto3"),
        ("workspace", "from botocore.client import Config"),
        ("cli", "import pygit2"),
        ("workspace", "from git_datamanager import manager"),
    ],
)
def test_a_planted_violation_is_found(part: str, line: str) -> None:
    assert violations(part, ast.walk(ast.parse(line)))


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_every_module_is_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350


def test_packages_re_export_nothing() -> None:
    for path in PACKAGE.rglob("*/__init__.py"):
        assert path.read_text().strip() == "", path


def test_only_the_command_line_prints() -> None:
    for path in modules():
        if part_of(path) in ("cli", "hook", "__main__"):
            continue
        calls = [n for n in nodes(path) if isinstance(n, ast.Call)]
        names = {n.func.id for n in calls if isinstance(n.func, ast.Name)}
        assert not names & {"print", "input", "exit", "eval", "exec"}, path


def test_nothing_dangerous_is_used() -> None:
    """S15: no pickle, no shell, no eval."""
    for path in modules():
        assert not {"pickle", "marshal", "shelve", "yaml"} & set(imports(nodes(path))), path
        for node in nodes(path):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                raise AssertionError(f"{path}: shell=")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def graph() -> dict[str, set[str]]:
    """Module → modules of this package that it imports, wherever that stands."""
    names = {name_of(path): path for path in modules()}
    names.pop("git_datamanager")  # its face: it hands the Python API on, once somebody asks
    return {name: set(imports(nodes(path))) & names.keys() - {name} for name, path in names.items()}


def room(module: str) -> str:
    """The module of `ops`, or the package in it that it stands in; the part, of other modules."""
    words = module.split(".")
    return ".".join(words[:3] if words[1:2] == ["ops"] else words[:2])


def test_no_modules_import_each_other_in_a_circle() -> None:
    """So each can be imported alone, and be read after those that it rests on."""
    TopologicalSorter(graph()).prepare()


def test_no_packages_of_ops_import_each_other_in_a_circle() -> None:
    rooms: dict[str, set[str]] = {}
    for module, others in graph().items():
        rooms.setdefault(room(module), set()).update({room(other) for other in others} - {room(module)})
    TopologicalSorter(rooms).prepare()


def test_a_planted_circle_is_found() -> None:
    planted = {**graph(), "git_datamanager.errors": {"git_datamanager.cli.app"}}
    with pytest.raises(CycleError):
        TopologicalSorter(planted).prepare()


def test_every_module_can_be_imported() -> None:
    script = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    names = [name_of(path) for path in modules()]
    done = subprocess.run([sys.executable, "-c", script, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
