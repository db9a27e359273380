"""What the errors of S3 and of its client mean here: one table each, by name, without importing either.

Messages name the store and the code, nothing else of what a server wrote: it could hold secrets or
control characters.
"""

import re
from typing import Any

from git_datamanager.errors import (
    Corrupt,
    DataError,
    Forbidden,
    NoCredentials,
    NotFound,
    ObjectMissing,
    OutcomeUnknown,
    PreconditionFailed,
    SettingsError,
    Unreachable,
)
from git_datamanager.storage.patience import Busy
from git_datamanager.storage.settle import Raced


class BeyondEnd(DataError):
    """The range starts where the object has ended (416)."""


class UploadGone(Unreachable):
    """The upload in parts was completed, given up, or tidied away by the bucket's rules."""


class NotKnown(DataError):
    """The store does not implement the request or one of its headers (501)."""


_LOST = "the answer was lost: it may or may not have happened"
_OLD = "the credentials are not valid (any more)"

_CODES: dict[str, tuple[type[DataError], str]] = {
    "AccessDenied": (Forbidden, "access denied"),
    "AccountProblem": (Forbidden, "the account is blocked"),
    "AllAccessDisabled": (Forbidden, "access is switched off"),
    "AuthorizationHeaderMalformed": (SettingsError, "signed for another region"),
    "BadDigest": (Corrupt, "the bytes changed on their way to the store"),
    "ConditionalRequestConflict": (Raced, "another write was under way"),
    "ExpiredToken": (NoCredentials, "the credentials have expired"),
    "InternalError": (Unreachable, "the store failed"),
    "InvalidAccessKeyId": (NoCredentials, _OLD),
    "InvalidRange": (BeyondEnd, "the range is beyond the end"),
    "InvalidToken": (NoCredentials, _OLD),
    "NoSuchBucket": (NotFound, "no such bucket"),
    "NoSuchKey": (ObjectMissing, "no such object"),
    "NoSuchUpload": (UploadGone, "the unfinished upload is gone"),
    "NotImplemented": (NotKnown, "the store does not know this request"),
    "OperationAborted": (Raced, "another write was under way"),
    "PermanentRedirect": (SettingsError, "the bucket is elsewhere: region or endpoint are wrong"),
    "PreconditionFailed": (PreconditionFailed, "the object is there already, or is another one"),
    "RequestExpired": (NoCredentials, "the signature has expired: is the clock right?"),
    "RequestTimeTooSkewed": (NoCredentials, "the signature has another time: is the clock right?"),
    "RequestTimeout": (Unreachable, "timeout"),
    "SignatureDoesNotMatch": (NoCredentials, "the secret key does not fit the access key"),
    "SlowDown": (Busy, "too many requests"),
    "Throttling": (Busy, "too many requests"),
    "ThrottlingException": (Busy, "too many requests"),
    "TooManyRequests": (Busy, "too many requests"),
    "TokenRefreshRequired": (NoCredentials, _OLD),
    "Unauthorized": (NoCredentials, _OLD),
    "XAmzContentChecksumMismatch": (Corrupt, "the bytes changed on their way to the store"),
    "XAmzContentSHA256Mismatch": (Corrupt, "the bytes changed on their way to the store"),
}

_STATUSES: dict[int, tuple[type[DataError], str]] = {
    301: _CODES["PermanentRedirect"],
    307: _CODES["PermanentRedirect"],
    401: _CODES["Unauthorized"],
    403: _CODES["AccessDenied"],
    404: _CODES["NoSuchKey"],
    408: _CODES["RequestTimeout"],
    409: _CODES["ConditionalRequestConflict"],
    412: _CODES["PreconditionFailed"],
    416: _CODES["InvalidRange"],
    429: _CODES["SlowDown"],
    501: _CODES["NotImplemented"],
}
"""For codes that are not in the table, and for HEAD, whose answer has no body to hold one."""

