"""Documents that stores and the journal keep: receipts (docs/spec/receipt-v1.md).

pydantic, because these are read rarely and from places that nobody trusts.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from git_datamanager.errors import Corrupt, ManifestError
from git_datamanager.model import fields, strictjson

MAX_RECEIPT = 1 << 16
RECEIPT_FORMAT = "git-data/receipt/1"

_Ulid = Annotated[str, StringConstraints(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
_Oid = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
_Time = Annotated[str, AfterValidator(fields.time)]
_Commit = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]


class Receipt(BaseModel):
    """What publish leaves in production, create-only: this entry's bytes were checked here."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    format: Literal["git-data/receipt/1"] = "git-data/receipt/1"
    id: _Ulid
    dataset: str
    oid: _Oid
    size: int = Field(ge=0)
    published: _Time
    verified: str
    commit: _Commit | None = None
    actor: str
    run: str | None = None

    def agrees(self, *, entry: str, oid: str, size: int) -> bool:
        """It speaks of this entry and these bytes; the dataset may have been renamed since."""
        return (self.id, self.oid, self.size) == (entry, oid, size)

    def encode(self) -> bytes:
        """The one canonical encoding: known fields in their order, then unknown keys sorted."""
        values = {key: getattr(self, key) for key in type(self).model_fields}
        known = {key: value for key, value in values.items() if value is not None}
        return strictjson.dumps(known | strictjson.canonical(self.model_extra or {}))


def read_receipt(data: bytes, *, what: str) -> Receipt:
    """Raises Corrupt for anything that is not a receipt of this format."""
    try:
        value = strictjson.loads(data, what=what, limit=MAX_RECEIPT)
    except ManifestError as error:
        raise Corrupt(error.message) from error
    if not isinstance(value, dict) or value.get("format") != RECEIPT_FORMAT:
        raise Corrupt(f"{what} is not a receipt of the format {RECEIPT_FORMAT}")
    try:
        return Receipt.model_validate(value)
    except ValidationError as error:
        wrong = ", ".join(sorted({str(e["loc"][0]) for e in error.errors()}))
        raise Corrupt(f"{what} is not a receipt: wrong or missing: {wrong}") from error
