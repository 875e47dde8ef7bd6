"""Health, figures for Prometheus, and the description of the API itself."""

from __future__ import annotations

import msgspec
from aiohttp import web

from dialer.console.metrics import CONTENT_TYPE
from dialer.console.services import NotReady
from dialer.console.table import ADMINS, PUBLIC, Call, Guard, Nothing, Route, route, stream


class Health(msgspec.Struct, frozen=True, kw_only=True):
    status: str = "ok"


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    problems: list[NotReady]


async def healthz(_: Call[Nothing, Nothing]) -> Health:
    """The process runs and answers; nothing more is told to strangers."""
    return Health()


async def readyz(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    problems = await call.services.ready()
    return web.Response(
        status=503 if problems else 200,
        body=msgspec.json.encode(Readiness(problems=problems)),
        content_type="application/json",
    )


async def metrics(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    page = await call.console.metrics.page(call.services)
    return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE})


ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        "/healthz",
        healthz,
        body=Nothing,
        query=Nothing,
        answer=Health,
        roles=PUBLIC,
        tag="system",
        en="Whether the process answers",
        es="Si el proceso responde",
    ),
    stream(
        "GET",
        "/readyz",
        readyz,
        query=Nothing,
        media_type="application/json",
        answer=Readiness,
        roles=PUBLIC,
        tag="system",
        en="Whether this worker can work; 503 with the reasons when not",
        es="Si este proceso puede trabajar; 503 con las razones si no",
    ),
    stream(
        "GET",
        "/metrics",
        metrics,
        query=Nothing,
        media_type="text/plain",
        roles=ADMINS,
        guard=Guard.LOOPBACK,
        tag="system",
        en="Figures for Prometheus: for administrators, or from this machine without a proxy",
        es="Cifras para Prometheus: para administradores, o desde esta máquina sin proxy",
    ),
)
