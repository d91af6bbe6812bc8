"""Every error as `application/problem+json` (RFC 9457), and their declarations for OpenAPI."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from api.auth import BEARER, HEADER
from api.rework_bodies import BRANCHES, MANY_IMAGES, ONE_IMAGE
from api.schemas import FieldProblem, Problem, StageUpdate
from domain.errors import (
    DarkroomError,
    Forbidden,
    InternalFailure,
    InvalidRequest,
    MethodNotAllowed,
    Refusal,
    RouteNotFound,
    StorageUnavailable,
    TooManyRequests,
    Unauthenticated,
)
from observing import facts

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:darkroom:error:"
_CHALLENGE = 'Bearer realm="Darkroom"'
_MAX_FIELDS = 20
_NO_FIELDS = ("body", "query", "path", ONE_IMAGE, MANY_IMAGES, *BRANCHES)
_FRAMEWORKS_OWN = "HTTPValidationError"
_SCHEMAS = "#/components/schemas/{model}"
_BESIDES: tuple[type[BaseModel], ...] = (Problem, StageUpdate)
"""What is answered by no route's own model."""

Responses = dict[int | str, dict[str, Any]]

logger = logging.getLogger("darkroom.api")


def problem_of(error: DarkroomError) -> Problem:
    """The body for an error of our tree."""
    fields = error.errors if isinstance(error, InvalidRequest) else []
    return Problem(
        type=f"{TYPE_PREFIX}{error.code}",
        title=error.title,
        status=error.http_status,
        detail=error.message,
        code=error.code,
        errors=[FieldProblem(field=field, message=message) for field, message in fields] or None,
    )


def answer(error: DarkroomError) -> JSONResponse:
    """The whole response for an error of our tree."""
    facts.tell(code=error.code)
    headers = {}
    if isinstance(error, Refusal) and error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = _CHALLENGE
    return JSONResponse(
        problem_of(error).model_dump(mode="json"),
        status_code=error.http_status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


@contextmanager
def refused_as_of(index: int) -> Iterator[None]:
    """Name the fields of a refusal as those of a batch's image; `index` counts from 0."""
    try:
        yield
    except InvalidRequest as refused:
        refused.errors = [(f"images.{index}.{field}", said) for field, said in refused.errors]
        raise


def schema_of(model: type[BaseModel]) -> dict[str, str]:
    """Where the document describes a model."""
    return {"$ref": _SCHEMAS.format(model=model.__name__)}


def declare(*kinds: type[DarkroomError]) -> Responses:
    """The `responses` of a route, so that the OpenAPI document is true."""
    declared: Responses = {}
    for kind in kinds:
        entry = declared.setdefault(
            kind.http_status,
            {
                "description": "",
                "content": {MEDIA_TYPE: {"schema": schema_of(Problem), "examples": {}}},
            },
        )
        entry["description"] = ", ".join(filter(None, (entry["description"], f"`{kind.code}`")))
        entry["content"][MEDIA_TYPE]["examples"][kind.code] = {
            "summary": kind.title,
            "value": {
                "type": f"{TYPE_PREFIX}{kind.code}",
                "title": kind.title,
                "status": kind.http_status,
                "detail": f"{kind.title}.",
                "code": kind.code,
            },
        }
    return declared


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with problems for errors and nothing that no route answers."""
    made = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
    )
    for path in made["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            if _FRAMEWORKS_OWN in json.dumps(answers.get("422", {})):
                del answers["422"]
            if "security" in operation:
                _guard(operation)
    schemas = made["components"]["schemas"]
    for name in (_FRAMEWORKS_OWN, "ValidationError"):
        schemas.pop(name, None)
    for model in _BESIDES:
        described = model.model_json_schema(ref_template=_SCHEMAS, mode="serialization")
        schemas.update(described.pop("$defs", {}))
        schemas[model.__name__] = described
    made["components"]["securitySchemes"][HEADER] = {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
    }
    return made


def _guard(operation: dict[str, Any]) -> None:
    """What the doorkeeper answers before a route does, and the other way to send a key."""
    [scopes] = operation["security"][0].values()
    operation["security"] = [{BEARER: scopes}, {HEADER: scopes}]
    for status, said in declare(Unauthenticated, Forbidden, TooManyRequests).items():
        declared = operation["responses"].setdefault(str(status), said)
        if declared is not said:
            declared["description"] += f", {said['description']}"
            examples = declared["content"][MEDIA_TYPE]["examples"]
            examples.update(said["content"][MEDIA_TYPE]["examples"])


def install(app: FastAPI) -> None:
    """Answer every error of every route with a problem, and none with an internal."""
    app.add_exception_handler(DarkroomError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(request: Request, error: Exception) -> Response:
    if isinstance(error, StorageUnavailable):
        logger.warning("%s", error)
    if not isinstance(error, DarkroomError):
        return await _unexpected(request, error)
    return answer(error)


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        return await _unexpected(request, error)
    fields = [(_field(item["loc"]), str(item["msg"])) for item in error.errors()[:_MAX_FIELDS]]
    first, message = fields[0]
    more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
    where = f"'{first}': " if first else ""
    return answer(InvalidRequest(f"The request is not valid: {where}{message}{more}.", fields))


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return await _unexpected(request, error)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return answer(RouteNotFound("There is nothing at this address; see /docs."))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response = answer(MethodNotAllowed("This address does not take that method; see /docs."))
        response.headers.update(error.headers or {})
        return response
    return answer(InvalidRequest("The body is not valid JSON."))


async def _unexpected(request: Request, error: Exception) -> Response:
    return defect(request.url.path, error)


def defect(path: str, error: Exception) -> JSONResponse:
    """The answer to a request that found a defect of ours; the log has the rest."""
    logger.error("unexpected error at %s", path, exc_info=error)
    return answer(InternalFailure("Something went wrong on our side."))


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part not in _NO_FIELDS)
