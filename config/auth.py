"""`auth: {authenticator: id}`, wherever it stands."""

from pydantic import Field

from config.settings import Settings

__all__ = ["AuthSettings"]


class AuthSettings(Settings):
    """Who answers for the other side, as in the Collector."""

    authenticator: str = Field(min_length=1)
    """Id of an extension, which `service::extensions` must name too."""
