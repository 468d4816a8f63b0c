"""What a failure of AWS or botocore means; the services' own texts are never passed on."""

from __future__ import annotations

from typing import Final

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from probes.observation import FailureKind

# The one mapping of this module, most specific first; a test walks the library's exceptions.
_KINDS: Final[tuple[tuple[type[Exception], FailureKind], ...]] = (
    (boto.ConnectTimeoutError, FailureKind.TIMEOUT),
    (boto.ReadTimeoutError, FailureKind.TIMEOUT),
    (boto.ConnectionClosedError, FailureKind.CONNECTION_LOST),
    (boto.ResponseStreamingError, FailureKind.CONNECTION_LOST),
    (boto.IncompleteReadError, FailureKind.CONNECTION_LOST),
    (boto.SSLError, FailureKind.TLS_FAILED),
    (boto.ProxyConnectionError, FailureKind.OUR_FAULT),
    (boto.EndpointConnectionError, FailureKind.REFUSED),
    (boto.HTTPClientError, FailureKind.CONNECTION_LOST),
    (boto.NoCredentialsError, FailureKind.CREDENTIAL_REFUSED),
    (boto.PartialCredentialsError, FailureKind.CREDENTIAL_REFUSED),
    (boto.CredentialRetrievalError, FailureKind.CREDENTIAL_REFUSED),
    (boto.TokenRetrievalError, FailureKind.CREDENTIAL_REFUSED),
    (boto.SSOError, FailureKind.CREDENTIAL_REFUSED),
    (boto.LoginError, FailureKind.CREDENTIAL_REFUSED),
    (ResponseParserError, FailureKind.PROTOCOL),
    # What is left is ours: a bad parameter, an unknown region, a profile that is not there.
    (boto.BotoCoreError, FailureKind.OUR_FAULT),
    (boto.MissingServiceIdError, FailureKind.OUR_FAULT),
    (boto.UndefinedModelAttributeError, FailureKind.OUR_FAULT),
)

_CODES: Final = {
    FailureKind.FORBIDDEN: (
        *("AccessDenied", "AccessDeniedException", "AccessDeniedFault", "UnauthorizedOperation"),
        *("AllAccessDisabled", "AuthorizationError"),
    ),
    FailureKind.CREDENTIAL_REFUSED: (
        *("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"),
        *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"),
        *("SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"),
        *("AuthFailure", "MissingAuthenticationToken", "MissingAuthenticationTokenException"),
        *("InvalidToken", "OptInRequired", "RequestTimeTooSkewed"),
    ),
    FailureKind.SERVER_BUSY: (
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled"),
        *("TooManyRequestsException", "RequestLimitExceeded", "LimitExceededException", "SlowDown"),
        *("ServiceUnavailable", "ServiceUnavailableException", "BandwidthLimitExceeded"),
    ),
}
_KIND_BY_CODE: Final = {code: kind for kind, codes in _CODES.items() for code in codes}
_SERVER_ERROR = 500

NOT_THERE: Final = frozenset(
    {
        *("RepositoryNotFoundException", "ImageNotFoundException", "NoSuchKey"),
        *("ResourceNotFoundException", "NoSuchEntity"),
    }
)
"""Codes that say that the thing itself is missing: an answer, no failure."""

SENTENCES: Final = {
    FailureKind.REFUSED: "nothing listens at its endpoint, or its name has no address here",
    FailureKind.TIMEOUT: "it gave no complete answer before the deadline",
    FailureKind.CONNECTION_LOST: "it broke the connection off",
    FailureKind.TLS_FAILED: "its certificate is not accepted here; is aws.ca_file right, is its chain whole?",
    FailureKind.PROTOCOL: "it does not speak the service's protocol; is aws.endpoint_url right?",
    FailureKind.CREDENTIAL_REFUSED: (
        "it refused the gate's credentials; they are missing, wrong or expired: renew them"
    ),
    FailureKind.FORBIDDEN: "the gate may not do this; apply deploy/aws/gate_policy.json",
    FailureKind.SERVER_BUSY: "it throttles the gate; run again in a minute",
    FailureKind.SERVER_ERROR: "it failed by itself",
    FailureKind.QUERY_REJECTED: "it rejected the request; are the names in the environment right?",
    FailureKind.TOO_LARGE: "it holds more than a probe ever reads",
    FailureKind.UNUSABLE_ANSWER: "its answer lacks what it always has",
    FailureKind.OUR_FAULT: "the request could not be made from here; check the section aws",
}


class FoundError(Exception):
    """A failure whose kind is known."""

    def __init__(self, kind: FailureKind) -> None:
        super().__init__(kind.value)
        self.kind = kind


def failure_kind(exc: BaseException) -> FailureKind | None:
    """Return what an exception of botocore or of a probe means; None: not theirs."""
    if isinstance(exc, FoundError):
        return exc.kind
    if isinstance(exc, boto.ClientError):
        return _of_answer(exc)
    return next((kind for known, kind in _KINDS if isinstance(exc, known)), None)


def code(exc: boto.ClientError) -> str:
    """Return the service's word for an error, such as AccessDenied."""
    return str(exc.response.get("Error", {}).get("Code", ""))


def _of_answer(exc: boto.ClientError) -> FailureKind:
    known = _KIND_BY_CODE.get(code(exc))
    if known is not None:
        return known
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return FailureKind.SERVER_ERROR if status >= _SERVER_ERROR else FailureKind.QUERY_REJECTED
