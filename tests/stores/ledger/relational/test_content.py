"""Versions of texts and flows: nobody approves their own, nothing with an error gets through."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from campaigns.content.lifecycle import (
    TRANSITIONS,
    ContentAction,
    ContentState,
    ImpossibleContentAction,
)
from campaigns.content.samples import sample_templates
from campaigns.content.template import Template, template_hash
from campaigns.flows.model import Flow, flow_hash
from campaigns.flows.samples import sample_flows
from dialer.stores.ledger import migrations
from dialer.stores.ledger.audit import list_audit
from dialer.stores.ledger.content import (
    ContentKind,
    ContentRefused,
    ContentVersion,
    SamePerson,
    VersionInfo,
    act_on_version,
    approved_template,
    approved_version,
    create_version,
    get_version,
    list_versions,
)
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.ledger.previews import preview_rows
from tests.campaigns.content.build import neutral
from tests.campaigns.flows.build import STOP, flow, gather, said
from tests.stores.ledger.relational.world import NOW_MS, account, bring_in, new_context

GOOD = sample_templates()[0]
A = ContentAction
S = ContentState


async def made(ledger: Ledger, document: Template | Flow, author: str = "ana") -> ContentVersion:
    async with ledger.write() as conn:
        return await create_version(conn, document, actor=author, now_ms=NOW_MS)


async def act(
    ledger: Ledger, version: ContentVersion, action: ContentAction, actor: str = "ana"
) -> VersionInfo:
    info = version.info
    return await act_on_version(
        ledger, info.kind, info.name, info.version, action, actor=actor, now_ms=NOW_MS + 1
    )


async def approve(ledger: Ledger, version: ContentVersion) -> VersionInfo:
    await act(ledger, version, A.SUBMIT)
    return await act(ledger, version, A.APPROVE, "carla")


@pytest.mark.parametrize("document", [GOOD, sample_flows()[0]], ids=["template", "flow"])
async def test_the_life_of_a_version(ledger: Ledger, document: Template | Flow) -> None:
    first = await made(ledger, document)
    assert (first.info.version, first.info.state) == (1, S.DRAFT)
    submitted = await act(ledger, first, A.SUBMIT)
    assert (submitted.state, submitted.submitted_by) == (S.SUBMITTED, "ana")
    approved = await act(ledger, first, A.APPROVE, "carla")
    assert (approved.state, approved.approved_by) == (S.APPROVED, "carla")
    async with ledger.read() as conn:
        found = await approved_version(conn, first.info.kind, first.info.name)
        trail = [(e.action, e.target, e.actor) for e in await list_audit(conn)]
    assert found is not None
    assert found.info == approved
    target = f"{document.name}/1"
    kind = first.info.kind
    assert trail[:3] == [
        (f"{kind}.approve", target, "carla"),
        (f"{kind}.submit", target, "ana"),
        (f"{kind}.create", target, "ana"),
    ]


async def test_versions_are_numbered_and_the_hash_is_the_documents(ledger: Ledger) -> None:
    one, two = await made(ledger, GOOD), await made(ledger, GOOD)
    other = await made(ledger, sample_flows()[0])
    assert (one.info.version, two.info.version, other.info.version) == (1, 2, 1)
    assert isinstance(two.document, Template)
    assert two.document.version == 2
    assert two.info.sha256 == template_hash(two.document) != one.info.sha256
    assert isinstance(other.document, Flow)
    assert other.info.sha256 == flow_hash(other.document)
    async with ledger.read() as conn:
        listed = await list_versions(conn, ContentKind.TEMPLATE, name=GOOD.name)
        again = await get_version(conn, ContentKind.TEMPLATE, GOOD.name, 2)
    assert [v.version for v in listed] == [2, 1]
    assert again == two


async def test_of_one_name_one_version_is_approved(ledger: Ledger) -> None:
    old, new = await made(ledger, GOOD), await made(ledger, GOOD)
    await approve(ledger, old)
    await approve(ledger, new)
    async with ledger.read() as conn:
        states = [v.state for v in await list_versions(conn, ContentKind.TEMPLATE)]
        sender = await approved_template(conn, GOOD.name)
    assert states == [S.APPROVED, S.RETIRED]
    assert sender is not None
    assert sender.template == new.document
    assert (sender.author, sender.approved_by) == ("ana", "carla")


async def test_what_is_not_approved_cannot_be_sent(ledger: Ledger) -> None:
    version = await made(ledger, GOOD)
    for action in (None, A.SUBMIT):
        if action is not None:
            await act(ledger, version, action)
        async with ledger.read() as conn:
            assert await approved_template(conn, GOOD.name) is None
    await act(ledger, version, A.APPROVE, "carla")
    await act(ledger, version, A.RETIRE, "ana")
    async with ledger.read() as conn:
        assert await approved_template(conn, GOOD.name) is None


async def test_nobody_approves_what_they_wrote_or_submitted(ledger: Ledger) -> None:
    version = await made(ledger, GOOD)
    await act(ledger, version, A.SUBMIT, "berta")
    for actor in ("ana", "berta"):
        with pytest.raises(SamePerson):
            await act(ledger, version, A.APPROVE, actor)
    approved = await act(ledger, version, A.APPROVE, "carla")
    assert approved.state is S.APPROVED


BAD_FLOW = flow({"a": gather(k1="d"), "d": {"kind": "disclose", "text": said("Su deuda."),
                 "next": "bye"}, **STOP})  # fmt: skip


@pytest.mark.parametrize("bad", [neutral("Su deuda."), BAD_FLOW], ids=["template", "flow"])
async def test_what_has_an_error_stays_a_draft(ledger: Ledger, bad: Template | Flow) -> None:
    version = await made(ledger, bad)
    with pytest.raises(ContentRefused) as told:
        await act(ledger, version, A.SUBMIT)
    assert told.value.findings[0].code in ("debt_word", "disclosure_before_verification")
    # Even if somebody got it past the first door, the second one looks again.
    async with ledger.write() as conn:
        await conn.exec_driver_sql("UPDATE content_version SET state = 'submitted'")
    with pytest.raises(ContentRefused):
        await act(ledger, version, A.APPROVE, "carla")
    async with ledger.read() as conn:
        found = await get_version(conn, version.info.kind, bad.name, 1)
    assert found is not None
    assert found.info.approved_by is None


async def test_an_impossible_action_changes_nothing(ledger: Ledger) -> None:
    version = await made(ledger, GOOD)
    for state, action in itertools.product(S, A):
        if (state, action) in TRANSITIONS:
            continue
        async with ledger.write() as conn:
            await conn.exec_driver_sql(f"UPDATE content_version SET state = '{state.value}'")
        with pytest.raises(ImpossibleContentAction):
            await act(ledger, version, action, "carla")
        async with ledger.read() as conn:
            found = await get_version(conn, ContentKind.TEMPLATE, GOOD.name, 1)
            trail = [e for e in await list_audit(conn) if e.target == f"{GOOD.name}/1"]
        assert found is not None
        assert found.info.state is state
        assert [e.action for e in trail] == ["template.create"]


async def test_what_was_returned_may_be_submitted_again(ledger: Ledger) -> None:
    version = await made(ledger, GOOD)
    await act(ledger, version, A.SUBMIT)
    returned = await act(ledger, version, A.RETURN, "carla")
    assert (returned.state, returned.submitted_by) == (S.DRAFT, None)
    assert (await act(ledger, version, A.SUBMIT)).state is S.SUBMITTED


async def test_an_unknown_version_is_told(ledger: Ledger) -> None:
    version = await made(ledger, GOOD)
    with pytest.raises(LookupError, match="version 2"):
        await act_on_version(
            ledger, version.info.kind, GOOD.name, 2, A.SUBMIT, actor="ana", now_ms=NOW_MS
        )


async def test_two_approvals_at_once_leave_one_approved(ledger: Ledger) -> None:
    versions = [await made(ledger, GOOD) for _ in range(3)]
    for version in versions:
        await act(ledger, version, A.SUBMIT)
    await asyncio.gather(*(act(ledger, v, A.APPROVE, "carla") for v in versions))
    async with ledger.read() as conn:
        states = [v.state for v in await list_versions(conn, ContentKind.TEMPLATE)]
    assert sorted(states) == [S.APPROVED, S.RETIRED, S.RETIRED]


async def test_versions_made_at_once_have_numbers_of_their_own(ledger: Ledger) -> None:
    numbered = await asyncio.gather(*(made(ledger, GOOD) for _ in range(4)))
    assert sorted(v.info.version for v in numbered) == [1, 2, 3, 4]


async def test_rows_for_a_preview_are_real(ledger: Ledger) -> None:
    context = await new_context(ledger)
    await bring_in(ledger, context, account("A-1"), account("A-2"))
    async with ledger.read() as conn:
        rows = await preview_rows(conn, context.portfolio.portfolio_id, limit=1)
        everything = await preview_rows(conn, context.portfolio.portfolio_id, limit=9)
        with pytest.raises(LookupError):
            await preview_rows(conn, "nobody", limit=1)
    assert len(rows) == 1
    assert len(everything) == 2
    assert {"first_name", "amount", "balance_as_of", "reference"} <= set(rows[0].of_person)
    assert rows[0].of_portfolio["company"] == context.portfolio.creditor_name_neutral


async def test_a_ledger_of_the_first_release_gets_the_table(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql("INSERT INTO note VALUES ('n', NULL, NULL, 'kept', 'ana', 1)")
    engine.dispose()
    ledger = await open_ledger(f"sqlite+aiosqlite:///{path}", now_ms=NOW_MS)
    await made(ledger, GOOD)
    async with ledger.read() as conn:
        assert (await conn.exec_driver_sql("SELECT text FROM note")).scalar() == "kept"
    await ledger.close()
