"""Logging in and out, tokens, cookies, users: who gets in, and how they are put out."""

from __future__ import annotations

import asyncio
import io
import re
import threading
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import select, text, update

from dialer.bootstrap import set_up_logging
from dialer.config import LogConfig
from dialer.console import auth
from dialer.console.auth import COOKIE, Hashing
from dialer.console.errors import ApiError
from dialer.stores.ledger.schema import api_token
from dialer.stores.ledger.users import (
    Role,
    credentials_of,
    needs_rehash,
    user_of_token,
    verify_password,
)
from tests.console.world import CHEAP_HASH, PASSWORD, World, now_ms


async def log_in(world: World, username: str = "admin", password: str = PASSWORD) -> str:
    reply = await world.call("POST", "login", json={"username": username, "password": password})
    assert reply.status == 200, reply.raw
    return str(reply.json["token"])


async def test_a_login_gives_a_token_that_works_until_logout(world: World) -> None:
    await world.user(Role.AGENT, "ana")
    reply = await world.call("POST", "login", json={"username": " ANA ", "password": PASSWORD})
    assert reply.status == 200
    token = str(reply.json["token"])
    assert token.startswith("mrc_")
    assert "Set-Cookie" not in reply.headers
    hours = world.services.config.http.session_hours
    expires_ms = reply.json["expires_ms"]
    assert isinstance(expires_ms, int)
    assert abs(expires_ms - now_ms() - hours * 3_600_000) < 60_000

    me = await world.call("GET", "me", token=token)
    assert me.json["csrf"] == reply.json["csrf"]
    user = me.json["user"]
    assert isinstance(user, dict)
    assert (user["username"], user["role"]) == ("ana", "agent")
    assert "password_hash" not in user

    assert (await world.call("POST", "logout", token=token)).status == 204
    assert (await world.call("GET", "me", token=token)).code == "bad_token"


async def test_only_the_hash_of_a_token_is_kept(world: World) -> None:
    await world.user(Role.ADMIN)
    token = await log_in(world)
    async with world.ledger.read() as conn:
        dump = [str(row) for row in await conn.execute(select(api_token))]
        assert await user_of_token(conn, token, now_ms=now_ms()) is not None
    assert token not in "".join(dump)


async def test_an_old_password_hash_is_renewed_by_a_login(world: World) -> None:
    await world.user(Role.AGENT, "ana")
    assert needs_rehash(CHEAP_HASH)
    await log_in(world, "ana")
    async with world.ledger.read() as conn:
        kept = await credentials_of(conn, "ana")
    assert kept is not None
    assert not needs_rehash(kept.password_hash)
    await log_in(world, "ana")


@pytest.mark.parametrize(
    ("username", "password"),
    [("ana", "not the password"), ("nobody", PASSWORD), ("gone", PASSWORD)],
    ids=["wrong password", "unknown user", "inactive user"],
)
async def test_every_bad_login_looks_the_same(world: World, username: str, password: str) -> None:
    await world.user(Role.AGENT, "ana")
    gone = await world.user(Role.AGENT, "gone")
    reply = await world.call(
        "PATCH", f"users/{gone.user_id}", role=Role.ADMIN, json={"active": False}
    )
    assert reply.status == 200
    bad = await world.call("POST", "login", json={"username": username, "password": password})
    assert (bad.status, bad.code) == (401, "bad_login")
    assert bad.error["message"] == "El usuario o la contraseña no son correctos."


async def test_an_admin_puts_an_agent_in_a_team(world: World) -> None:
    ana = await world.user(Role.AGENT, "ana")
    path = f"users/{ana.user_id}"
    reply = await world.call("PATCH", path, role=Role.ADMIN, json={"team": " Early "})
    assert (reply.status, reply.json["team"]) == (200, "early")
    reply = await world.call("PATCH", path, role=Role.ADMIN, json={"active": True})
    assert reply.json["team"] == "early"
    bad = await world.call("PATCH", path, role=Role.ADMIN, json={"team": "a\u0000b"})
    assert (bad.status, bad.error["where"]) == (422, "team")


