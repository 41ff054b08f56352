"""Lines of htpasswd."""

import base64
import hashlib

import bcrypt
import pytest

from extensions.htpasswd import is_right, users


def sha(password: str, salt: bytes = b"") -> str:
    """A hash as `htpasswd -s` makes it, or with a salt as LDAP does."""
    digest = hashlib.sha1(password.encode() + salt).digest() + salt
    return ("{SSHA}" if salt else "{SHA}") + base64.b64encode(digest).decode()


BCRYPT = bcrypt.hashpw(b"synthetic", bcrypt.gensalt(4)).decode()
HASHES = [BCRYPT, BCRYPT.replace("$2b$", "$2y$"), BCRYPT.replace("$2b$", "$2a$"), sha("synthetic")]


@pytest.mark.parametrize("hashed", [*HASHES, sha("synthetic", b"salt")])
def test_hashes(hashed: str) -> None:
    """Each sort is taken, and is right for one password."""
    found = users(f"# comment\n\n one:{hashed} \n", "here")
    assert found == {"one": hashed}
    given = (b"synthetic", b"Synthetic", b"", b"synthetic\0", b"x" * 100)
    assert [is_right(found["one"], password) for password in given] == [True, False, False, False, False]


@pytest.mark.parametrize(
    "hashed", ["plain", "$apr1$salt$0123456789abcdef012345", "{SHA}short", "{MD5}x", "{SHA}" + "=" * 28, "$2y$05$"]
)
def test_other_hashes(hashed: str) -> None:
    """Old and plain ones are told no, by the number of the line alone."""
    with pytest.raises(ValueError, match="line 2 of here has no hash") as caught:
        users(f"one:{BCRYPT}\ntwo:{hashed}", "here")
    assert str(caught.value) == ("line 2 of here has no hash of bcrypt, {SSHA} or {SHA}; `htpasswd -nB USER` makes one")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no user in here"),
        (":x", "line 1 of here is not of the form user:hash"),
        ("one", "line 1 of here is not of the form user:hash"),
        (f"one:{BCRYPT}\none:{BCRYPT}", "line 2 of here names a user for the second time"),
    ],
)
def test_lines_that_cannot_be(text: str, sentence: str) -> None:
    """The line is told, and not what it says."""
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        users(text, "here")
