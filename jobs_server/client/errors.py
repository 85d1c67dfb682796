"""What can go wrong between a site and the service, one class each."""

from __future__ import annotations


class SiteClientError(Exception):
    """The call did not succeed; the message is one plain sentence."""


class Unreachable(SiteClientError):
    """No answer came, however often it was tried.

    `may_have_arrived` tells whether the service may have carried the call out all the same.
    """

    def __init__(self, sentence: str, *, may_have_arrived: bool) -> None:
        super().__init__(sentence)
        self.may_have_arrived = may_have_arrived


class BadReply(SiteClientError):
    """Something answered that is not this service, such as a sign-in page of the network."""


class Refused(SiteClientError):
    """The service refused; `status` is HTTP's, `sentence` its own words, `retry_after_seconds` when to try again."""

    @property
    def for_good(self) -> bool:
        """Whether the same call, sent again, would meet the same refusal."""
        return is_for_good(self.status)

    def __init__(self, status: int, sentence: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.retry_after_seconds = retry_after_seconds


class BadRequest(Refused):
    """The request is not what the route needs (400)."""


class Unauthorized(Refused):
    """A token is missing or not valid, or somebody else holds the telescope (401)."""


class Forbidden(Refused):
    """The deed is not this client's (403)."""


class NotFound(Refused):
    """There is no such job, or no service at this address (404)."""


class Conflict(Refused):
    """The job is past the point where this can be done (409)."""


class KeyReused(Refused):
    """The idempotency key came before with another command (422)."""


class LockedOut(Refused):
    """The telescope is locked out (423)."""


class TooManyRequests(Refused):
    """The service asks for fewer requests (429); nothing was changed."""


class Unavailable(Refused):
    """The service can do nothing just now (503); nothing was changed."""


_CLASSES = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: KeyReused,
    423: LockedOut,
    429: TooManyRequests,
    503: Unavailable,
}


def is_for_good(status: int) -> bool:
    """Whether a status is the caller's fault, which another try does not mend; time-outs and limits pass."""
    return status < 500 and status not in (408, 429)


def refusal(status: int, sentence: str, retry_after_seconds: float | None) -> Refused:
    """Return the exception for a status."""
    return _CLASSES.get(status, Refused)(status, sentence, retry_after_seconds)
