"""The specification pages: their examples are what the code reads and writes, their links lead somewhere."""

import re
from pathlib import Path

import pytest

from git_datamanager.model import manifest, records
from git_datamanager.model.layout import Encoding, encoded_key
from git_datamanager.model.names import _ANYWHERE, _AT_THE_TOP

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "spec").glob("*.md")) + sorted((DOCS / "adr").glob("*.md"))
PAGES += [DOCS / "glossary.md", DOCS / "reference" / "manifest-schema.md"]
BLOCK = re.compile(r"^```json (\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def blocks(kind: str) -> list[bytes]:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    return [body.encode() for text in texts for found, body in BLOCK.findall(text) if found == kind]


def test_example_manifests_are_canonical() -> None:
    found = blocks("manifest")
    assert len(found) == 2
    for data in found:
        assert manifest.dumps(manifest.loads(data)) == data


def test_example_receipts_are_canonical() -> None:
    (data,) = blocks("receipt")
    assert records.read(records.Receipt, data, what="example").encode() == data


@pytest.mark.parametrize(
    ("block", "kind"),
    [("lease", records.LeaseRecord), ("repository", records.Repository), ("gc", records.GcRecord)],
)
def test_example_documents_are_canonical(block: str, kind: type[records.Document]) -> None:
    (data,) = blocks(block)
    assert records.read(kind, data, what="example").encode() == data


def test_example_keys_are_those_of_the_example_manifest() -> None:
    page = (DOCS / "spec" / "object-layout-v1.md").read_text(encoding="utf-8")
    v2 = manifest.loads(blocks("manifest")[0]).dataset("data/energy.sqlite").versions[0]
    for encoding in ("identity", *v2.encodings):
        assert f"demo/{encoded_key(v2.oid, Encoding.parse(encoding))}\n" in page


def test_the_page_names_every_reserved_name() -> None:
    page = (DOCS / "spec" / "manifest-v1.md").read_text(encoding="utf-8")
    for name in _ANYWHERE | _AT_THE_TOP:
        assert f"`{name}`" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_index_lists_every_page() -> None:
    index = (DOCS / "spec" / "README.md").read_text(encoding="utf-8")
    for page in (DOCS / "spec").glob("*-v1.md"):
        assert f"]({page.name})" in index


def test_every_word_of_the_glossary_stands_once_and_in_order() -> None:
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| \*\*(.+?)\*\*", text, re.MULTILINE)
    assert words == sorted(set(words))
