"""`ledger.head`: where the ledger ended when it was last written, in a file of its own, so that a cut-off end shows.

It is sealed with the ledger's key: who does not have it cannot make one for an earlier row. It is also what one daemon
holds so that no second one writes the same ledger.

Its first text waits for the disk, before the first row does. Later ones do not: the head that a power cut leaves names
an earlier row, which is there.
"""

import fcntl
import os
import re
from pathlib import Path

import orjson

from audit.chain import GENESIS, Anchor, Chain
from audit.files import note_in_folder

__all__ = ["HEAD_NAME", "Head", "read_head"]

HEAD_NAME = "ledger.head"


def _seal(chain: Chain, head: Anchor) -> str:
    return chain.mac(GENESIS, f"head {head}".encode())


def _text(chain: Chain, head: Anchor) -> bytes:
    return orjson.dumps({"sequence": head.sequence, "mac": head.mac, "seal": _seal(chain, head)}) + b"\n"


_SEALED = re.compile(rb'\{"sequence":(\d{1,18}),"mac":"([0-9a-f]{64})","seal":"[0-9a-f]{64}')


def _parsed(text: bytes, chain: Chain) -> Anchor | None:
    match = _SEALED.match(text)
    if match is None:
        return None
    head = Anchor(int(match[1]), match[2].decode())
    # At a power cut, a text that was a digit longer may have reached the disk without the file's size: the end of the
    # line is missing then. Or the size without the text: then there are zeros, which `read_head` takes off.
    return head if _text(chain, head).startswith(text) else None


def read_head(folder: Path, chain: Chain) -> Anchor | str:
    """The end of the ledger in a folder, or what is wrong with its file: `missing` or `changed`.

    Raises: `OSError`.
    """
    try:
        text = (folder / HEAD_NAME).read_bytes().rstrip(b"\0")
    except FileNotFoundError:
        text = b""
    return (_parsed(text, chain) or "changed") if text else "missing"


class Head:
    """The file, open and held for as long as the ledger is written.

    Raises: `OSError`, also if another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / HEAD_NAME
        self._is_on_disk = False
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise OSError(f"another process writes the audit ledger in {folder}; give each its own path") from None

    def set(self, chain: Chain, head: Anchor) -> None:
        """Say where the ledger ends now. In place: that needs no room on most full disks. Raises: `OSError`."""
        text = _text(chain, head)
        os.pwrite(self._file, text, 0)
        os.ftruncate(self._file, len(text))
        if not self._is_on_disk:
            os.fsync(self._file)
            note_in_folder(self._path)
            self._is_on_disk = True

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)
