"""How long images are kept, as an operator has set it up."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from domain.keys import Tenant
from domain.retention import Days, Keeping, Policy
from providers.catalogue import CatalogueError, checked, read_config


class _Table(BaseModel):
    """One `[[retention]]` table: what it leaves out is as for everybody."""

    model_config = ConfigDict(extra="forbid")

    tenant: Tenant
    rejected_days: Days = None
    expired_days: Days = None
    unreviewed_days: Days = None
    failed_days: Days = None

    def keeping(self, common: Keeping) -> Keeping:
        own = {name.removesuffix("_days"): getattr(self, name) for name in self.model_fields_set}
        del own["tenant"]
        return common.model_copy(update=own)


def load_policy(common: Keeping, config: Path) -> Policy:
    """With the `[[retention]]` of `darkroom.toml`; raises `CatalogueError` naming what is wrong."""
    tables = read_config(config).get("retention", [])
    if not isinstance(tables, list):
        raise CatalogueError(f"{config}: retention is written [[retention]]")
    tenants: dict[str, Keeping] = {}
    for number, written in enumerate(tables, start=1):
        where = f"{config}: retention.{number}"
        table = checked(partial(_Table.model_validate, written), config, "retention", number)
        if table.tenant in tenants:
            raise CatalogueError(f"{where}: the tenant has a table already")
        tenants[table.tenant] = table.keeping(common)
    return Policy(common, tenants)
