"""The documentation is true: commands run, generated pages are fresh, tables say what the code does."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from git_datamanager import errors
from git_datamanager.cli.app import COMMANDS, HIDDEN
from git_datamanager.ops import add, fsck, pull, status, upload
from git_datamanager.ops.ci import preview
from git_datamanager.ops.ci import setup as ci_setup
from git_datamanager.ops.inside import check_asking
from git_datamanager.ops.publishing import publish
from git_datamanager.ops.rights import verify
from git_datamanager.workspace import hooks_install, settings
from tests.conftest import REPOSITORY
from tests.world import Clone, World, make_database

DOCS = REPOSITORY / "docs"
GUIDES = DOCS / "guides"
REFERENCE = DOCS / "reference"


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


generate = load_generator()
PAGES = generate.pages()


class Block(NamedTuple):
    """A fenced block: the word after the fence, what follows it, the lines."""

    language: str
    info: str
    lines: list[str]


def blocks(path: Path) -> Iterator[Block]:
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w+) *([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(match[1], match[2], match[3].splitlines())


# Guides


def pattern(line: str) -> re.Pattern[str]:
    """A documented line of output: `…` is anything, a digest any digest, blanks any blanks."""
    parts = []
    for word in line.split():
        text = re.escape(word).replace("…", r"\S*" if word != "…" else ".*?")
        parts.append(r"[0-9a-f]{7,64}" if re.fullmatch("[0-9a-f]{7,64}", word) else text)
    joined = r"\s+".join(parts)
    return re.compile(re.sub(r"(\\s\+)?\.\*\?(\\s\+)?", ".*?", joined), re.DOTALL)


class Shell:
    """One terminal: commands keep its folder from one to the next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._note = folder / ".pwd"

    def run(self, command: str) -> tuple[int, str]:
        script = f"{command}\ncode=$?\npwd > {shlex.quote(str(self._note))}\nexit $code"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        self.folder = Path(self._note.read_text().rstrip("\n"))
        return done.returncode, (done.stdout + done.stderr).decode()


