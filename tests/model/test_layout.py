import pytest

from git_datamanager.model.layout import (
    CONTENT_PREFIXES,
    IDENTITY,
    Encoding,
    encoded_key,
    object_key,
    receipt_key,
    staging_trash_key,
    trash_key,
)
from git_datamanager.model.oid import Oid

OID = Oid("ab" + "0" * 62)
BASE = Oid("cd" + "1" * 62)
ULID = "01ARYZ6S41TSV4RRFFQ69G5FAV"


def test_keys_of_content() -> None:
    assert object_key(OID) == encoded_key(OID) == f"objects/ab/{OID.hex}"
    assert encoded_key(OID, Encoding("zstd")) == f"zstd/ab/{OID.hex}"
    assert encoded_key(OID, Encoding("delta", BASE)) == f"delta/ab/{OID.hex}/{BASE.hex}"


def test_keys_beside_it() -> None:
    assert trash_key(OID) == f"trash/ab/{OID.hex}"
    assert receipt_key(ULID) == f"receipts/{ULID}.json"
    for prefix in CONTENT_PREFIXES:
        assert staging_trash_key(f"{prefix}ab/{OID.hex}") == f"trash/{prefix}ab/{OID.hex}"


@pytest.mark.parametrize("entry", ["", "../../lease", ULID.lower(), ULID + "/x", "x" * 500])
def test_an_id_is_checked_before_it_becomes_a_key(entry: str) -> None:
    with pytest.raises(ValueError, match="not an entry id"):
        receipt_key(entry)


@pytest.mark.parametrize("key", ["", "lease", "trash/objects/x", "receipts/x", "objectsx/", "/objects/x"])
def test_only_content_goes_to_the_trash_of_staging(key: str) -> None:
    with pytest.raises(ValueError, match="not the key of content"):
        staging_trash_key(key)


@pytest.mark.parametrize("encoding", [IDENTITY, Encoding("zstd"), Encoding("delta", BASE)])
def test_encodings_print_and_parse(encoding: Encoding) -> None:
    assert Encoding.parse(str(encoding)) == encoding


@pytest.mark.parametrize(
    "text",
    ["", "gzip", "ZSTD", "zstd:", "delta", "delta:", f"zstd:{BASE}", f"delta:{BASE.hex}", f"identity:{BASE}"],
)
def test_other_encodings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an encoding|has a base|not a sha256"):
        Encoding.parse(text)
