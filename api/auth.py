"""Who calls. A route takes one of the types at the end, such as `Reading`, as a parameter.

The doorkeeper has checked the key by then; here is only whether the key may do what is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from domain.errors import Forbidden
from domain.keys import DEFAULT_TENANT, Scope

BEARER, HEADER = "Bearer", "ApiKey"
"""The two ways to send a key, as the OpenAPI document names them."""
STATE = "caller"
"""Under which name the doorkeeper leaves the caller in the request's state."""


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request: all they see and start is their tenant's."""

    tenant: str
    key_name: str | None
    """None where no keys are set up."""
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether a scope is among theirs; `admin` is all of them."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


KEYLESS = Caller(DEFAULT_TENANT, None, frozenset(Scope))
"""Who calls where no keys are set up."""


class _Known(SecurityBase):
    """The dependency that hands the caller to a route, and says in the document what it takes."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="An API key; see `darkroom keys`")
        self.scheme_name = BEARER

    async def __call__(self, request: Request, wanted: SecurityScopes) -> Caller:
        """The caller; raises `Forbidden` where their key lacks a scope."""
        caller: Caller = getattr(request.state, STATE)
        for scope in wanted.scopes:
            if not caller.may(Scope(scope)):
                raise Forbidden(f"The key '{caller.key_name}' lacks the scope '{scope}'.")
        return caller


_known = _Known()

Anybody = Annotated[Caller, Security(_known)]
Generating = Annotated[Caller, Security(_known, scopes=[Scope.GENERATE])]
Reviewing = Annotated[Caller, Security(_known, scopes=[Scope.REVIEW])]
Reading = Annotated[Caller, Security(_known, scopes=[Scope.READ])]
Decoding = Annotated[Caller, Security(_known, scopes=[Scope.DECODE])]
Administering = Annotated[Caller, Security(_known, scopes=[Scope.ADMIN])]
