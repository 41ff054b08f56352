"""What a client presents in a header, and what may stand in one."""

import re

from pipeline.serving.authentication import Unauthenticated, Values

__all__ = ["presented", "sendable"]

_SENDABLE = re.compile(r"[\x21-\x7e]+")


def presented(values: Values, header: str, scheme: str, challenge: str) -> str:
    """What follows the scheme (in any case, RFC 9110 §11.1; none if empty) in the only header of that name.

    Raises: `Unauthenticated`.
    """
    found = values(header.lower())
    if not found:
        raise Unauthenticated(f"credentials are missing; send them in the header {header}", challenge)
    if len(found) > 1:
        raise Unauthenticated(f"the header {header} is there {len(found)} times; send it once", challenge)
    given, _, credentials = found[0].partition(" ") if scheme else ("", "", found[0])
    if given.lower() != scheme.lower() or not credentials.strip() or not credentials.isascii():
        raise Unauthenticated(f"the header {header} must be {scheme or 'a token'} and credentials", challenge)
    return credentials.strip()


def sendable(token: str, what: str) -> str:
    """A token as it may stand in a header. Raises: `ValueError`, which names it as `what`."""
    if not _SENDABLE.fullmatch(token):
        raise ValueError(f"{what} must be ASCII without spaces or control characters, and not empty")
    return token
