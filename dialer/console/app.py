"""The HTTP application: the table of routes, and what holds around all of them."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog
from aiohttp import hdrs, web
from structlog.contextvars import bound_contextvars

from dialer.console.decoding import JSON_TYPE
from dialer.console.errors import (
    BAD_REQUEST,
    BODY_TOO_LARGE,
    METHOD_NOT_ALLOWED,
    NO_SUCH_PATH,
    SERVER_FAULT,
    STORE_AWAY,
    ApiError,
)
from dialer.console.routes import ROUTES
from dialer.console.services import Services
from dialer.console.state import CALLER, Console
from dialer.console.table import Route
from dialer.stores.ledger.database import LedgerUnavailable, Trouble
from dialer.stores.ledger.ids import new_id
from dialer.stores.redis.errors import RedisStoreError

log = structlog.get_logger()

CONSOLE: Final = web.AppKey("console", Console)
REQUEST_ID: Final = "X-Request-Id"
_ID: Final = web.RequestKey("request_id", str)
_GOOD_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NO_ROUTE: Final = "(none)"

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(services: Services) -> web.Application:
    """The application of one server. Its parts end when the server does."""
    app = web.Application(
        client_max_size=services.config.http.max_body_bytes, middlewares=[_around]
    )
    console = Console(services)
    app[CONSOLE] = console
    for entry in ROUTES:
        app.router.add_route(entry.method, entry.path, _bound(entry, console))

    async def stop(_: web.Application) -> None:
        await console.close()

    app.on_shutdown.append(stop)
    app.on_response_prepare.append(_sign)
    return app


def _bound(entry: Route, console: Console) -> Next:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await entry.handle(request, console)

    return handle


@web.middleware
async def _around(request: web.Request, handler: Next) -> web.StreamResponse:
    """Name the request, turn every failure into an error answer, and keep the books."""
    console = request.app[CONSOLE]
    given = request.headers.get(REQUEST_ID, "")
    request_id = given if _GOOD_ID.fullmatch(given) else new_id()
    request[_ID] = request_id
    started_s = time.perf_counter()
    with bound_contextvars(request_id=request_id):
        response = await _answer(request, handler, console)
        seconds = time.perf_counter() - started_s
        route = _route_of(request)
        console.metrics.answered(request.method, route, response.status, seconds)
        # Refusals are of interest; what went well would drown them.
        write = log.debug if response.status < 400 else log.info
        write(
            "http_request",
            method=request.method,
            route=route,
            status=response.status,
            ms=round(seconds * 1000, 1),
        )
    if not response.prepared:
        await _sign(request, response)
    return response


async def _sign(request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every answer, streams and refusals too."""
    response.headers[REQUEST_ID] = request.get(_ID, "")
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers[hdrs.SERVER] = "marcador"


async def _answer(request: web.Request, handler: Next, console: Console) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return _error(request, console, error)
    except web.HTTPException as error:
        return _error(request, console, _known(error, console))
    except (LedgerUnavailable, RedisStoreError) as error:
        log.error("store_unavailable", error=str(error))
        retry = isinstance(error, LedgerUnavailable) and error.trouble is Trouble.LOCKED
        return _error(request, console, ApiError(STORE_AWAY, retry_after_s=1 if retry else 5))
    except ConnectionError:
        raise
    except Exception:
        log.exception("http_request_failed", route=_route_of(request))
        return _error(request, console, ApiError(SERVER_FAULT))


def _known(error: web.HTTPException, console: Console) -> ApiError:
    """What aiohttp itself refuses, as one of our problems."""
    if isinstance(error, web.HTTPNotFound):
        return ApiError(NO_SUCH_PATH)
    if isinstance(error, web.HTTPMethodNotAllowed):
        return ApiError(METHOD_NOT_ALLOWED, allowed=", ".join(sorted(error.allowed_methods)))
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return ApiError(BODY_TOO_LARGE, limit=console.services.config.http.max_body_bytes)
    return ApiError(BAD_REQUEST)


def _error(request: web.Request, console: Console, error: ApiError) -> web.Response:
    language = console.language_of(request, request.get(CALLER))
    response = web.Response(
        status=error.problem.status,
        body=msgspec.json.encode(error.answer(language)),
        content_type=JSON_TYPE,
        headers={hdrs.CONTENT_LANGUAGE: str(language)},
    )
    if error.retry_after_s is not None:
        response.headers[hdrs.RETRY_AFTER] = str(error.retry_after_s)
    if error.problem.status == 401:
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return response


def _route_of(request: web.Request) -> str:
    """The route's pattern, never the path itself: paths hold ids, queries hold more."""
    resource = request.match_info.route.resource
    return _NO_ROUTE if resource is None else resource.canonical
