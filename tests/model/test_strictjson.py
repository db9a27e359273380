"""S41: depth, size, duplicate keys, NaN, surrogates, big integers, BOM, trailing data."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from git_datamanager.errors import ManifestError
from git_datamanager.model import strictjson
from tests.model.strategies import json_values

REFUSED = [
    (b"", "is not JSON"),
    (b"{", "is not JSON"),
    (b'{"a": 1,}', "is not JSON"),
    (b"{} {}", "Extra data"),
    (b"{}\0", "Extra data"),
    (b"[1] // note", "Extra data"),
    (b"\xef\xbb\xbf{}", "BOM"),
    (b"\xff\xfe{\0}\0", "not UTF-8"),
    (b'"\xc3"', "not UTF-8"),
    (b'"\xed\xa0\x80"', "not UTF-8"),
    (b'"\\ud800"', "surrogate"),
    (b'["\\uDFFF"]', "surrogate"),
    (b'{"\\udc00\\ud800": 1}', "surrogate"),
    (b'"a\nb"', "is not JSON"),
    (b"{'a': 1}", "is not JSON"),
    (b"NaN", "not an integer"),
    (b"[Infinity]", "not an integer"),
    (b"-Infinity", "not an integer"),
    (b"1.0", "not an integer"),
    (b"1e3", "not an integer"),
    (b"1E400", "not an integer"),
    (b"-0.0", "not an integer"),
    (b"9223372036854775808", "too large"),
    (b"-9223372036854775808", "too large"),
    (b"9" * 5000, "too large"),
    (b'{"a": 1, "b": 2, "a": 1}', "the key 'a' stands twice"),
    (b'{"a": {"b": 1, "b": 1}}', "the key 'b' stands twice"),
    (b'{"a": 1, "\\u0061": 2}', "the key 'a' stands twice"),
    (b"[" * 17 + b"]" * 17, "nested deeper than 16"),
    (b'{"a":' * 17 + b"1" + b"}" * 17, "nested deeper than 16"),
    (b"[" * 100_000, "nested deeper than 16"),
    (b'["\\"", ' + b"[" * 16 + b"]" * 17, "nested deeper than 16"),
    (b'["\\\\", ' + b"[" * 16 + b"]" * 17, "nested deeper than 16"),
    (b'["\\\\\\"", ' + b"[" * 16 + b"]" * 17, "nested deeper than 16"),
    (b'["[\\n", ' + b"[" * 16 + b"]" * 17, "nested deeper than 16"),
    (b"[{" * 9 + b'"a": 1' + b"}]" * 9, "nested deeper than 16"),
    (b"]" * 20 + b"[" * 20, "is not JSON"),
    (b"[}" * 20, "is not JSON"),
    (b"[" * 16, "is not JSON"),
]


@pytest.mark.parametrize(("data", "reason"), REFUSED, ids=lambda value: str(value)[:30])
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason) as caught:
        strictjson.loads(data, what="x.json")
    assert str(caught.value).startswith("x.json")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"[" * 16 + b"]" * 16, None),
        (b'["' + b"[" * 99 + b'"]', ["[" * 99]),
        (b'["\\"' + b"[" * 99 + b'"]', ['"' + "[" * 99]),
        (b'["\\\\\\"' + b"{" * 99 + b'\\n"]', ['\\"' + "{" * 99 + "\n"]),
        (b'{"' + b"{" * 99 + b'": ""}', {"{" * 99: ""}),
        (b"[" + b"[]," * 999 + b"[]]", [[]] * 1000),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\\\ud800"', "\\ud800"),
        (b"9223372036854775807", 2**63 - 1),
        (b"-0", 0),
        (b" \r\n\t{} ", {}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_accepted(data: bytes, value: Any) -> None:
    read = strictjson.loads(data, what="x")
    assert value is None or read == value


def test_size_is_looked_at_first() -> None:
    with pytest.raises(ManifestError, match="larger than 32 MiB"):
        strictjson.loads(b"\xff" * (33 << 20), what="x")
    with pytest.raises(ManifestError, match="larger than 1 KiB"):
        strictjson.loads(b"\xff" * 1025, what="x", limit=1 << 10)
    assert strictjson.loads(b"[]", what="x", limit=2) == []


@given(json_values)
@example('"\\\x00\x1f\x7f\u2028é😀')
def test_round_trip(value: Any) -> None:
    data = strictjson.dumps(value)
    assert data.endswith(b"\n")
    assert strictjson.loads(data, what="x") == value
    assert strictjson.dumps(strictjson.loads(data, what="x")) == data


@given(st.binary() | st.text('[]{}",:\\u1 ', max_size=60).map(str.encode))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    try:
        value = strictjson.loads(data, what="x")
    except ManifestError:
        return
    assert json.loads(data) == value


@given(st.recursive(st.just("["), lambda inner: st.lists(inner, max_size=3) | st.tuples(inner)))
def test_depth_is_that_of_the_value(value: Any) -> None:
    """Brackets in strings do not count; compared with a walk over the value."""

    def depth(item: Any) -> int:
        return 1 + max(map(depth, item), default=0) if isinstance(item, list | tuple) else 0

    levels = depth(value)
    for extra in (strictjson.MAX_DEPTH - levels, strictjson.MAX_DEPTH - levels + 1):
        data = b"[" * extra + json.dumps(value).encode() + b"]" * extra
        if extra + levels <= strictjson.MAX_DEPTH:
            strictjson.loads(data, what="x")
        else:
            with pytest.raises(ManifestError, match="nested"):
                strictjson.loads(data, what="x")


def test_the_writer_refuses_what_it_could_not_read() -> None:
    with pytest.raises(ManifestError, match="not valid Unicode"):
        strictjson.dumps({"author": "caf\udce9"})


def test_canonical_sorts_every_object() -> None:
    value = strictjson.canonical({"b": [{"d": 1, "c": 2}], "a": {"z": 1, "é": 2, "y": 3}})
    assert json.dumps(value, ensure_ascii=False) == '{"a": {"y": 3, "z": 1, "é": 2}, "b": [{"c": 2, "d": 1}]}'
