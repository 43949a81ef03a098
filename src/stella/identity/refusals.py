"""How a request to the issuer is refused: the words of RFC 6749 section 5.2, RFC 8628 section 3.5 and RFC 9449.

Rules:
- A description is made of fixed words, so that nothing that a client sends comes back to it.
- Whether a client does not exist, is disabled or gave a wrong secret is one answer.
"""

from __future__ import annotations

from collections.abc import Mapping

INVALID_CLIENT = "invalid_client"
UNAUTHORIZED = 401
TOO_MANY = 429
AWAY = 503


class Refused(Exception):  # named after the situation
    """A refusal with its status, the word for machines, and the words for people."""

    def __init__(self, error: str, words: str, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.words = words
        self.status = status
        self.headers = dict(headers or {})

    def body(self) -> dict[str, str]:
        """The answer."""
        return {"error": self.error, "error_description": self.words}


def bad_request(words: str) -> Refused:
    """The request is malformed."""
    return Refused("invalid_request", words)


def bad_client() -> Refused:
    """The client has not proved that it is one."""
    return Refused(
        INVALID_CLIENT,
        "the client is not known, or did not prove itself",
        UNAUTHORIZED,
        {"www-authenticate": 'Basic realm="stella"'},
    )


def bad_grant(words: str) -> Refused:
    """What the client has is not good for a token."""
    return Refused("invalid_grant", words)


def bad_scope(words: str) -> Refused:
    """The client asks for what it may not have."""
    return Refused("invalid_scope", words)


def bad_proof() -> Refused:
    """The proof of possession that came with a request is not good (RFC 9449 section 5)."""
    return Refused("invalid_dpop_proof", "the proof of possession is not good for this request")


def too_many(seconds: int) -> Refused:
    """Too many attempts."""
    return Refused("slow_down", "too many attempts; try again later", TOO_MANY, {"retry-after": str(seconds)})


def away() -> Refused:
    """The issuer cannot work now."""
    return Refused("temporarily_unavailable", "the issuer cannot work now", AWAY, {"retry-after": "1"})
