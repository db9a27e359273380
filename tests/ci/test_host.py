"""Requests and comments on a Git host: one of each, whatever becomes of the answers."""

from collections.abc import Iterator

import pytest

from git_datamanager.errors import DataError, Forbidden, NoCredentials, SettingsError, Unreachable
from git_datamanager.ops.host import Host, host_from_environment
from tests.ci.fakehost import TOKEN, FakeHost, environment, fake_host

MARKER = "<!-- git-data:preview -->"
KINDS = ("github", "gitlab")


@pytest.fixture
def server() -> Iterator[FakeHost]:
    with fake_host() as host:
        yield host


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def connect(server: FakeHost, kind: str) -> Host:
    if kind == "gitlab" and server.login is None:
        server.login = {"id": "project-bot"}
    found = host_from_environment(environment(server, kind))
    assert found is not None
    return found


def test_no_host_outside_of_ci_and_without_a_token(server: FakeHost, kind: str) -> None:
    assert host_from_environment({}) is None
    assert host_from_environment(environment(server, kind, token="")) is None
    own = {**environment(server, kind, token="wrong"), "GIT_DATA_HOST_TOKEN": TOKEN}
    found = host_from_environment(own)
    assert found is not None
    assert found.open_requests() == []


def test_a_request_is_opened_once_and_then_refreshed(server: FakeHost, kind: str) -> None:
    host = connect(server, kind)
    server.add("git-data/finalize", "a" * 40, fork=True)  # a stranger's branch of the same name
    server.add("git-data/finalize", "b" * 40, base="other")
    first = host.propose("git-data/finalize", "main", "Finalize", "two versions")
    assert host.propose("git-data/finalize", "main", "Finalize again", "three versions") == first
    assert [r["title"] for r in server.requests] == ["", "", "Finalize again"]
    assert server.requests[2]["body"] == "three versions"


def test_a_lost_answer_opens_no_second_request(server: FakeHost, kind: str) -> None:
    server.faults = [("POST", "lost")]
    url = connect(server, kind).propose("git-data/finalize", "main", "Finalize", "")
    assert len(server.requests) == 1
    assert url.endswith("/1")


def test_another_runs_request_is_taken(server: FakeHost, kind: str) -> None:
    """It appears between the look and the creation, which the host then refuses."""
    server.on_list = lambda _: server.requests or server.add("git-data/finalize", "a" * 40)
    connect(server, kind).propose("git-data/finalize", "main", "Finalize", "text")
    assert [r["body"] for r in server.requests] == ["text"]


def test_who_may_not_open_requests_hears_where_to_allow_it(server: FakeHost, kind: str) -> None:
    server.may_open = False
    with pytest.raises(Forbidden, match="not permitted") as caught:
        connect(server, kind).propose("git-data/finalize", "main", "Finalize", "")
    assert any("Allow GitHub Actions" in hint for hint in caught.value.hints)


def test_open_requests_of_several_pages_are_read_whole(server: FakeHost, kind: str) -> None:
    for n in range(250):
        server.add(f"b{n}", f"{n:040x}", fork=n % 2 == 0)
    server.requests[3]["state"] = "closed"
    assert connect(server, kind).open_requests() == [f"{n:040x}" for n in range(250) if n != 3]


def test_a_request_closed_while_the_list_is_read_hides_no_other(server: FakeHost, kind: str) -> None:
    """What stood first on the second page moves to the end of the first one, which was read already."""
    for n in range(150):
        server.add(f"b{n}", f"{n:040x}")

    def close_one(page: int) -> None:
        if page == 1:
            server.requests[0]["state"] = "closed"

    server.on_list = close_one
    assert f"{100:040x}" in connect(server, kind).open_requests()


def test_a_list_that_never_stands_still_is_no_list(server: FakeHost, kind: str) -> None:
    for n in range(150):
        server.add(f"b{n}", f"{n:040x}")
    server.on_list = lambda page: page == 2 and server.add("new", f"{len(server.requests):040x}")
    with pytest.raises(Unreachable, match="changes faster"):
        connect(server, kind).open_requests()


def test_a_request_without_a_commit_is_no_guess(server: FakeHost, kind: str) -> None:
    item = server.add("b", "a" * 40)
    item["sha"] = item["head"]["sha"] = None
    with pytest.raises(Unreachable, match="which commit"):
        connect(server, kind).open_requests()


def test_one_comment_is_edited_in_place(server: FakeHost, kind: str) -> None:
    host = connect(server, kind)
    for n in range(120):
        server.say(f"talk {n}", by="ana")
    host.comment(1, MARKER, f"{MARKER}\nfirst")
    host.comment(1, MARKER, f"{MARKER}\nsecond")
    host.comment(2, MARKER, f"{MARKER}\nother request")
    ours = [(c["on"], c["body"]) for c in server.comments if MARKER in c["body"]]
    assert ours == [(1, f"{MARKER}\nsecond"), (2, f"{MARKER}\nother request")]


