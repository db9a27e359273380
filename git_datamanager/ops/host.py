"""The Git host of a CI job (GitHub, GitLab): its pull requests, and one comment that stays up to date.

`host_from_environment` finds host, project and token in what the runner sets. A pull request and a
merge request are both a "request" here.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from git_datamanager.errors import Conflict, DataError, Forbidden, NotFound, SettingsError, Unreachable
from git_datamanager.ops.host_api import PAGE, Api

_READINGS = 5


class Host(Protocol):
    """Raises errors of `git_datamanager.errors`: Forbidden and NoCredentials for rights, Unreachable
    where trying again may help."""

    def propose(self, head: str, base: str, title: str, body: str) -> str:
        """Open the request from the branch `head` of this project into `base`, or bring title and body
        of the open one up to date. Returns its URL."""

    def open_requests(self) -> list[str]:
        """The head commits of all open requests, those of forks included."""

    def comment(self, number: int, marker: str, body: str, *, create: bool = True) -> str | None:
        """Write the one comment of a request that holds `marker`, or edit ours. Returns its URL; without
        `create` None where there is none to edit."""


def host_from_environment(env: Mapping[str, str]) -> Host | None:
    """The host of this job; None outside of CI, and where the job has no token for it.

    Raises SettingsError where the environment names a host that no token should be sent to.
    """
    own = env.get("GIT_DATA_HOST_TOKEN", "").strip()
    if env.get("GITHUB_API_URL") and env.get("GITHUB_REPOSITORY"):
        token = own or env.get("GITHUB_TOKEN", "").strip()
        return github(env["GITHUB_API_URL"], env["GITHUB_REPOSITORY"], token) if token else None
    if env.get("CI_API_V4_URL") and env.get("CI_PROJECT_ID"):
        token = own or env.get("GITLAB_TOKEN", "").strip()
        return gitlab(env["CI_API_V4_URL"], env["CI_PROJECT_ID"], token) if token else None
    return None


def github(base: str, repository: str, token: str) -> "GitHub":
    """`repository` is `owner/name`."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository, re.ASCII) or ".." in repository:
        raise SettingsError(f"GITHUB_REPOSITORY is {repository[:80]!r}, not owner/name: nothing was sent")
    headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"}
    return GitHub(Api(base, {"Accept": "application/vnd.github+json", **headers}), repository)


def gitlab(base: str, project: str, token: str) -> "GitLab":
    """`project` is the number or the full path."""
    return GitLab(Api(base, {"PRIVATE-TOKEN": token}), quote(project, safe=""))


@dataclass(frozen=True)
class GitHub:
    """The REST API of GitHub, GitHub Enterprise Server, and what imitates it."""

    api: Api
    repository: str
    _path: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_path", f"/repos/{self.repository}")

    def propose(self, head: str, base: str, title: str, body: str) -> str:
        return _opened_or_refreshed(
            find=lambda: self._open(head, base),
            refresh=lambda number: self.api.send(
                "PATCH", f"{self._path}/pulls/{number}", {"title": title, "body": body}
            ),
            create=lambda: self.api.send(
                "POST", f"{self._path}/pulls", {"title": title, "body": body, "head": head, "base": base}
            ),
            number="number",
            url="html_url",
        )

    def _open(self, head: str, base: str) -> dict[str, Any] | None:
        owner = self.repository.partition("/")[0]
        query = {"state": "open", "head": f"{owner}:{head}", "base": base}
        for page in self.api.pages(f"{self._path}/pulls", query):
            for item in page:
                # A fork's branch may have the same name, and its request is nobody's bot request.
                same = _at(item, "head", "ref") == head and _at(item, "base", "ref") == base
                if same and _at(item, "head", "repo", "full_name") == _at(item, "base", "repo", "full_name"):
                    return dict(item)
        return None

    def open_requests(self) -> list[str]:
        query = {"state": "open", "sort": "created", "direction": "asc"}
        return _settled(lambda: self._heads(self.api.pages(f"{self._path}/pulls", query)))

    def _heads(self, pages: Iterator[list[Any]]) -> Iterator[list[str]]:
        for page in pages:
            yield [_commit(_at(item, "head", "sha"), item.get("number")) for item in page]

    def comment(self, number: int, marker: str, body: str, *, create: bool = True) -> str | None:
        mine = self._login()
        path = f"{self._path}/issues/{number}/comments"
        for page in self.api.pages(path, {}):
            for item in page:
                if marker in (item.get("body") or "") and self._is_mine(item, mine):
                    edited = f"{self._path}/issues/comments/{int(item['id'])}"
                    return str(self.api.send("PATCH", edited, {"body": body})["html_url"])
        return str(self.api.send("POST", path, {"body": body})["html_url"]) if create else None

    def _login(self) -> str | None:
        """Whose token it is; None for the token of an app (the job's own), which may not ask."""
        try:
            return str(_at(self.api.get("/user"), "login") or "") or None
        except (Forbidden, NotFound):
            return None

    def _is_mine(self, item: Any, mine: str | None) -> bool:
        """Anybody may write the marker into a comment, and edit it after us: such a one is not ours."""
        if mine is not None:
            return bool(_at(item, "user", "login") == mine)
        return bool(_at(item, "user", "type") == "Bot")