_HINTS: dict[type[DataError], tuple[str, ...]] = {
    NoCredentials: (
        "export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…",
        "git config data.remote.staging.profile PROFILE   # or data.remote.production.profile",
    ),
}

_UNDONE = frozenset((501, 503, 505))
"""Answers of 500 and more that are given before anything is done. After any other a write may have happened:
Cloudflare, in front of R2, answers 520 and 524 where the store behind it did not answer in time."""

_CLIENT: dict[str, tuple[type[DataError], str]] = {
    "CredentialRetrievalError": (NoCredentials, "the credentials could not be fetched"),
    "LoginError": (NoCredentials, "the login has expired"),
    "MetadataRetrievalError": (NoCredentials, "the credentials could not be fetched"),
    "NoAuthTokenError": (NoCredentials, "no credentials were found"),
    "NoCredentialsError": (NoCredentials, "no credentials were found"),
    "PartialCredentialsError": (NoCredentials, "one half of the credentials is missing"),
    "ProfileNotFound": (NoCredentials, "the configured profile does not exist"),
    "RefreshWithMFAUnsupportedError": (NoCredentials, "the credentials cannot be renewed without you"),
    "SSOError": (NoCredentials, "the login has expired"),
    "TokenRetrievalError": (NoCredentials, "the login has expired"),
    # Never sent, so never done.
    "ConnectTimeoutError": (Unreachable, "timeout while connecting"),
    "EndpointConnectionError": (Unreachable, "no connection"),
    "ProxyConnectionError": (Unreachable, "the proxy does not answer"),
    "SSLError": (Unreachable, "no trusted connection (TLS)"),
    # Perhaps done.
    "FlexibleChecksumError": (OutcomeUnknown, "the answer came damaged"),
    "HTTPClientError": (OutcomeUnknown, _LOST),
    "IncompleteReadError": (OutcomeUnknown, _LOST),
    "ProtocolError": (OutcomeUnknown, _LOST),
    "ReadTimeoutError": (OutcomeUnknown, "timeout while waiting for the answer"),
    "ResponseParserError": (OutcomeUnknown, "the answer cannot be read"),
    # The bases of the rest, wrapped or not.
    "HTTPError": (OutcomeUnknown, _LOST),
    "OSError": (OutcomeUnknown, _LOST),
}


def from_answer(response: Any, where: str, *, conditional: bool) -> DataError:
    """The error that the store answered with (botocore's ClientError.response)."""
    code, status = code_of(response), status_of(response)
    kind, text = _CODES.get(code) or _by_status(status)
    if conditional and kind in (Unreachable, UploadGone) and _is_ambiguous(status):
        kind, text = OutcomeUnknown, f"{text}; {_LOST}"
    shown = re.sub(r"[^A-Za-z0-9.]", "?", code)[:60]
    return kind(f"{where}: {text} ({shown}, status {status})", hints=_HINTS.get(kind, ()))


def from_client(error: BaseException, where: str, *, conditional: bool) -> DataError:
    """The error that kept the client from sending, or from getting an answer."""
    names = [base.__name__ for base in type(error).__mro__]
    kind, text = next((_CLIENT[name] for name in names if name in _CLIENT), (DataError, "the client refused"))
    if kind is OutcomeUnknown and not conditional:
        kind = Unreachable  # a read, or a write that does no harm when it is sent again
    return kind(f"{where}: {text} ({names[0]})", hints=_HINTS.get(kind, ()))


def _is_ambiguous(status: int) -> bool:
    return status in (200, 408) or (status >= 500 and status not in _UNDONE)


def code_of(response: Any) -> str:
    return str(response.get("Error", {}).get("Code", ""))


def status_of(response: Any) -> int:
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _by_status(status: int) -> tuple[type[DataError], str]:
    if status in _STATUSES:
        return _STATUSES[status]
    if status == 200 or status >= 500:
        return _CODES["InternalError"]
    return DataError, "the store refused the request"
