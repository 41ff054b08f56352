"""What stands in place of a value: the Collector's `****`, or a hash of it."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Literal

__all__ = ["UNKEYED", "HashFunction", "Mask", "action", "mask"]

HashFunction = Literal["", "md5", "sha1", "sha3", "hmac-sha256", "hmac-sha512"]
UNKEYED = ("md5", "sha1", "sha3")
"""Anyone who can list the possible values can turn these back."""

Mask = Callable[[bytes], bytes]


def mask(function: HashFunction, key: bytes) -> Mask:
    """What makes the mask of a value; hashes are in hexadecimal."""
    match function:
        case "":
            return lambda value: b"****"
        case "md5" | "sha1" | "sha3":
            name = {"sha3": "sha3_256"}.get(function, function)
            return lambda value: hashlib.new(name, value, usedforsecurity=False).hexdigest().encode()
        case "hmac-sha256" | "hmac-sha512":
            digest = function.removeprefix("hmac-")
            return lambda value: hmac.digest(key, value, digest).hex().encode()


def action(function: HashFunction) -> str:
    """The word for it in the ledger and the metrics."""
    return "mask" if not function else "hash" if function in UNKEYED else "pseudonymize"
