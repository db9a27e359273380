"""Documents that stores keep: receipts, leases, the register of repositories, what gc did.

docs/spec/receipt-v1.md, docs/spec/lease-v1.md. pydantic, because these are read rarely and from places
that nobody trusts.
"""

from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from git_datamanager.errors import Corrupt, ManifestError
from git_datamanager.model import fields, strictjson

MAX_RECEIPT = 1 << 16
MAX_AUDIT = 64 << 20
MAX_TTL = 30 * 86400
"""Seconds; what asks for more is no lease but a bar."""

_Ulid = Annotated[str, StringConstraints(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
_Oid = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
_Time = Annotated[str, AfterValidator(fields.time)]
_Commit = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
_Nonce = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
_Text = Annotated[str, StringConstraints(max_length=1000)]


class Document(BaseModel):
    """A small JSON document under a key of its own; unknown keys survive a round trip."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    limit: ClassVar[int] = MAX_RECEIPT
    """Bytes; a reader never takes more."""
    noun: ClassVar[str]

    format: str

    def encode(self) -> bytes:
        """The one canonical encoding: known fields in their order, then unknown keys sorted."""
        values = self.model_dump(exclude=set(self.model_extra or {}), exclude_none=True)
        return strictjson.dumps(values | strictjson.canonical(self.model_extra or {}))


class Receipt(Document):
    """What publish leaves in production, create-only: this entry's bytes were checked here."""

    noun = "receipt"

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


class LeaseRecord(Document):
    """Who works on a store, and for how long unless it is renewed."""

    noun = "lease"

    format: Literal["git-data/lease/1"] = "git-data/lease/1"
    holder: _Text
    nonce: _Nonce
    generation: int = Field(ge=1)
    ttl: int = Field(ge=0, le=MAX_TTL)
    released: bool = False


class Repository(Document):
    """A repository that keeps bytes in this store; its refs are roots of gc."""

    noun = "repository"

    format: Literal["git-data/repository/1"] = "git-data/repository/1"
    url: _Text
    registered: _Time


class GcRecord(Document):
    """What a run of gc was about to do, and the roots it had read; a second one says it is done."""

    noun = "record of gc"
    limit = MAX_AUDIT

    format: Literal["git-data/gc-record/1"] = "git-data/gc-record/1"
    id: _Ulid
    phase: Literal["intent", "done"]
    started: _Time
    actor: _Text
    repository: str
    refs: int = Field(ge=0)
    """How many there were."""
    beyond: dict[str, list[_Oid]] = Field(default_factory=dict)
    """Per commit of a ref that was not merged: the contents that the default branch does not reach."""
    moved: list[_Oid] = Field(default_factory=list)
    purged: list[_Oid] = Field(default_factory=list)


T = TypeVar("T", bound=Document)


def read(kind: type[T], data: bytes, *, what: str) -> T:
    """Raises Corrupt for anything that is not a document of this kind and format."""
    try:
        value = strictjson.loads(data, what=what, limit=kind.limit)
    except ManifestError as error:
        raise Corrupt(error.message) from error
    known: Any = kind.model_fields["format"].default
    if not isinstance(value, dict) or value.get("format") != known:
        raise Corrupt(f"{what} is not a {kind.noun} of the format {known}")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        wrong = ", ".join(sorted({str(e["loc"][0]) for e in error.errors()}))
        raise Corrupt(f"{what} is not a {kind.noun}: wrong or missing: {wrong}") from error