def steps(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Commands with the lines of output below them."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip():
            found[-1][1].append(line)
    return found


def test_the_first_dataset_guide_does_what_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "guide"
    folder.mkdir()
    shell = Shell(folder)
    for block in blocks(GUIDES / "first-dataset.md"):
        assert block.language == "console"
        commands = steps(block.lines)
        for number, (command, expected) in enumerate(commands, 1):
            last = number == len(commands)
            wanted = int(block.info.removeprefix("exit=")) if block.info and last else 0
            code, text = shell.run(command)
            assert code == wanted, f"{command}\n{text}"
            at = 0
            for line in expected:
                match = pattern(line).search(text, at)
                assert match, f"{command}\nshould print: {line}\nprinted:\n{text}"
                at = match.end()


@pytest.fixture
def published(world: World) -> Clone:
    """A clone with one published dataset in two versions."""
    clone = world.found("ana")
    for seed, note in enumerate(("first release", "second release")):
        make_database(clone.path / "prices.sqlite", 500, seed=seed)
        clone.data("add", "prices.sqlite", "-m", note)
        clone.commit(note)
    clone.git("push", "-q")
    world.publish(clone)
    clone.git("pull", "-q")
    return clone


def test_the_python_guide_runs(published: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(published.path)
    code = ["\n".join(b.lines) for b in blocks(GUIDES / "python-api.md") if b.language == "python"]
    names: dict[str, Any] = {"__name__": "guide"}
    for text in code:
        exec(compile(text, "python-api.md", "exec"), names)  # noqa: S102 - the guide's own code
    assert len(code) > 3


# Generated pages


@pytest.mark.parametrize("name", generate.FILES)
def test_generated_pages_are_fresh(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    assert text == generate.FILES[name](), "run: python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_has_help_and_an_example(page: Any) -> None:
    assert page.text
    assert page.examples
    assert [names for names, text in page.options if not text] == []
    for command, _ in page.examples:
        assert page.name in command or "config" in command


def test_every_command_is_documented() -> None:
    assert {page.name for page in PAGES} == set(COMMANDS)
    text = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"\n## git data {name}\n" in text
    assert set(generate.extra()["command"]) == set(COMMANDS)


def documents() -> list[Path]:
    return sorted(p for p in [*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md")] if p.stat().st_size)


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.relative_to(REPOSITORY).as_posix())
def test_documents_name_only_commands_and_options_that_exist(path: Path) -> None:
    known = {page.name: " ".join(names for names, _ in page.options) + " -h --help" for page in PAGES}
    known |= {alias: known[page.name] for page in PAGES for alias in page.aliases}
    in_code = re.findall(r"`(git[ -]data [^`\n]+)`|^\$? ?(git data [^\n]+)", path.read_text(), re.MULTILINE)
    for inline, line in in_code:
        words = (inline or line).partition("#")[0].partition("&&")[0].split()[1:]
        words = words[1:] if words[0] == "data" else words
        command = words[0].rstrip(".,:;)")
        if not re.fullmatch(r"[a-z][a-z-]+", command) or command == "data":
            continue
        assert command in known, f"{path.name}: git data {command}"
        for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", " ".join(words)):
            assert option in known[command], f"{path.name}: git data {command} {option}"


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.relative_to(REPOSITORY).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        place = (path.parent / name).resolve() if name else path
        assert place.exists(), f"{path.name}: {target}"
        if anchor and place.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}
            assert anchor in anchors, f"{path.name}: {target}"


# Reference


def table(path: Path, columns: int) -> list[list[str]]:
    """The rows of all tables with so many columns, without their heads."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == columns:
            rows.append(cells)
    return [
        r
        for n, r in enumerate(rows)
        if not set(r[0]) <= {"-"} and (n + 1 == len(rows) or not set(rows[n + 1][0]) <= {"-"})
    ]


def code(cell: str) -> str:
    return cell.strip("`")


def error_classes(root: type[errors.DataError]) -> Iterator[type[errors.DataError]]:
    yield root
    for sub in root.__subclasses__():
        if sub.__module__ == errors.__name__:
            yield from error_classes(sub)


def test_the_exit_codes_page_holds_every_error() -> None:
    rows = table(REFERENCE / "exit-codes.md", 3)
    said = {name: int(row[0]) for row in rows for name in re.findall(r"`(\w+)`", row[2])}
    true = {c.__name__: c.exit_code for c in error_classes(errors.DataError) if c is not errors.SeveralFailed}
    assert said == true
    numbers = {int(row[0]) for row in rows}
    others = {0, errors.EXIT_NEGATIVE, errors.EXIT_USAGE, errors.EXIT_INTERRUPTED, errors.EXIT_UNREAD}
    assert numbers == others | set(true.values())
    assert {int(n) for n in generate.extra()["exits"]["all"]} == numbers


def test_the_settings_page_holds_every_key() -> None:
    rows = {code(row[0]): row for row in table(REFERENCE / "settings.md", 5)}
    assert list(rows) == [key.name for key in settings.KEYS]
    for key in settings.KEYS:
        _, default, tracked, environment, _ = rows[key.name]
        assert code(default) == (key.default or "–"), key.name
        assert (tracked == "yes") is key.tracked, key.name
        assert code(environment) == settings.environment_name(key.name)
    for name, choices in settings._CHOICES.items():
        assert all(f"`{choice}`" in rows[name][4] for choice in choices), name


def shape(value: Any) -> Any:
    """The keys of a document; of a list those of its first element."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return None


def same(said: Any, true: Any, where: str) -> None:
    """Both have the same keys; what one leaves empty or null may be anything in the other."""
    if isinstance(said, dict) and isinstance(true, dict):
        if where.endswith("settings"):
            said, true = dict([*said.items()][:1]), dict([*true.items()][:1])
            same(*said.values(), *true.values(), where + ".*")
            return
        assert set(said) == set(true), where
        for key in said:
            same(said[key], true[key], f"{where}.{key}")
    elif isinstance(said, list) and isinstance(true, list) and said and true:
        same(said[0], true[0], f"{where}[0]")


def examples() -> dict[str, dict[str, Any]]:
    found = [json.loads("\n".join(b.lines)) for b in blocks(REFERENCE / "json.md") if b.language == "json"]
    return {document["schema"].split("/")[1]: document for document in found}


BUCKETS = {
    f"GIT_DATA_REMOTE_{role.upper()}_URL": f"s3://lab-{role}/x?region=us-east-1"
    for role in ("staging", "production")
}


def test_json_examples_have_the_keys_of_real_documents(published: Clone, world: World) -> None:
    clone = published
    make_database(clone.path / "prices.sqlite", 500, seed=9)
    clone.write("checks/low.sql", "-- dataset: prices.sqlite\nFROM technology WHERE capacity > 99")
    runs = {
        "status": clone.json("status", "--remote"),
        "add": clone.json("add", "prices.sqlite", "-m", "third release"),
        "upload": clone.json("upload"),
        "ls": clone.json("ls"),
        "log": clone.json("log"),
        "show": clone.json("show", "prices.sqlite@v1"),
        "diff": clone.json("diff", "prices.sqlite@v1", "prices.sqlite@v2"),
        "profile": clone.json("profile", "prices.sqlite@v2"),
        "blame": clone.json("blame", "prices.sqlite@v2", "--key", "7"),
        "sql": clone.json("sql", "SELECT id FROM technology LIMIT 1"),
        "check": clone.json("check", code=1),
        "pull": clone.json("pull"),
        "catalog": clone.json("catalog"),
        "config": clone.json("config"),
        "trust": clone.json("trust"),
        "verify": clone.json("verify"),
        "policies": clone.json("verify", "--policies", "r2", "--role", "reader", env=BUCKETS),
        "doctor": clone.json("doctor", "--offline"),
        "fsck": clone.json("fsck", "--remote"),
        "init": clone.json("init"),
        "install": clone.json("install"),
        "uninstall": clone.json("uninstall", "--dry-run"),
        "resolve": clone.json("resolve"),
        "merge-rows": clone.json("resolve", "--merge-rows"),
        "rollback": clone.json("rollback", "prices.sqlite", "--to", "v1", "--dry-run"),
        "prune": clone.json("prune", "prices.sqlite", "--keep", "1", "--dry-run"),
        "cache": clone.json("cache"),
        "cache-list": clone.json("cache", "list"),
        "cache-prune": clone.json("cache", "prune", "--all", "--dry-run"),
        "explain": clone.json("add", "--explain", "prices.sqlite"),
        "compact": clone.json("compact", "prices.sqlite", "--dry-run"),
        "set": clone.json("set", "prices.sqlite", "key=a,b", "title=Prices", "--dry-run"),
        "delete": clone.json("delete", "prices.sqlite", "--dry-run"),
        "rm": clone.json("rm", "--cached", "prices.sqlite", "--dry-run"),
        "mv": clone.json("mv", "prices.sqlite", "old.sqlite", "--dry-run"),
        "error": clone.json("pull", "prices.sqlite@v99", code=3),
    }
    clone.commit("third release")
    runs["preview"] = clone.json("preview", "--base", "origin/main")
    runs["ci"] = clone.json("ci", "setup", "github", "--store", "aws", "--dry-run")
    clone.git("push", "-q")
    runs["publish"] = json.loads(world.publish(clone, "--json").out)
    runs["gc"] = clone.json("gc")
    runs["cleanup"] = clone.json("cleanup")
    clone.git("pull", "-q")
    clone.data("delete", "prices.sqlite", "--yes")
    runs["undelete"] = clone.json("undelete", "prices.sqlite", "--dry-run")
    said = examples()
    assert set(said) == {*runs, "demo"}
    for name, document in runs.items():
        assert said[name]["schema"] == document["schema"]
        same(shape(said[name]), shape(document), name)


@pytest.mark.parametrize(
    "words",
    [
        *(add.Outcome, fsck.Verdict, hooks_install.Deed, publish.Finalized, publish.Result),
        *(pull.Outcome, status.Stage, status.Work, upload.Outcome, verify.Answer),
        *(check_asking.Outcome, ci_setup.Outcome, preview.Verdict),
    ],
    ids=lambda words: f"{words.__module__.rpartition('.')[2]}.{words.__name__}",
)
def test_the_json_page_names_every_word(words: type[StrEnum]) -> None:
    text = (REFERENCE / "json.md").read_text(encoding="utf-8")
    assert [word for word in words if f"`{word}`" not in text] == []


def test_every_command_with_json_has_an_example() -> None:
    with_json = {p.name for p in PAGES if any("--json" in names for names, _ in p.options)}
    said = examples()
    besides = {"error", "explain", "policies", "cache-list", "cache-prune", "merge-rows"}
    assert with_json - {"prepare"} == set(said) - besides
    assert not with_json & HIDDEN
    assert {step["kind"] for step in said["demo"]["steps"]} == {"chapter", "command", "fact"}


# The two commands of the README


def test_ci_runs_the_readmes_test_command() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    command = next(
        line for line in readme.splitlines() if line.startswith("python3 -m venv") and "pytest" in line
    )
    assert command in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8").splitlines()