def test_a_comment_that_only_follows_an_earlier_one(server: FakeHost, kind: str) -> None:
    host = connect(server, kind)
    assert host.comment(1, MARKER, f"{MARKER}\nnothing", create=False) is None
    assert server.comments == []
    host.comment(1, MARKER, f"{MARKER}\nfirst")
    assert host.comment(1, MARKER, f"{MARKER}\nnothing any more", create=False)
    assert [c["body"] for c in server.comments] == [f"{MARKER}\nnothing any more"]


def test_a_strangers_comment_with_the_marker_is_not_ours(server: FakeHost, kind: str) -> None:
    """They could change the verdict after us."""
    theirs = server.say(f"{MARKER}\nall fine", by="mallory")
    connect(server, kind).comment(1, MARKER, f"{MARKER}\nbad")
    assert theirs["body"].endswith("all fine")
    assert len(server.comments) == 2


def test_a_persons_token_edits_that_persons_comment(server: FakeHost) -> None:
    server.login = {"login": "ana"}
    server.say(f"{MARKER}\nby an app", by="other-app", kind="Bot")
    host = connect(server, "github")
    host.comment(1, MARKER, f"{MARKER}\nfirst")
    host.comment(1, MARKER, f"{MARKER}\nsecond")
    assert [c["body"] for c in server.comments] == [f"{MARKER}\nby an app", f"{MARKER}\nsecond"]


def test_reading_is_tried_again(server: FakeHost, kind: str) -> None:
    server.add("b", "a" * 40)
    server.faults = [("GET", 502), ("GET", "lost")]
    assert connect(server, kind).open_requests() == ["a" * 40]
    assert server.faults == []


@pytest.mark.parametrize(
    ("status", "kind_of_error"),
    [(401, NoCredentials), (403, Forbidden), (429, Unreachable), (500, Unreachable)],
)
def test_answers_become_our_errors(
    server: FakeHost, kind: str, status: int, kind_of_error: type[DataError]
) -> None:
    server.faults = [("GET", status)] * 3
    with pytest.raises(kind_of_error, match=f"answers {status}: fault {status}"):
        connect(server, kind).open_requests()


def test_the_token_follows_no_redirect_to_another_host(server: FakeHost, kind: str) -> None:
    with fake_host() as other:
        server.redirect = f"{other.url}/repos/lab/data/pulls"
        with pytest.raises(Forbidden, match="redirects elsewhere"):
            connect(server, kind).open_requests()
        assert other.seen == []


def test_the_token_follows_no_next_page_to_another_host(server: FakeHost, kind: str) -> None:
    server.add("b", "a" * 40)
    with fake_host() as other:
        server.next_page = f"{other.url}/repos/lab/data/pulls?page=2"
        with pytest.raises(Forbidden, match="another host"):
            connect(server, kind).open_requests()
        assert other.seen == []


@pytest.mark.parametrize(
    "base",
    [
        "http://api.example",
        "ftp://api.example",
        "https://",
        "http://127.0.0.1.example",
        "https://u:p@h.example",
    ],
)
def test_only_https_gets_the_token(server: FakeHost, kind: str, base: str) -> None:
    env = {**environment(server, kind)}
    env = {k: base if k.endswith("_URL") else v for k, v in env.items()}
    with pytest.raises(SettingsError) as caught:
        host_from_environment(env)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("repository", ["../../x", "lab", "lab/data/pulls", "lab/da ta", "lab/.."])
def test_a_repository_that_is_none_is_refused(server: FakeHost, repository: str) -> None:
    with pytest.raises(SettingsError, match="owner/name"):
        host_from_environment({**environment(server, "github"), "GITHUB_REPOSITORY": repository})


def test_the_token_is_never_shown(server: FakeHost, kind: str) -> None:
    secret = "an\nother-secret"
    with pytest.raises(SettingsError) as caught:
        host_from_environment(environment(server, kind, token=secret))
    assert "other-secret" not in str(caught.value)
    assert TOKEN not in repr(connect(server, kind))
    server.faults = [("GET", 403)]
    with pytest.raises(Forbidden) as refused:
        connect(server, kind).open_requests()
    assert TOKEN not in str(refused.value)


def test_a_host_that_is_away(server: FakeHost, kind: str) -> None:
    env = {k: v.replace(server.url, "http://127.0.0.1:9/api") for k, v in environment(server, kind).items()}
    host = host_from_environment(env)
    assert host is not None
    with pytest.raises(Unreachable, match="does not answer"):
        host.open_requests()
