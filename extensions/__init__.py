"""Every extension there is: the table of `extensions:` in the configuration, and other spellings of its names."""

from extensions.basic_auth import BasicAuthSettings
from extensions.bearer_token_auth import BearerTokenAuthSettings
from extensions.file_storage import FileStorageSettings
from extensions.headers_setter import HeadersSetterSettings
from extensions.health_check import HealthCheckSettings
from extensions.memory_limiter import MemoryGuardSettings
from extensions.oauth2_client import Oauth2ClientSettings
from extensions.oidc import OidcSettings
from pipeline.component import ExtensionSettings

__all__ = ["ALIASES", "EXTENSIONS"]

EXTENSIONS: dict[str, type[ExtensionSettings]] = {
    "basic_auth": BasicAuthSettings,
    "bearer_token_auth": BearerTokenAuthSettings,
    "file_storage": FileStorageSettings,
    "headers_setter": HeadersSetterSettings,
    "health_check": HealthCheckSettings,
    "memory_limiter": MemoryGuardSettings,
    "oauth2_client": Oauth2ClientSettings,
    "oidc": OidcSettings,
}

ALIASES: dict[str, str] = {
    "basicauth": "basic_auth",
    "bearertokenauth": "bearer_token_auth",
    "oauth2client": "oauth2_client",
}
