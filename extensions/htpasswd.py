"""Lines of htpasswd: users, and hashes of their passwords that can be checked."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

import bcrypt

__all__ = ["is_right", "users"]

_BCRYPT = ("$2a$", "$2b$", "$2y$")
_SHA1_BYTES = 20


def users(text: str, where: str) -> Mapping[str, str]:
    """User → hash, of all lines; empty ones and those with a leading `#` say nothing.

    Raises: `ValueError` with the number of a line that cannot be used, never with what it says.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        user, colon, hashed = line.strip().partition(":")
        if not user or not colon:
            raise ValueError(f"line {number} of {where} is not of the form user:hash")
        if user in found:
            raise ValueError(f"line {number} of {where} names a user for the second time")
        if not _is_known(hashed):
            raise ValueError(
                f"line {number} of {where} has no hash of bcrypt, {{SSHA}} or {{SHA}}; `htpasswd -nB USER` makes one"
            )
        found[user] = hashed
    if not found:
        raise ValueError(f"there is no user in {where}")
    return found


def is_right(hashed: str, password: bytes) -> bool:
    """Whether a password is the one of a hash that `users` gave. Bcrypt takes 60 ms at its usual cost of 10, without
    the interpreter's lock.
    """
    if hashed.startswith(_BCRYPT):
        try:
            return bcrypt.checkpw(password, hashed.encode())
        except ValueError:
            # Over 72 bytes, which bcrypt would not look at, or with a zero byte: nobody has such a password.
            return False
    digest = base64.b64decode(hashed.partition("}")[2])
    salted = password + digest[_SHA1_BYTES:]
    return hmac.compare_digest(hashlib.sha1(salted).digest(), digest[:_SHA1_BYTES])


def _is_known(hashed: str) -> bool:
    if hashed.startswith(_BCRYPT):
        return len(hashed) == 60 and hashed.isascii()
    kind, _, encoded = hashed.partition("}")
    try:
        size = len(base64.b64decode(encoded, validate=True))
    except ValueError:
        return False
    return size == _SHA1_BYTES if kind == "{SHA" else kind == "{SSHA" and size > _SHA1_BYTES
