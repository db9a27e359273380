import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from git_datamanager.errors import Corrupt
from git_datamanager.model.records import MAX_RECEIPT, Receipt, read

GOLDEN = Path(__file__).parent.parent / "golden" / "receipt-full.json"
ULID = "01M7YRRT803W9V0E6Y7QZ2M8RC"
OID = "sha256:" + "6d" * 32
FIELDS: dict[str, Any] = {
    "id": ULID,
    "dataset": "data/energy.sqlite",
    "oid": OID,
    "size": 1253376,
    "published": "2026-11-21T10:05:00Z",
    "verified": "V3",
    "commit": "a621125f" * 5,
    "actor": "publish[bot]",
    "run": "https://ci.example.org/runs/7",
}


def test_golden_bytes() -> None:
    assert Receipt(**FIELDS).encode() == GOLDEN.read_bytes()
    assert read(Receipt, GOLDEN.read_bytes(), what="x") == Receipt(**FIELDS)


def test_optional_fields_are_left_out() -> None:
    some = {key: value for key, value in FIELDS.items() if key not in ("commit", "run")}
    receipt = Receipt(**some)
    assert b"null" not in receipt.encode()
    assert read(Receipt, receipt.encode(), what="x") == receipt


def test_unknown_keys_survive() -> None:
    later = json.loads(GOLDEN.read_bytes()) | {"z": None, "level": {"b": 1, "a": [2]}}
    data = read(Receipt, json.dumps(later).encode(), what="x").encode()
    assert json.loads(data) == later
    assert list(json.loads(data))[-2:] == ["level", "z"]
    assert read(Receipt, data, what="x").encode() == data


@pytest.mark.parametrize(
    ("entry", "oid", "size", "same"),
    [(ULID, OID, 1253376, True), (ULID[:-1] + "D", OID, 1253376, False),
     (ULID, OID[:-1] + "0", 1253376, False), (ULID, OID, 1253375, False)],
)  # fmt: skip
def test_agrees(entry: str, oid: str, size: int, same: bool) -> None:
    assert Receipt(**FIELDS).agrees(entry=entry, oid=oid, size=size) is same


WRONG = [
    ({"format": "git-data/receipt/2"}, "not a receipt of the format"),
    ({"format": None}, "not a receipt of the format"),
    ({"id": "x"}, "id"),
    ({"oid": "sha256:AB"}, "oid"),
    ({"oid": OID + "\n"}, "oid"),
    ({"size": "12"}, "size"),
    ({"size": True}, "size"),
    ({"size": -1}, "size"),
    ({"published": "yesterday"}, "published"),
    ({"commit": "main"}, "commit"),
    ({"actor": None}, "actor"),
]


@pytest.mark.parametrize(("change", "reason"), WRONG, ids=str)
def test_wrong_receipts_are_corrupt(change: dict[str, Any], reason: str) -> None:
    data = json.dumps(json.loads(GOLDEN.read_bytes()) | change).encode()
    with pytest.raises(Corrupt, match=reason):
        read(Receipt, data, what="receipts/x.json")


@pytest.mark.parametrize("key", [key for key in FIELDS if key not in ("commit", "run")] + ["format"])
def test_required_fields(key: str) -> None:
    value = json.loads(GOLDEN.read_bytes())
    del value[key]
    with pytest.raises(Corrupt, match="not a receipt"):
        read(Receipt, json.dumps(value).encode(), what="x")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"null", b'{"id": 1, "id": 1}', b" " * (MAX_RECEIPT + 1)]
)
def test_other_documents_are_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        read(Receipt, data, what="x")


@given(st.binary())
def test_any_bytes_are_a_receipt_or_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        read(Receipt, data, what="x")


def test_values_are_checked_when_made() -> None:
    with pytest.raises(ValidationError):
        Receipt(**(FIELDS | {"id": "../../lease"}))
