"""Whose data a request carries, by one of its headers."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from config.settings import Settings
from pipeline.batch import Batch
from pipeline.errors import Rejected

__all__ = ["TenantSettings"]

_TENANT = re.compile(r"[A-Za-z0-9!\-_.*'()]{1,150}")
"""What Loki, Mimir and Tempo take in X-Scope-OrgID."""


class TenantSettings(Settings):
    """What every receiver that tells tenants apart has beside its own settings."""

    tenant_header: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]*)?$")
    """Header (in gRPC: metadata) that names the tenant, such as `X-Scope-OrgID`. Batches of different tenants are never
    mixed, and `pseudonym_keys` can be per tenant. Empty by default: clients can write into a header what they like, so
    have something in front that sets it."""

    def of_tenant(self, batch: Batch, values: Sequence[str]) -> Batch:
        """The batch as that of the tenant whom all `values` of the header name; of none if there are none.

        Raises: `Rejected` for values that differ or name nobody.
        """
        names = set(values)
        if not names:
            return batch
        tenant = names.pop()
        if names or not _TENANT.fullmatch(tenant):
            raise Rejected(
                f"the header {self.tenant_header} must name one tenant, in 1 to 150 letters, digits and ! - _ . * ' ( )"
            )
        return replace(batch, tenant=tenant)
