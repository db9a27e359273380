"""Small documents of a store: whoever writes one can read it again."""

import pytest

from git_datamanager import documents
from git_datamanager.errors import DataError
from git_datamanager.model.layout import audit_key
from git_datamanager.model.records import GcRecord
from git_datamanager.model.ulid import new_ulid
from git_datamanager.storage.base import ABSENT
from git_datamanager.storage.memory import MemoryStore


def test_what_nobody_could_read_is_not_written() -> None:
    """A record of many refs that name much would have stopped every later gc."""
    oids = [f"sha256:{n:064x}" for n in range(2000)]
    record = GcRecord(
        id=new_ulid(), phase="intent", started="2026-01-01T00:00:00Z", actor="x", repository="r", refs=1,
        beyond={f"{n:040x}": oids for n in range(500)},
    )  # fmt: skip
    store, key = MemoryStore(), audit_key(record.id)
    with pytest.raises(DataError, match="nothing was written"):
        documents.write(store, key, record, ABSENT)
    assert store.stat_object(key) is None
    fits = record.model_copy(update={"beyond": {"0" * 40: oids}})
    documents.write(store, key, fits, ABSENT)
    assert documents.fetch(store, key, GcRecord) == fits
