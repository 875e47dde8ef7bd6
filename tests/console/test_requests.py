"""What holds for every request: sizes, types, languages, ids, and errors that help."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dialer.config import Config, HttpConfig
from dialer.console import decoding
from dialer.console.decoding import spanish
from dialer.console.errors import PROBLEMS, ApiError, ErrorAnswer
from dialer.stores.ledger.database import LedgerUnavailable, Trouble
from dialer.stores.ledger.users import Language, Role
from tests.console.world import World, config_of

LIMIT = 2_000
VALUES: Mapping[str, Any] = dict.fromkeys(
    (
        *("limit", "expected", "allowed", "seconds", "role", "roles", "name"),
        *("state", "action", "possible", "least", "most", "rule", "when", "cause"),
    ),
    7,
)
"""For every placeholder but `what`."""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return config_of(tmp_path, http=HttpConfig(port=0, max_body_bytes=LIMIT))


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code", "where"),
    [
        (b"", 400, "bad_json", ""),
        (b"{", 400, "bad_json", ""),
        (b"\xff\xfe", 400, "bad_json", ""),
        (b'{"username":"a","password":"\xff"}', 400, "bad_json", ""),
        (b'{"username":"a","password":"x"} trailing', 400, "bad_json", ""),
        (b"[]", 422, "bad_field", ""),
        (b"null", 422, "bad_field", ""),
        (b"[" * 1_500, 422, "bad_field", ""),
        (b'{"username":"a"}', 422, "bad_field", "password"),
        (b'{"username":1,"password":"x"}', 422, "bad_field", "username"),
        (b'{"username":"","password":"x"}', 422, "bad_field", "username"),
        (b'{"username":"a","password":"x","role":"admin"}', 422, "bad_field", "role"),
    ],
)
async def test_bad_bodies(world: World, body: bytes, status: int, code: str, where: str) -> None:
    kind = {"Content-Type": "application/json"}
    reply = await world.call("POST", "login", data=body, headers=kind)
    assert (reply.status, reply.code, reply.error["where"]) == (status, code, where)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_a_form_of_another_page_is_no_request(world: World, kind: str) -> None:
    """Browsers send these across origins without asking; JSON they do not."""
    body = b'{"username":"a","password":"b"}'
    reply = await world.call("POST", "login", data=body, headers={"Content-Type": kind})
    assert (reply.status, reply.code) == (415, "unsupported_media_type")
    assert "application/json" in reply.error["message"]


async def test_a_charset_is_no_other_type(world: World) -> None:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    body = b'{"username":"nobody","password":"wrong wrong"}'
    assert (await world.call("POST", "login", data=body, headers=kind)).code == "bad_login"


async def test_oversized_bodies_are_not_read(world: World) -> None:
    kind = {"Content-Type": "application/json"}
    body = b'{"username":"a","password":"' + b"x" * LIMIT + b'"}'
    reply = await world.call("POST", "login", data=body, headers=kind)
    assert (reply.status, reply.code) == (413, "body_too_large")
    assert str(LIMIT) in reply.error["message"]


async def test_a_compressed_bomb_is_measured_unpacked(world: World) -> None:
    body = gzip.compress(b'{"username":"a","password":"' + b"x" * 5_000_000 + b'"}')
    assert len(body) < 10_000
    kind = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    reply = await world.call("POST", "login", data=body, headers=kind)
    assert reply.status in (400, 413)
    assert (await world.call("GET", "/healthz")).status == 200


async def test_a_body_that_never_comes_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "BODY_TIMEOUT_S", 0.1)
    host, _, port = world.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{"
    )
    head = await asyncio.wait_for(reader.readline(), 10)
    assert b" 408 " in head
    writer.close()


# --- queries and paths ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("verdict=perhaps", "verdict"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
        ("before=-1", "before"),
    ],
)
async def test_bad_queries(world: World, query: str, where: str) -> None:
    reply = await world.call("GET", f"decisions?{query}", role=Role.COMPLIANCE)
    assert (reply.status, reply.code, reply.error["where"]) == (400, "bad_query", where)


@pytest.mark.parametrize("name", ["x" * 300, "%00", "..%2f..%2fetc%2fpasswd", "%0d%0aX-A: b", "'"])
async def test_odd_ids_are_not_found(world: World, name: str) -> None:
    for path in ("campaigns/{}", "imports/{}", "import-jobs/{}/rejects", "portfolios/{}"):
        reply = await world.call("GET", path.format(name), role=Role.MANAGER)
        assert reply.status in (400, 404), (path, reply.raw)
        assert "X-A" not in reply.headers


# --- languages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "es"),
        ("en", "en"),
        ("en-GB,en;q=0.9,es;q=0.8", "en"),
        ("de, es;q=0.5, en;q=0.2", "es"),
        ("de", "es"),
        ("en;q=nonsense, es", "es"),
        ("en;q=0", "es"),
        (",;,", "es"),
    ],
)
async def test_errors_speak_the_readers_language(
    world: World, header: str | None, language: str
) -> None:
    headers = {} if header is None else {"Accept-Language": header}
    reply = await world.call("GET", "me", headers=headers)
    assert reply.headers["Content-Language"] == language
    expected = {"es": "Hay que iniciar sesión.", "en": "You must log in."}
    assert reply.error["message"] == expected[language]


async def test_without_a_header_the_users_own_language_counts(world: World) -> None:
    body = {"username": "eve", "password": "x" * 12, "role": "agent", "language": "en"}
    await world.call("POST", "users", role=Role.ADMIN, json=body)
    login = {"username": "eve", "password": "x" * 12}
    token = str((await world.call("POST", "login", json=login)).json["token"])
    reply = await world.call("GET", "users", token=token)
    assert reply.error["message"] == "The role agent may not do this."
    spanish_too = {"Accept-Language": "es"}
    reply = await world.call("GET", "users", token=token, headers=spanish_too)
    assert reply.error["message"] == "El rol agent no puede hacer esto."


async def test_what_the_decoder_says_is_told_in_spanish(world: World) -> None:
    body = {"name": "c", "portfolio_id": "p", "settings": {"retry": {"min_gap_s": -1}}}
    reply = await world.call("POST", "campaigns", role=Role.MANAGER, json=body)
    assert reply.error["where"] == "settings.retry.min_gap_s"
    assert reply.error["message"] == "Un dato no es válido: se esperaba `int` >= 0."
    body = {"name": "c", "portfolio_id": "p", "settings": {"timezone": "Marte/Olimpo"}}
    reply = await world.call("POST", "campaigns", role=Role.MANAGER, json=body)
    assert "debe ser una zona IANA" in reply.error["message"]
    english = {"Accept-Language": "en"}
    reply = await world.call("POST", "campaigns", role=Role.MANAGER, json=body, headers=english)
    assert "must be an IANA zone" in reply.error["message"]


@pytest.mark.parametrize(
    "sentence",
    [
        "Object missing required field `x`",
        "Object contains unknown field `x`",
        "Expected `int`, got `str`",
        "Expected `int | null`, got `array`",
        "Expected `int` >= 1",
        "Expected `str` of length <= 100",
        "Expected `str` matching regex '^[A-Z]{2}$'",
        "Invalid enum value 'x'",
        "Invalid value 'x'",
        "Invalid RFC3339 encoded datetime",
        "`mode` must be one of a, b, not c",
        "`dpd_from` must not be above dpd_to (3)",
    ],
)
def test_every_usual_sentence_has_its_spanish(sentence: str) -> None:
    assert spanish(sentence) != sentence
    assert "Expected" not in spanish(sentence)


def test_every_problem_is_complete_in_both_languages() -> None:
    statuses = {problem.status for problem in PROBLEMS.values()}
    assert statuses <= {400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503, 507}
    for problem in PROBLEMS.values():
        names = [
            set(re.findall(r"\{(\w+)\}", es + en))
            for es, en in ((problem.es, problem.mend_es), (problem.en, problem.mend_en))
        ]
        assert names[0] == names[1], problem.code
        error = ApiError(problem, es="algo", en="something", **VALUES)
        for language in Language:
            told = error.answer(language).error
            assert told.message, problem.code
            assert told.mend, problem.code
            assert "{" not in told.message + told.mend, problem.code


# --- around every answer -------------------------------------------------------------------------


async def test_every_answer_has_an_id_and_is_not_kept_or_guessed(world: World) -> None:
    for path in ("/healthz", "me", "/api/v1/openapi.json", "/nowhere"):
        reply = await world.call("GET", path)
        assert re.fullmatch(r"[0-9A-Z]{26}", reply.headers["X-Request-Id"])
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cache-Control"] == "no-store"
        assert "aiohttp" not in reply.headers.get("Server", "")
    given = await world.call("GET", "me", headers={"X-Request-Id": "board-7.a_b"})
    assert given.headers["X-Request-Id"] == "board-7.a_b"
    odd = await world.call("GET", "me", headers={"X-Request-Id": "a b<script>"})
    assert "script" not in odd.headers["X-Request-Id"]


async def test_a_ledger_that_is_away_is_told_without_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await world.token_of(Role.ADMIN)

    def away() -> None:
        raise LedgerUnavailable(Trouble.UNREACHABLE, "postgresql://secret-host/db", "gone")

    monkeypatch.setattr(world.ledger, "read", away)
    reply = await world.call("GET", "users", token=token)
    assert (reply.status, reply.code) == (503, "store_unavailable")
    assert int(reply.headers["Retry-After"]) > 0
    assert b"secret-host" not in reply.raw
    assert msgspec.json.decode(reply.raw, type=ErrorAnswer).error.mend
