"""What a client presents, for the tests of authenticators."""

from collections.abc import Sequence

import pytest

from pipeline.serving.authentication import Authenticator, Unauthenticated, Values


def headers(**given: str | Sequence[str]) -> Values:
    """The headers of a request; several values are of several headers of that name."""
    found = {name: [value] if isinstance(value, str) else list(value) for name, value in given.items()}
    return lambda name: found.get(name, [])


async def refusal(authenticator: Authenticator, values: Values) -> tuple[str, str]:
    """The sentence and the challenge for a client that is not let in."""
    with pytest.raises(Unauthenticated) as caught:
        await authenticator.authenticate(values)
    return str(caught.value), caught.value.challenge
