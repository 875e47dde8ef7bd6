"""The whole table of routes."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Final

import msgspec
from aiohttp import web

from dialer.console.decoding import JSON_TYPE
from dialer.console.openapi import document
from dialer.console.routes import (
    agents,
    campaigns,
    content,
    emergencies,
    evidence,
    lists,
    orders,
    oversight,
    pacing,
    portfolios,
    recordings,
    session,
    supervision,
    system,
    users,
)
from dialer.console.table import API, PUBLIC, Call, Nothing, Route, stream


@cache
def description() -> bytes:
    """The OpenAPI description as JSON."""
    return msgspec.json.encode(document(ROUTES))


async def openapi(_: Call[Nothing, Nothing]) -> web.StreamResponse:
    body = await asyncio.to_thread(description)
    return web.Response(body=body, content_type=JSON_TYPE)


ROUTES: Final[tuple[Route, ...]] = (
    *session.ROUTES,
    *users.ROUTES,
    *portfolios.ROUTES,
    *campaigns.ROUTES,
    *pacing.ROUTES,
    *content.ROUTES,
    *agents.ROUTES,
    *supervision.ROUTES,
    *recordings.ROUTES,
    *evidence.ROUTES,
    *emergencies.ROUTES,
    *oversight.ROUTES,
    *lists.ROUTES,
    *orders.ROUTES,
    *system.ROUTES,
    stream(
        "GET",
        f"{API}/openapi.json",
        openapi,
        query=Nothing,
        media_type=JSON_TYPE,
        roles=PUBLIC,
        tag="system",
        en="This description",
        es="Esta descripción",
    ),
)