async def test_every_login_judges_one_hash_whoever_asks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time that a login takes does not tell whether the user exists."""
    await world.user(Role.AGENT, "ana")
    judged: list[bool] = []

    def watched(password_hash: str | None, password: str) -> bool:
        judged.append(password_hash is not None)
        return verify_password(password_hash, password)

    monkeypatch.setattr(auth, "verify_password", watched)
    for username in ("ana", "nobody"):
        body = {"username": username, "password": "wrong wrong wrong"}
        assert (await world.call("POST", "login", json=body)).code == "bad_login"
    assert judged == [True, False]


async def test_guessing_is_slowed_down_for_that_user_only(world: World) -> None:
    await world.user(Role.AGENT, "ana")
    await world.user(Role.AGENT, "eva")
    body = {"username": "ana", "password": "wrong wrong wrong"}
    codes = [
        (await world.call("POST", "login", json=body)).code for _ in range(auth.FREE_TRIES + 2)
    ]
    assert codes == ["bad_login"] * auth.FREE_TRIES + ["too_many_logins"] * 2
    blocked = await world.call("POST", "login", json={"username": "ana", "password": PASSWORD})
    assert blocked.status == 429, "not even the right password, until the wait is over"
    assert int(blocked.headers["Retry-After"]) >= 1
    await log_in(world, "eva")


async def test_many_wrong_users_from_one_address_are_slowed_down(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "verify_password", lambda _hash, _password: False)
    replies = [
        await world.call("POST", "login", json={"username": f"user-{n}", "password": "x" * 10})
        for n in range(auth.FREE_TRIES_ADDRESS + 1)
    ]
    assert {reply.code for reply in replies[:-1]} == {"bad_login"}
    assert replies[-1].code == "too_many_logins"


async def test_a_whole_shift_logs_in_at_once_and_the_loop_never_hashes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"agent-{n}" for n in range(30)]
    for name in names:
        await world.user(Role.AGENT, name)
    threads: list[str] = []

    def verify(password_hash: str | None, password: str) -> bool:
        threads.append(threading.current_thread().name)
        return verify_password(password_hash, password)

    def rehash(_password: str) -> str:
        threads.append(threading.current_thread().name)
        return CHEAP_HASH

    monkeypatch.setattr(auth, "verify_password", verify)
    monkeypatch.setattr(auth, "hash_password", rehash)
    tokens = await asyncio.gather(*(log_in(world, name) for name in names))
    assert len(set(tokens)) == len(names)
    assert len(threads) == 2 * len(names)
    assert all(name.startswith("argon2") for name in threads)


async def test_hashing_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "HASHES_WAITING_MAX", 2)
    hashing = Hashing(threads=1)
    try:
        results = await asyncio.gather(
            *(hashing.verify(CHEAP_HASH, PASSWORD) for _ in range(5)), return_exceptions=True
        )
    finally:
        hashing.close()
    refused = [r for r in results if isinstance(r, ApiError)]
    assert results[:2] == [True, True]
    assert len(refused) == 3
    assert {error.problem.code for error in refused} == {"busy"}


# --- cookies -------------------------------------------------------------------------------------


async def test_the_cookie_is_out_of_reach_and_needs_a_csrf_header(world: World) -> None:
    await world.user(Role.ADMIN)
    body = {"username": "admin", "password": PASSWORD, "cookie": True}
    reply = await world.call("POST", "login", json=body)
    assert reply.json["token"] is None
    cookie = reply.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    found = re.match(rf"{COOKIE}=([^;]+)", cookie)
    assert found is not None
    jar = {"Cookie": f"{COOKIE}={found[1]}"}

    me = await world.call("GET", "me", headers=jar)
    assert me.status == 200
    csrf = str(me.json["csrf"])
    assert csrf not in found[1]
    without = await world.call("POST", "tokens", headers=jar, json={"name": "x"})
    assert (without.status, without.code) == (403, "csrf")
    wrong = {**jar, "X-CSRF-Token": "0" * 32}
    assert (await world.call("POST", "tokens", headers=wrong, json={"name": "x"})).code == "csrf"
    right = {**jar, "X-CSRF-Token": csrf}
    assert (await world.call("POST", "tokens", headers=right, json={"name": "x"})).status == 201

    out = await world.call("POST", "logout", headers=right)
    assert out.status == 204
    assert "Max-Age=0" in out.headers["Set-Cookie"]
    assert (await world.call("GET", "me", headers=jar)).code == "bad_token"


async def test_behind_a_tls_proxy_the_cookie_is_secure(world: World) -> None:
    await world.user(Role.ADMIN)
    body = {"username": "admin", "password": PASSWORD, "cookie": True}
    reply = await world.call("POST", "login", json=body, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in reply.headers["Set-Cookie"].split("; ")


async def test_the_header_wins_over_the_cookie(world: World) -> None:
    agent = await world.token(await world.user(Role.AGENT))
    admin = await world.token(await world.user(Role.ADMIN))
    both = {"Cookie": f"{COOKIE}={admin}"}
    assert (await world.call("GET", "users", token=agent, headers=both)).code == "forbidden"
    broken = {**both, "Authorization": "Bearer "}
    assert (await world.call("GET", "users", headers=broken)).code == "no_credentials"
    basic = {**both, "Authorization": "Basic YWRtaW46eA=="}
    assert (await world.call("GET", "users", headers=basic)).code == "no_credentials"


# --- API tokens ----------------------------------------------------------------------------------


async def test_an_api_token_is_shown_once_listed_and_revoked(world: World) -> None:
    made = await world.call(
        "POST", "tokens", role=Role.MANAGER, json={"name": "informes", "days": 30}
    )
    token, token_id = str(made.json["token"]), str(made.json["token_id"])
    listed = await world.call("GET", "tokens", role=Role.MANAGER)
    assert token.encode() not in listed.raw
    assert f'"{token_id}"'.encode() in listed.raw
    assert (await world.call("GET", "campaigns", token=token)).status == 200

    other = await world.call("DELETE", f"tokens/{token_id}", role=Role.ADMIN)
    assert (other.status, other.code) == (404, "not_found"), "not even an admin by this door"
    assert (await world.call("DELETE", f"tokens/{token_id}", role=Role.MANAGER)).status == 204
    assert (await world.call("GET", "campaigns", token=token)).code == "bad_token"
    again = await world.call("DELETE", f"tokens/{token_id}", role=Role.MANAGER)
    assert again.code == "not_found"


async def test_a_token_cannot_be_named_as_a_login(world: World) -> None:
    reply = await world.call("POST", "tokens", role=Role.ADMIN, json={"name": " Login "})
    assert (reply.status, reply.code, reply.error["where"]) == (422, "bad_field", "name")


async def test_an_expired_token_is_no_token(world: World) -> None:
    token = await world.token_of(Role.ADMIN)
    async with world.ledger.write() as conn:
        await conn.execute(update(api_token).values(expires_ms=now_ms() - 1))
    assert (await world.call("GET", "me", token=token)).code == "bad_token"


# --- users ---------------------------------------------------------------------------------------


async def test_whoever_is_deactivated_is_out_at_once_and_stays_out(world: World) -> None:
    eva = await world.user(Role.SUPERVISOR, "eva")
    token = await world.token(eva)
    assert (await world.call("GET", "agents", token=token)).status == 200
    path = f"users/{eva.user_id}"
    off = await world.call("PATCH", path, role=Role.ADMIN, json={"active": False})
    assert off.json["active"] is False
    assert (await world.call("GET", "agents", token=token)).code == "bad_token"
    on = await world.call("PATCH", path, role=Role.ADMIN, json={"active": True})
    assert on.json["active"] is True
    assert (await world.call("GET", "agents", token=token)).code == "bad_token", "old tokens too"


async def test_a_role_that_is_taken_away_is_away(world: World) -> None:
    eva = await world.user(Role.ADMIN, "eva")
    token = await world.token(eva)
    path = f"users/{eva.user_id}"
    change = await world.call("PATCH", path, role=Role.ADMIN, json={"role": "agent"})
    assert change.json["role"] == "agent"
    assert (await world.call("GET", "users", token=token)).status == 401


async def test_the_last_admin_stays(world: World) -> None:
    await world.token_of(Role.ADMIN)
    path = f"users/{world.users[Role.ADMIN].user_id}"
    for change in ({"active": False}, {"role": "manager"}):
        reply = await world.call("PATCH", path, role=Role.ADMIN, json=change)
        assert (reply.status, reply.code) == (409, "last_admin")
    assert (await world.call("GET", "users", role=Role.ADMIN)).status == 200


async def test_a_reset_password_ends_every_session(world: World) -> None:
    ana = await world.user(Role.AGENT, "ana")
    token = await world.token(ana)
    path = f"users/{ana.user_id}/password"
    short = await world.call("POST", path, role=Role.ADMIN, json={"password": "short"})
    assert (short.status, short.code) == (422, "bad_password")
    new = "an entirely new one"
    assert (await world.call("POST", path, role=Role.ADMIN, json={"password": new})).status == 204
    assert (await world.call("GET", "me", token=token)).code == "bad_token"
    await log_in(world, "ana", new)


async def test_changing_my_own_password(world: World) -> None:
    ana = await world.user(Role.AGENT, "ana")
    mine, other = await world.token(ana), await world.token(ana)
    new = "an entirely new one"
    wrong = {"current": "not my password", "new": new}
    reply = await world.call("POST", "me/password", token=mine, json=wrong)
    assert (reply.status, reply.code) == (403, "wrong_password")
    right = {"current": PASSWORD, "new": new}
    assert (await world.call("POST", "me/password", token=mine, json=right)).status == 204
    assert (await world.call("GET", "me", token=mine)).status == 200
    assert (await world.call("GET", "me", token=other)).code == "bad_token"
    await log_in(world, "ana", new)


async def test_users_are_made_by_admins_with_clear_errors(world: World) -> None:
    body = {"username": "Eva", "password": PASSWORD, "role": "supervisor", "language": "en"}
    made = await world.call("POST", "users", role=Role.ADMIN, json=body)
    assert (made.status, made.json["username"]) == (201, "eva")
    again = await world.call("POST", "users", role=Role.ADMIN, json=body)
    assert (again.status, again.code, again.error["where"]) == (409, "name_taken", "username")
    for change, where in (
        ({"role": "root"}, "role"),
        ({"username": "\u0007bell"}, "username"),
        ({"admin": True}, "admin"),
    ):
        bad = await world.call("POST", "users", role=Role.ADMIN, json={**body, **change})
        assert (bad.status, bad.error["where"]) == (422, where)


async def test_nobody_can_raise_their_own_role(world: World) -> None:
    for role in Role:
        if role is Role.ADMIN:
            continue
        token = await world.token_of(role)
        user_id = world.users[role].user_id
        for method, path, body in (
            ("PATCH", f"users/{user_id}", {"role": "admin"}),
            ("POST", "users", {"username": "x", "password": PASSWORD, "role": "admin"}),
            ("POST", f"users/{user_id}/password", {"password": PASSWORD}),
        ):
            reply = await world.call(method, path, token=token, json=body)
            assert (reply.status, reply.code) == (403, "forbidden"), (role, path)
        trick = {"name": "x", "role": "admin"}
        reply = await world.call("POST", "tokens", token=token, json=trick)
        assert reply.status in (403, 422)
    listed = await world.call("GET", "users", role=Role.ADMIN)
    assert listed.raw.count(b'"role":"admin"') == 1


async def test_what_admins_do_is_on_record(world: World) -> None:
    body = {"username": "eva", "password": PASSWORD, "role": "agent"}
    made = await world.call("POST", "users", role=Role.ADMIN, json=body)
    user_id = str(made.json["user_id"])
    trail = await world.call("GET", "audit", role=Role.COMPLIANCE, params={"target": user_id})
    entries = trail.json["entries"]
    assert isinstance(entries, list)
    assert [e["action"] for e in entries if isinstance(e, dict)] == ["user.create"]
    assert f'"actor":"{world.users[Role.ADMIN].user_id}"'.encode() in trail.raw


# --- secrets -------------------------------------------------------------------------------------


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, as the running product formats it."""
    before = structlog.get_config()
    out = io.StringIO()
    set_up_logging(LogConfig(level="debug"))
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=out))
    yield out
    structlog.configure(**before)