@dataclass(frozen=True)
class GitLab:
    """The API of GitLab, version 4."""

    api: Api
    project: str

    @property
    def _path(self) -> str:
        return f"/projects/{self.project}/merge_requests"

    def propose(self, head: str, base: str, title: str, body: str) -> str:
        said = {"title": title, "description": body}
        return _opened_or_refreshed(
            find=lambda: self._open(head, base),
            refresh=lambda number: self.api.send("PUT", f"{self._path}/{number}", said),
            create=lambda: self.api.send(
                "POST", self._path,
                {**said, "source_branch": head, "target_branch": base, "remove_source_branch": True},
            ),
            number="iid",
            url="web_url",
        )  # fmt: skip

    def _open(self, head: str, base: str) -> dict[str, Any] | None:
        query = {"state": "opened", "source_branch": head, "target_branch": base}
        for page in self.api.pages(self._path, query):
            for item in page:
                same = item.get("source_branch") == head and item.get("target_branch") == base
                if same and item.get("source_project_id") == item.get("target_project_id"):
                    return dict(item)
        return None

    def open_requests(self) -> list[str]:
        query = {"state": "opened", "scope": "all", "order_by": "created_at", "sort": "asc"}
        return _settled(lambda: self._heads(self.api.pages(self._path, query)))

    def _heads(self, pages: Iterator[list[Any]]) -> Iterator[list[str]]:
        for page in pages:
            yield [_commit(item.get("sha"), item.get("iid")) for item in page]

    def comment(self, number: int, marker: str, body: str, *, create: bool = True) -> str | None:
        mine = _at(self.api.get("/user"), "id")
        path = f"{self._path}/{number}/notes"
        for page in self.api.pages(path, {"order_by": "created_at", "sort": "asc"}):
            for item in page:
                if marker in (item.get("body") or "") and _at(item, "author", "id") == mine:
                    note = self.api.send("PUT", f"{path}/{int(item['id'])}", {"body": body})
                    return self._note_url(number, note)
        return self._note_url(number, self.api.send("POST", path, {"body": body})) if create else None

    def _note_url(self, number: int, note: Any) -> str:
        return f"{self.api.base}{self._path}/{number}/notes/{_at(note, 'id')}"


def _opened_or_refreshed(
    *,
    find: Callable[[], dict[str, Any] | None],
    refresh: Callable[[int], Any],
    create: Callable[[], Any],
    number: str,
    url: str,
) -> str:
    """One request, whatever becomes of the answers: a lost one, or another run's, is read back."""
    standing = find()
    if standing is None:
        try:
            return str(create()[url])
        except (Unreachable, Conflict) as error:
            standing = find()
            if standing is None:
                raise error from None
        except Forbidden as error:
            raise _may_not_open(error) from None
    refresh(int(standing[number]))
    return str(standing[url])


def _may_not_open(error: Forbidden) -> DataError:
    return Forbidden(
        f"the request could not be opened: {error}",
        hints=[
            "GitHub: Settings > Actions > General > Allow GitHub Actions to create and approve pull requests",
            "GitLab: GITLAB_TOKEN, a project access token with the scope api and the role Developer",
        ],
    )


def _settled(read: Callable[[], Iterator[list[str]]]) -> list[str]:
    """A list that was complete at some moment.

    One page is. Of several pages the later ones move up when a request is closed meanwhile, and one
    would be missed: they are read until two readings agree.
    """
    before: list[str] | None = None
    for _ in range(_READINGS):
        pages = list(read())
        heads = [head for page in pages for head in page]
        if heads == before or (len(pages) < 2 and len(heads) < PAGE):
            return heads
        before = heads
    raise Unreachable("the list of open requests changes faster than it can be read: try again later")


def _commit(value: Any, number: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", value):
        raise Unreachable(f"the host does not say (yet) which commit the open request {number} has")
    return value


def _at(value: Any, *keys: str) -> Any:
    """The value behind a path of keys; None where it breaks off."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
