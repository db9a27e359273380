"""What to write into the configuration of other hook managers, whose files are theirs."""

from pathlib import Path

from git_datamanager.workspace.hook_shims import EVENTS, FED, block

_FRAMEWORK_HOOK = """\
      - id: {name}
        name: "{title}"
        language: python
        additional_dependencies: ["git-datamanager=={version}"]
        entry: git-data hook
        args: [{verb}]
        stages: [{stages}]
        pass_filenames: false
        always_run: true
        require_serial: true
"""
_FRAMEWORK_HOOKS = (
    ("git-data-check", "git data: check the commit", "check", "pre-commit, pre-merge-commit, manual"),
    ("git-data-upload", "git data: data is in staging", "upload", "pre-commit, pre-push"),
    ("git-data-post", "git data: data files follow", "post", "post-checkout, post-merge, post-rewrite"),
)


def framework(version: str) -> str:
    """`.pre-commit-config.yaml` for the pre-commit framework (and prek), for this release."""
    hooks = "".join(
        _FRAMEWORK_HOOK.format(name=name, title=title, verb=verb, stages=stages, version=version)
        + ("        verbose: true\n" if verb == "post" else "")
        for name, title, verb, stages in _FRAMEWORK_HOOKS
    )
    types = ", ".join(EVENTS)
    return f"default_install_hook_types: [{types}]\nrepos:\n  - repo: local\n    hooks:\n{hooks}"


def recipe(manager: str | None, event: str) -> str:
    """The exact lines, and where they go."""
    if manager == "husky":
        return f"# .husky/{event}\n{_portable(event)}"
    if manager == "lefthook":
        return _lefthook(event)
    if manager == "pre-commit":
        return "# git data install --pre-commit   prints the lines for .pre-commit-config.yaml\n"
    if manager == "tracked":
        return _portable(event)
    return block(event).decode()


def _portable(event: str) -> str:
    """For files that are tracked: a colleague without git-data is not stopped."""
    return f'! command -v git-data >/dev/null || git-data hook {event} "$@"\n'


def _lefthook(event: str) -> str:
    lines = [
        "# lefthook.yml",
        f"{event}:",
        "  commands:",
        "    git-data:",
        f"      run: git-data hook {event} {{0}}",
    ]
    if event in FED:
        lines.append("      use_stdin: true")
    return "\n".join(lines) + "\n"


_LEFTHOOK_FILES = ("lefthook.yml", "lefthook.yaml", "lefthook.toml", "lefthook.json")


def follows(top: Path, manager: str | None, event: str, hook: Path) -> bool:
    """The manager's own files call us for this event already."""
    if manager == "pre-commit":
        wanted = ("git-data-check", "git-data-upload") if event.startswith("pre-") else ("git-data-post",)
        return any(word in _text(top / ".pre-commit-config.yaml") for word in wanted)
    if manager == "lefthook":
        files = [top / (dot + name) for name in _LEFTHOOK_FILES for dot in ("", ".")]
        return any(_calls(_text(file), event) for file in files)
    if manager == "husky":
        return _calls(_text(top / ".husky" / event), event)
    return _calls(_text(hook), event)


def _calls(text: str, event: str) -> bool:
    return any(f"{command} hook {event}" in text for command in ("git-data", "git data"))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace") if path.is_file() else ""
    except OSError:
        return ""
