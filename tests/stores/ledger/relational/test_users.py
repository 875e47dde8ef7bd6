"""Users, passwords, tokens."""

from __future__ import annotations

import pytest

from dialer.stores.ledger.audit import list_audit
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.users import (
    Credentials,
    Language,
    Role,
    User,
    UserError,
    create_first_admin,
    create_token,
    create_user,
    credentials_of,
    get_user,
    hash_password,
    list_tokens,
    list_users,
    needs_rehash,
    revoke_token,
    set_active,
    set_password,
    set_role,
    user_of_token,
    verify_password,
)
from tests.stores.ledger.relational.world import NOW_MS, column

GOOD = "correct horse"


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(GOOD)


async def admin(ledger: Ledger, hashed: str) -> User:
    async with ledger.write() as conn:
        return await create_first_admin(
            conn, username="Root", password_hash=hashed, language=Language.ES, now_ms=NOW_MS
        )


async def agent(ledger: Ledger, hashed: str, username: str = "ana") -> User:
    async with ledger.write() as conn:
        return await create_user(
            conn,
            username=username,
            display_name="Ana",
            role=Role.AGENT,
            language=Language.EN,
            password_hash=hashed,
            actor="root",
            now_ms=NOW_MS,
        )


def test_passwords_are_hashed_with_argon2id_and_verified(hashed: str) -> None:
    assert hashed.startswith("$argon2id$")
    assert GOOD not in hashed
    assert hash_password(GOOD) != hashed
    assert verify_password(hashed, GOOD)
    assert not verify_password(hashed, GOOD + "!")
    assert not verify_password("damaged", GOOD)
    assert not verify_password(None, GOOD)
    assert not verify_password(hashed, "x" * 5_000)
    assert not needs_rehash(hashed)
    assert needs_rehash("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g")
    assert needs_rehash("damaged")


@pytest.mark.parametrize("password", ["", "short", "x" * 1_001])
def test_bad_passwords_are_refused(password: str) -> None:
    with pytest.raises(UserError, match="password"):
        hash_password(password)


async def test_the_first_admin_is_made_once(ledger: Ledger, hashed: str) -> None:
    made = await admin(ledger, hashed)
    assert (made.role, made.username, made.display_name) == (Role.ADMIN, "root", "Root")
    with pytest.raises(UserError, match="already"):
        await admin(ledger, hashed)


async def test_users_are_found_by_name_whatever_its_case(ledger: Ledger, hashed: str) -> None:
    await admin(ledger, hashed)
    made = await agent(ledger, hashed, " Ana ")
    async with ledger.read() as conn:
        found = await credentials_of(conn, "ANA")
        assert found == Credentials(user=made, password_hash=hashed)
        assert hashed not in repr(found)
        assert await credentials_of(conn, "nobody") is None
        assert await get_user(conn, made.user_id) == made
        assert await get_user(conn, "nobody") is None
        assert [user.username for user in await list_users(conn)] == ["ana", "root"]
    with pytest.raises(UserError, match="'ana' already"):
        await agent(ledger, hashed, "aNA")
    for bad in ("", "  ", "x" * 101, "a\nb"):
        with pytest.raises(UserError, match="no user name"):
            await agent(ledger, hashed, bad)


async def test_a_user_who_is_shut_out_is_out_with_all_tokens(ledger: Ledger, hashed: str) -> None:
    boss = await admin(ledger, hashed)
    made = await agent(ledger, hashed)
    async with ledger.write() as conn:
        token = await create_token(conn, made.user_id, name="ci", actor=boss.user_id, now_ms=NOW_MS)
        await set_active(conn, made.user_id, active=False, actor=boss.user_id, now_ms=NOW_MS)
    async with ledger.read() as conn:
        assert await credentials_of(conn, "ana") is None
        assert await user_of_token(conn, token.secret, now_ms=NOW_MS) is None
    async with ledger.write() as conn:
        await set_active(conn, made.user_id, active=True, actor=boss.user_id, now_ms=NOW_MS)
        assert await user_of_token(conn, token.secret, now_ms=NOW_MS) == made


async def test_an_admin_is_always_left(ledger: Ledger, hashed: str) -> None:
    boss = await admin(ledger, hashed)
    with pytest.raises(UserError, match="one active admin"):
        async with ledger.write() as conn:
            await set_active(conn, boss.user_id, active=False, actor=boss.user_id, now_ms=NOW_MS)
    with pytest.raises(UserError, match="one active admin"):
        async with ledger.write() as conn:
            await set_role(conn, boss.user_id, Role.AGENT, actor=boss.user_id, now_ms=NOW_MS)
    async with ledger.read() as conn:
        assert await get_user(conn, boss.user_id) == boss


async def test_changes_are_in_the_trail_and_secrets_are_not(ledger: Ledger, hashed: str) -> None:
    boss = await admin(ledger, hashed)
    made = await agent(ledger, hashed)
    async with ledger.write() as conn:
        await set_role(conn, made.user_id, Role.SUPERVISOR, actor=boss.user_id, now_ms=NOW_MS)
        await set_password(conn, made.user_id, "other", actor=boss.user_id, now_ms=NOW_MS)
        with pytest.raises(LookupError):
            await set_password(conn, "nobody", "other", actor=boss.user_id, now_ms=NOW_MS)
    async with ledger.read() as conn:
        trail = await list_audit(conn, target=made.user_id)
    assert [(entry.action, entry.detail) for entry in reversed(trail)] == [
        ("user.create", {"role": "agent"}),
        ("user.role", {"role": "supervisor"}),
        ("user.password", {}),
    ]


async def test_tokens_act_as_their_user_until_they_end(ledger: Ledger, hashed: str) -> None:
    boss = await admin(ledger, hashed)
    async with ledger.write() as conn:
        token = await create_token(
            conn,
            boss.user_id,
            name="nightly",
            actor=boss.user_id,
            now_ms=NOW_MS,
            expires_ms=NOW_MS + 10,
        )
        with pytest.raises(LookupError):
            await create_token(conn, "nobody", name="x", actor="x", now_ms=NOW_MS)
    assert token.secret not in repr(token)
    async with ledger.read() as conn:
        assert await user_of_token(conn, token.secret, now_ms=NOW_MS + 9) == boss
        assert await user_of_token(conn, token.secret, now_ms=NOW_MS + 10) is None
        assert await user_of_token(conn, token.secret + "x", now_ms=NOW_MS) is None
        (shown,) = await list_tokens(conn, boss.user_id)
        assert (shown.token_id, shown.name) == (token.token_id, "nightly")
    assert await column(
        ledger, "SELECT count(*) FROM api_token WHERE secret_sha256 = :secret", secret=token.secret
    ) == [0]
    async with ledger.write() as conn:
        await revoke_token(conn, token.token_id, actor=boss.user_id, now_ms=NOW_MS)
        with pytest.raises(LookupError, match="revoked"):
            await revoke_token(conn, token.token_id, actor=boss.user_id, now_ms=NOW_MS)
        assert await user_of_token(conn, token.secret, now_ms=NOW_MS) is None
