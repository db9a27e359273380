"""Every row of docs/reference/s3-answers.md, sent to the strict fake."""

import base64
import hashlib
import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.storage.fakes3 import KEYS, FakeS3

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "s3-answers.md"
BODY = b"new bytes"
SENDERS = {"nobody": "unknown-key", "expired": "old-key", "reader": "reader-key", "deleter": "deleter-key"}


class Row(NamedTuple):
    request: str
    extras: tuple[str, ...]
    status: int
    code: str

    @property
    def name(self) -> str:
        return " ".join((self.request, *self.extras))


def rows() -> list[Row]:
    found = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            request, extras, status, code, source = cells
            assert source, line
            found.append(Row(request.strip("`"), tuple(re.findall(r"`([^`]+)`", extras)), int(status), code))
    return found


def complete(numbers: list[str], first: int) -> str:
    """The body that puts parts together; the part `wrong` has another ETag than was sent."""
    data = {"1": b"x" * first, "2": b"x" * 8, "3": b"x", "wrong": b"another"}
    etags = [(n.replace("wrong", "3"), hashlib.md5(data.get(n, b"")).hexdigest()) for n in numbers]  # noqa: S324
    parts = [f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in etags]
    return f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>"


class World:
    """The small world in which every row of the page begins."""

    def __init__(self, server: FakeS3) -> None:
        self.server = server
        server.create_bucket("bucket")
        etag = server.put("bucket", "there", b"0123456789").etag
        other = server.put("bucket", "other", b"other").etag
        server.put("bucket", "large", bytes(21))
        server.grant("old-key")
        server.expire("old-key")
        server.grant("reader-key", lambda action, *_: action == "s3:GetObject")
        server.grant("deleter-key", lambda action, *_: action == "s3:DeleteObject")
        self.words = {
            "<etag>": etag,
            "<other>": other,
            "<upload>": self.begin("new", 8, 8, 1),
            "<upload of there>": self.begin("there", 8, 8, 1),
            "<upload of small>": self.begin("new", 7, 8),
            "<sha256>": _base64("sha256", BODY),
            "<wrong sha256>": _base64("sha256", b"other"),
            "<md5>": _base64("md5", BODY),
            "<wrong md5>": _base64("md5", b"other"),
        }

    def begin(self, key: str, *sizes: int) -> str:
        _, _, body = self.send("POST", f"/{key}?uploads", {}, b"")
        upload = re.search(r"<UploadId>(\w+)</UploadId>", body.decode())
        assert upload
        for number, size in enumerate(sizes, 1):
            self.send("PUT", f"/{key}?partNumber={number}&uploadId={upload[1]}", {}, b"x" * size)
        return upload[1]

    def say(self, text: str) -> str:
        """The text with its placeholders filled in."""
        text = re.sub(r"<(\d+) bytes>", lambda found: "k" * int(found[1]), text)
        text = re.sub(r"<(small )?parts ([\w ]+)>", lambda f: complete(f[2].split(), 7 if f[1] else 8), text)
        for word, value in self.words.items():
            text = text.replace(word, value)
        return text

    def replay(self, row: Row) -> tuple[int, str]:
        method, target = self.say(row.request).split(" ", 1)
        extras = dict(self.say(extra).split(": ", 1) for extra in row.extras)
        sender = extras.pop("as", None)
        body = extras.pop("body", BODY.decode() if method == "PUT" else "").encode()
        status, code, _ = self.send(method, target, extras, body, sender=sender)
        return status, code

    def send(
        self, method: str, target: str, headers: dict[str, str], body: bytes, *, sender: str | None = None
    ) -> tuple[int, str, bytes]:
        if "x-amz-copy-source" in headers:
            body = b""
        said = {"x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "x-amz-date": "20260101T000000Z"}
        said |= headers | {"Content-Length": str(len(body))}
        if sender != "nothing":
            key = SENDERS.get(sender or "", KEYS["access_key"])
            signed = ";".join(sorted(name.lower() for name in said))
            said["Authorization"] = (
                f"AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/s3/aws4_request, "
                f"SignedHeaders={signed}, Signature={'0' * 64}"
            )
        connection = http.client.HTTPConnection(urlsplit(self.server.url).netloc)
        try:
            connection.request(method, f"/bucket{target}", body, said)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        code = re.search(rb"<Error><Code>(\w+)</Code>", text)
        return answer.status, code[1].decode() if code else "", text


@pytest.fixture
def world() -> Iterator[World]:
    with FakeS3("aws", min_part=8, copy_limit=20, put_limit=40) as server:
        yield World(server)


def _base64(algorithm: str, data: bytes) -> str:
    return base64.b64encode(hashlib.new(algorithm, data).digest()).decode()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_the_fake_answers_as_the_page_says(world: World, row: Row) -> None:
    before = world.server.objects("bucket")
    assert world.replay(row) == (row.status, row.code)
    if row.status >= 300:
        assert world.server.objects("bucket") == before, "a refused request changes nothing"
    elif row.request.startswith(("PUT /new", "POST /new?uploadId")) and "partNumber" not in row.request:
        assert "new" in world.server.objects("bucket")


def test_the_page_has_rows() -> None:
    assert len(rows()) > 80
    assert len({row.name for row in rows()}) == len(rows())


def test_its_sources_are_linked() -> None:
    text = PAGE.read_text()
    named = set(re.findall(r"\[([A-Za-z0-9 ]+)\](?!:|\()", text))
    assert named == set(re.findall(r"^\[([^\]]+)\]: https://docs.aws.amazon.com/", text, re.MULTILINE))
