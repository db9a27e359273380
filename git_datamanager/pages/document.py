"""One HTML document that stands alone: style and script in it, and no way out of it.

Its policy lets nothing load or run but the two texts of ours, by their digests. Were a cell ever to become a
tag, a browser would still refuse to run it, load it or send anything for it.
"""

import base64
import hashlib
from importlib import resources

from git_datamanager.pages.markup import Html, readable, tag


def document(title: str, body: Html, *, has_filter: bool = False) -> str:
    """The whole document. `body` is what stands in `main`; without a script all of it is readable."""
    style, script = _asset("page.css"), _asset("page.js")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", readable(title)),
        tag("style", Html(style)),
    )
    page = tag(
        "body",
        tag("a", "Skip to the changes", href="#main", class_="skip"),
        _tools(has_filter=has_filter),
        tag("main", body, id="main"),
        tag("footer", tag("p", "Made by git data. This page loads nothing and sends nothing.")),
        tag("script", Html(script)),
    )
    return f"<!doctype html>\n{tag('html', head, page, lang='en')}\n"


def _asset(name: str) -> str:
    return resources.files("git_datamanager.pages").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {_digest(style)}",
            f"script-src {_digest(script)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _tools(*, has_filter: bool) -> Html:
    """What works by the script alone, hidden until it runs."""
    theme = tag("button", "Dark", type="button", id="theme", aria_pressed="false", aria_label="Dark theme")
    if not has_filter:
        return tag("div", theme, id="tools", hidden=True)
    kinds = [
        tag("button", sign, f" {word}", type="button", class_=word, data_kind=word, aria_pressed="true")
        for sign, word in (("+", "added"), ("−", "removed"), ("~", "changed"))
    ]
    return tag(
        "div",
        tag("label", "Filter", for_="filter", class_="aside"),
        tag("input", id="filter", type="search", placeholder="Filter rows and tables", autocomplete="off",
            spellcheck="false"),
        tag("div", *kinds, role="group", aria_label="Kinds of change", class_="kinds"),
        tag("output", "", id="shown", for_="filter", aria_live="polite"),
        tag("button", "Open all", type="button", id="all"),
        theme,
        id="tools", role="search", hidden=True,
    )  # fmt: skip
