"""HTML is put together so that no text becomes a tag."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.pages.document import document
from git_datamanager.pages.markup import Html, join, readable, tag, text


class Reader(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((name, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.said += data


ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@given(ANY_TEXT)
def test_text_is_read_back_as_it_can_be_seen(value: str) -> None:
    found = Reader(tag("p", value))
    assert {name for name, _ in found.tags} <= {"p", "span"}
    assert found.said == readable(value)


@given(ANY_TEXT)
def test_an_attribute_holds_one_text(value: str) -> None:
    ((name, attributes),) = Reader(tag("p", title=value)).tags
    assert (name, attributes) == ("p", {"title": readable(value)})


@given(ANY_TEXT)
def test_every_page_can_be_written(value: str) -> None:
    document(value, tag("p", value)).encode("utf-8")


@pytest.mark.parametrize(
    ("hidden", "seen"),
    [
        ("\x00", "\\u0000"), ("\x1b[1m", "\\u001b[1m"), ("\u202e", "\\u202e"), ("\u200b", "\\u200b"),
        ("\udcff", "\\udcff"), ("\U000e0041", "\\U000e0041"), ("\u3164", "\\u3164"), ("\r", "\\u000d"),
    ],
)  # fmt: skip
def test_what_hides_or_reorders_is_visible(hidden: str, seen: str) -> None:
    assert readable(f"a{hidden}b") == f"a{seen}b"
    assert hidden[0] not in text(f"a{hidden}b")
    assert f'<span class="unseen">{seen[: 10 if seen[1] == "U" else 6]}</span>' in text(hidden)


def test_the_words_for_a_hidden_sign_are_not_the_sign() -> None:
    assert text("\\u202e") == "\\u202e"


def test_html_is_not_escaped_twice() -> None:
    assert tag("p", tag("b", "a & b"), " & c") == "<p><b>a &amp; b</b> &amp; c</p>"
    assert join(["<", Html("<br>")], "&") == "&lt;&amp;<br>"


def test_attributes_by_their_values() -> None:
    assert tag("a", class_="x", data_name="y", open=True, hidden=False, id=None) == (
        '<a class="x" data-name="y" open></a>'
    )
