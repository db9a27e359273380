"""Documents that stores and the journal keep: receipts (docs/spec/receipt-v1.md).

pydantic, because these are read rarely and from places that nobody trusts.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from git_datamanager.errors import Corrupt

MAX_RECEIPT = 1 << 16


class Receipt(BaseModel):
    """What publish leaves in production, create-only: this entry's bytes were checked here."""

    model_config = ConfigDict(frozen=True, extra="allow")

    schema_id: Literal["git-data/receipt/1"] = "git-data/receipt/1"
    id: str
    dataset: str
    oid: str
    size: int
    published: str
    verified: str
    commit: str | None = None
    actor: str
    run: str | None = None

    def agrees(self, *, entry: str, oid: str, size: int) -> bool:
        """It speaks of this entry and these bytes; the dataset may have been renamed since."""
        return (self.id, self.oid, self.size) == (entry, oid, size)

    def encode(self) -> bytes:
        return (self.model_dump_json(indent=2, exclude_none=True) + "\n").encode()


def read_receipt(data: bytes, *, what: str) -> Receipt:
    """Raises Corrupt for anything that is not a receipt."""
    try:
        return Receipt.model_validate_json(data)
    except ValidationError as error:
        raise Corrupt(f"{what} is not a receipt: {error.error_count()} fields are wrong") from error