async def test_no_secret_in_logs_or_errors(world: World, logged: io.StringIO) -> None:
    await world.user(Role.ADMIN)
    token = await log_in(world)
    seen: list[bytes] = []
    for method, path, body in (
        ("POST", "login", {"username": "admin", "password": "SECRET-guess-1"}),
        ("POST", "login", {"username": "admin", "password": "SECRET-guess-2", "extra": 1}),
        ("POST", "users", {"username": "admin", "password": "SECRET-guess-3", "role": "agent"}),
        ("POST", "me/password", {"current": "SECRET-guess-4", "new": "SECRET-guess-5"}),
        ("POST", "users", {"username": 7, "password": "SECRET-guess-6", "role": "agent"}),
    ):
        seen.append((await world.call(method, path, token=token, json=body)).raw)
    asked = {"of": "+569SECRET"}
    seen.append((await world.call("GET", "explanations", token=token, params=asked)).raw)
    async with world.ledger.write() as conn:
        await conn.execute(text("ALTER TABLE campaign RENAME TO elsewhere"))
    broken = await world.call("GET", "campaigns", token=token)
    assert (broken.status, broken.code) == (500, "server_fault")
    seen.append(broken.raw)
    async with world.ledger.write() as conn:
        await conn.execute(text("ALTER TABLE app_user RENAME TO nowhere"))
    body = {"username": "admin", "password": "SECRET-guess-7"}
    broken = await world.call("POST", "login", json=body)
    assert (broken.status, broken.code) == (500, "server_fault")
    seen.append(broken.raw)

    for answer in seen:
        for leak in (b"SECRET", token.encode(), b"Traceback", b"sqlite", b"SELECT", b"dialer/"):
            assert leak not in answer, answer
    log = logged.getvalue()
    assert "http_request" in log
    assert "no such table" in log, "the cause is for the log"
    for secret in ("SECRET", token, PASSWORD, token.removeprefix("mrc_")):
        assert secret not in log
