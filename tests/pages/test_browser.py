"""Pages in a real browser: what people do with them, and what a stranger's text cannot do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from git_datamanager.model.manifest import Dataset, Kind, State, Version
from git_datamanager.model.oid import Oid
from git_datamanager.model.ulid import new_ulid
from git_datamanager.ops.inside.catalog import Catalog, Listed, Release
from git_datamanager.ops.inside.rowcounts import Rows
from git_datamanager.pages.catalog_page import catalog_page
from git_datamanager.pages.diff_page import Remark, diff_page
from git_datamanager.pages.document import document
from git_datamanager.pages.markup import Html
from git_datamanager.tables.result import RowChange
from tests.pages.scene import PAYLOADS, changed, file_diff, hostile, release

pytestmark = pytest.mark.slow

WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => window.violations.push(e.violatedDirective));
"""
# For every text that is seen: its contrast with what lies behind it, by WCAG 2.1.
CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = (c) => {
    const [r, g, b] = [...c].slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c[3] === 255) return c;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || e.matches("style, script") || !e.checkVisibility()) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), walk.currentNode.data.trim().slice(0, 40)]);
  }
  return found;
}
"""


@dataclass
class Visit:
    """A page in a window, and all that happened there."""

    page: Any
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def violations(self) -> list[str]:
        return self.page.evaluate("() => window.violations")

    def rows(self) -> list[str]:
        """The second cells of the rows that are seen."""
        rows = self.page.locator("tbody tr[data-change]:visible, section[data-change]:visible")
        return [" ".join(text.split()) for text in rows.all_inner_texts()]

    def groups(self) -> list[str]:
        return self.page.locator("details:visible > summary :is(h3, h4)").all_inner_texts()

    def background(self) -> str:
        return self.page.evaluate("() => getComputedStyle(document.body).backgroundColor")

    def is_quiet(self) -> bool:
        """Nothing was loaded but the page, nothing was said, nothing refused."""
        return len(self.requests) == 1 and not self.said and self.violations() == []


class Window:
    def __init__(self, browser: Any, folder: Path) -> None:
        self._browser = browser
        self._path = folder / "page.html"
        self._contexts: list[Any] = []

    def open(self, text: str, **wishes: Any) -> Visit:
        self._path.write_text(text, encoding="utf-8")
        context = self._browser.new_context(reduced_motion="reduce", **wishes)
        self._contexts.append(context)
        context.add_init_script(WATCH)
        visit = Visit(context.new_page())
        visit.page.on("request", lambda request: visit.requests.append(request.url))
        visit.page.on("console", lambda message: visit.said.append(message.text))
        visit.page.on("pageerror", lambda error: visit.said.append(str(error)))
        visit.page.on("dialog", lambda dialog: (visit.said.append(dialog.message), dialog.dismiss()))
        visit.page.route("**/*", lambda route: route.continue_() if _is_own(route) else route.abort())
        visit.page.goto(self._path.as_uri())
        return visit

    def close(self) -> None:
        for context in self._contexts:
            context.close()


def _is_own(route: Any) -> bool:
    return route.request.url.startswith("file:")


@pytest.fixture
def window(browser: Any, tmp_path: Path) -> Iterator[Window]:
    window = Window(browser, tmp_path)
    yield window
    window.close()


@pytest.fixture
def visit(window: Window) -> Visit:
    return window.open(diff_page(release(), "Changes"))


def test_it_opens_quietly(visit: Visit) -> None:
    assert visit.page.title() == "Changes"
    assert visit.page.locator("#tools").is_visible()
    assert len(visit.rows()) == 20
    assert visit.is_quiet()


def test_the_filter_finds_rows_by_their_text(visit: Visit) -> None:
    visit.page.fill("#filter", "OFFshore")
    assert [row for row in visit.rows() if "wind offshore" in row] == visit.rows()
    assert visit.groups() == ["technology"]
    assert visit.page.locator("#shown").inner_text() == "1 of 20 changes"
    assert visit.page.locator("section.dataset:visible").count() == 1
    visit.page.fill("#filter", "")
    assert len(visit.rows()) == 20
    assert visit.page.locator("section.dataset:visible").count() == 5
    assert visit.page.locator("#shown").inner_text() == ""
    assert visit.is_quiet()


def test_the_filter_finds_tables_and_datasets_by_their_name(visit: Visit) -> None:
    visit.page.fill("#filter", "demand")
    assert visit.groups() == ["demand"]
    assert len(visit.rows()) == 2
    visit.page.fill("#filter", "scans")
    assert visit.page.locator("section.dataset:visible h2").all_inner_texts() == ["scans.zip"]
    visit.page.fill("#filter", "no such thing")
    assert visit.page.get_by_text("Nothing on this page matches the filter.").is_visible()
    assert visit.rows() == []


def test_the_filter_opens_what_it_finds_and_closes_it_again(visit: Visit) -> None:
    visit.page.click("#all")
    assert visit.page.locator("#all").inner_text() == "Open all"
    assert visit.page.locator("details[open]").count() == 0
    visit.page.click("#all")
    assert visit.page.locator("details:not([open])").count() == 0
    visit.page.locator("summary", has_text="technology").click()
    assert not visit.page.get_by_text("wind offshore").is_visible()
    visit.page.fill("#filter", "wind offshore")
    assert visit.page.get_by_text("wind offshore").is_visible()


@pytest.mark.parametrize(("kind", "left"), [("added", 12), ("removed", 17), ("changed", 11)])
def test_kinds_of_change_can_be_left_out(visit: Visit, kind: str, left: int) -> None:
    button = visit.page.locator(f"button[data-kind={kind}]")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert visit.page.locator(f"[data-change={kind}]:visible").count() == 0
    assert len(visit.rows()) == left
    button.click()
    assert len(visit.rows()) == 20


def test_dark_follows_the_system_and_the_button(window: Window) -> None:
    text = diff_page(release(), "Changes")
    light = window.open(text, color_scheme="light")
    dark = window.open(text, color_scheme="dark")
    assert light.background() == "rgb(251, 251, 250)"
    assert dark.background() == "rgb(22, 24, 27)"
    assert dark.page.locator("#theme").get_attribute("aria-pressed") == "true"
    dark.page.click("#theme")
    assert dark.background() == light.background()
    assert dark.page.locator("#theme").get_attribute("aria-pressed") == "false"
    dark.page.reload()
    assert dark.background() == light.background()
    assert dark.violations() == []


def changes() -> str:
    remarks = [Remark("good", "good"), Remark("bad", "bad", ("git data x",))]
    return diff_page(release(), "Changes", remarks=remarks)


def available() -> str:
    """A catalog of one dataset in three versions."""
    versions = [
        Version(
            number=n, id=new_ulid(), state=State.PUBLISHED, oid=Oid(f"{n:064x}"), size=n << 20, author="Ana",
            created="2026-01-01T00:00:00Z", message=PAYLOADS[n],
        )
        for n in (3, 2, 1)
    ]  # fmt: skip
    dataset = Dataset(name="prices.csv", kind=Kind.FILE, versions=tuple(versions))
    url = "https://data.example.org/objects/x"
    releases = [Release(v, Rows(10), url, f"git data pull prices.csv@{v.name}") for v in versions]
    return catalog_page(Catalog([Listed(dataset, releases)], 600))


def test_the_catalog_opens_quietly(window: Window) -> None:
    visit = window.open(available())
    assert visit.page.get_by_role("img", name="Size over 3 versions: 1.0 MiB to 3.0 MiB").is_visible()
    assert visit.page.get_by_role("link", name="Download v3").is_visible()
    assert visit.is_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("make", "texts"), [(changes, 150), (available, 30)])
def test_every_text_has_contrast(window: Window, scheme: str, make: Callable[[], str], texts: int) -> None:
    visit = window.open(make(), color_scheme=scheme)
    found = visit.page.evaluate(CONTRAST)
    assert len(found) > texts
    assert [text for ratio, text in found if ratio < 4.5] == []


def test_the_keyboard_reaches_everything(visit: Visit) -> None:
    seen = []
    for _ in range(40):
        visit.page.keyboard.press("Tab")
        seen.append(
            visit.page.evaluate(
                "() => { const e = document.activeElement, s = getComputedStyle(e);"
                " return [e.id || e.className || e.tagName, s.outlineStyle, e.textContent]; }"
            )
        )
    names = [name for name, _, _ in seen]
    assert names[:3] == ["skip", "filter", "added"]
    assert {"all", "theme", "wide", "SUMMARY", "A"} <= set(names)
    assert {outline for name, outline, _ in seen if name != "BODY"} == {"solid"}
    visit.page.locator("summary", has_text="demand").focus()
    visit.page.keyboard.press("Enter")
    assert not visit.page.locator("details[data-group=demand]").get_attribute("open")


def test_without_a_script_all_of_it_is_there(window: Window) -> None:
    visit = window.open(diff_page(release(), "Changes"), java_script_enabled=False)
    assert not visit.page.locator("#tools").is_visible()
    assert visit.page.get_by_text("wind offshore").is_visible()
    assert not visit.page.get_by_text("Nothing on this page").is_visible()
    visit.page.locator("summary", has_text="technology").click()
    assert not visit.page.get_by_text("wind offshore").is_visible()


def test_a_narrow_window_scrolls_tables_and_not_the_page(window: Window) -> None:
    visit = window.open(diff_page(release(), "Changes"), viewport={"width": 360, "height": 700})
    width = visit.page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 360


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_a_stranger_wrote_does_nothing(window: Window, payload: str) -> None:
    visit = window.open(diff_page(hostile(payload), payload, remarks=[Remark(payload, "", (payload,))]))
    visit.page.mouse.move(300, 300)
    visit.page.fill("#filter", payload[:20].replace("\0", ""))
    visit.page.click("#all")
    for link in visit.page.locator("main a:visible").all():
        link.evaluate("link => link.click()")
    assert visit.page.evaluate("() => window.pwned") is None
    assert visit.page.locator("main :is(img, script, iframe, svg, form, style, link, base)").count() == 0
    assert [url for url in visit.requests if not url.startswith("file:")] == []
    assert visit.page.url.startswith("file:")
    assert visit.said == []
    assert visit.violations() == []


@pytest.mark.parametrize("payload", [p for p in PAYLOADS[:-1] if "http-equiv" not in p])
def test_the_policy_would_stop_what_got_through(window: Window, payload: str) -> None:
    """A second wall: the payload as real markup, as if nothing had been escaped. (No policy of a page stops
    a refresh to elsewhere.)"""
    broken = document("broken", Html(payload))
    visit = window.open(broken)
    visit.page.wait_for_timeout(200)
    assert visit.page.evaluate("() => window.pwned") is None
    assert [url for url in visit.requests if not url.startswith(("file:", "about:"))] == []


def test_a_refusal_by_the_policy_is_noticed(window: Window) -> None:
    """Or the tests above would prove nothing."""
    visit = window.open(document("broken", Html(PAYLOADS[1])))
    assert visit.violations() != []
    assert visit.said != []


def test_paper_has_all_columns(window: Window) -> None:
    names = [f"column_{n}" for n in range(24)]
    row = RowChange(None, tuple("some longer text" for _ in names))
    page = diff_page([file_diff("wide", "csv", changed("rows", [row], names))], "x")
    visit = window.open(page, viewport={"width": 750, "height": 1000})
    visit.page.emulate_media(media="print")
    assert visit.page.evaluate("() => document.documentElement.scrollWidth") <= 750
