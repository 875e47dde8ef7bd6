"""Every door of the API is in the table, and every door is guarded as the table says."""

from __future__ import annotations

import re

import pytest
from aiohttp import web

from dialer.console.app import make_app
from dialer.console.routes import ROUTES
from dialer.console.table import API, EVERYBODY, OFFICE, Guard, Route
from dialer.stores.ledger.users import Role
from tests.console.world import FakeServices, World

PUBLIC_PATHS = {
    f"{API}/login",
    f"{API}/openapi.json",
    "/healthz",
    "/readyz",
    "/u/{token}",
}
PROXIED = {"X-Forwarded-For": "203.0.113.9"}
GUARDED = [entry for entry in ROUTES if not entry.is_public]


def named(entry: Route) -> str:
    return f"{entry.method} {entry.path}"


def path_of(entry: Route) -> str:
    return re.sub(r"\{\w+\}", "nothing", entry.path)


def test_the_router_knows_the_table_and_nothing_else(services: FakeServices) -> None:
    app = make_app(services)
    routed = {
        (route.method, route.resource.canonical if route.resource is not None else "")
        for route in app.router.routes()
    }
    assert routed == {(entry.method, entry.path) for entry in ROUTES}
    assert len(ROUTES) == len(routed), "a route stands twice in the table"
    assert all(not isinstance(resource, web.StaticResource) for resource in app.router.resources())


def test_only_these_are_public_and_all_else_is_versioned() -> None:
    assert {entry.path for entry in ROUTES if entry.is_public} == PUBLIC_PATHS
    for entry in ROUTES:
        unversioned = entry.path in ("/healthz", "/readyz", "/metrics", "/u/{token}")
        assert unversioned or entry.path.startswith(f"{API}/"), entry.path


def test_names_are_unique_and_words_are_in_both_languages() -> None:
    names = [entry.name for entry in ROUTES]
    assert len(set(names)) == len(names)
    for entry in ROUTES:
        assert entry.summary_en, entry.path
        assert entry.summary_es, entry.path
        assert entry.summary_en != entry.summary_es, entry.path


@pytest.mark.parametrize("entry", GUARDED, ids=named)
async def test_without_credentials_nobody_gets_in(world: World, entry: Route) -> None:
    reply = await world.call(entry.method, path_of(entry), headers=PROXIED)
    assert (reply.status, reply.code) == (401, "no_credentials")
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    bad = await world.call(entry.method, path_of(entry), token="mrc_nonsense", headers=PROXIED)
    assert (bad.status, bad.code) == (401, "bad_token")


async def test_every_other_role_is_shut_out_of_every_route(world: World) -> None:
    shut_out = 0
    for entry in GUARDED:
        for role in EVERYBODY - entry.roles:
            reply = await world.call(entry.method, path_of(entry), role=role, headers=PROXIED)
            assert (reply.status, reply.code) == (403, "forbidden"), (named(entry), role)
            assert str(role) in reply.error["message"]
            shut_out += 1
    assert shut_out > 60


async def test_every_listed_role_gets_past_the_guard(world: World) -> None:
    """What comes then may be an error, but not for the role."""
    for entry in GUARDED:
        if entry.path.endswith(("/logout", "/agent/socket")):
            continue  # ends the session; is no plain request
        for role in entry.roles:
            reply = await world.call(entry.method, path_of(entry), role=role, headers=PROXIED)
            assert reply.status not in (401, 403), (named(entry), role, reply.raw)
            assert reply.status < 500, (named(entry), role, reply.raw)


async def test_what_needs_a_login_cannot_be_done_with_an_api_token(world: World) -> None:
    tokens: dict[Role, str] = {}
    for role in OFFICE:
        made = await world.call("POST", "tokens", role=role, json={"name": "script"})
        tokens[role] = str(made.json["token"])
    assert (await world.call("GET", "users", token=tokens[Role.ADMIN])).status == 200
    for entry in GUARDED:
        if entry.guard is not Guard.LOGIN:
            continue
        for role in entry.roles & OFFICE:
            reply = await world.call(entry.method, path_of(entry), token=tokens[role])
            assert (reply.status, reply.code) == (403, "login_needed"), named(entry)


async def test_unknown_paths_and_methods(world: World) -> None:
    reply = await world.call("GET", "/api/v1/nothing-here")
    assert (reply.status, reply.code) == (404, "no_such_path")
    reply = await world.call("DELETE", "login")
    assert (reply.status, reply.code) == (405, "method_not_allowed")
    assert "POST" in reply.error["mend"]
    head = await world.call("HEAD", "/healthz")
    assert head.status == 405
