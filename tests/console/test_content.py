"""Texts and flows over HTTP: who writes, who approves, what is refused, what a preview shows."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from campaigns.content.render import MergeValue
from campaigns.content.samples import sample_templates
from campaigns.content.sending import SendPolicy
from campaigns.content.template import Template
from campaigns.flows.model import Flow
from campaigns.flows.samples import sample_flows
from dialer.console.previews import BLOT, Preview, preview
from dialer.stores.ledger.previews import PreviewRow
from dialer.stores.ledger.users import Role, set_role
from tests.campaigns.content.build import CHILE, neutral, values, verified
from tests.campaigns.flows.build import STOP, flow, gather, said
from tests.console.world import Json, Reply, World, now_ms
from tests.stores.ledger.relational.world import account, bring_in, new_context

GOOD = sample_templates()[0]
GOOD_FLOW = sample_flows()[0]
BAD_FLOW = flow(
    {
        "a": gather(k1="d"),
        "d": {"kind": "disclose", "text": said("Su deuda."), "next": "bye"},
        **STOP,
    }
)
SEND = SendPolicy()
DOCUMENTS = [("templates", GOOD), ("flows", GOOD_FLOW)]


async def add(world: World, place: str, document: Template | Flow) -> str:
    """A draft by a manager; returns its path."""
    made = await world.call("POST", place, role=Role.MANAGER, json=document)
    assert made.status == 201, made.raw
    info = made.json["info"]
    assert isinstance(info, dict)
    assert info["state"] == "draft"
    return f"{place}/{info['name']}/{info['version']}"


async def act(world: World, path: str, action: str, role: Role) -> Reply:
    body = {"comment": "no"} if action == "return" else None
    return await world.call("POST", f"{path}/{action}", role=role, json=body)


@pytest.mark.parametrize(("place", "document"), DOCUMENTS)
async def test_from_draft_to_approved_to_retired(
    world: World, place: str, document: Template | Flow
) -> None:
    path = await add(world, place, document)
    for action, role, state, possible in (
        ("submit", Role.MANAGER, "submitted", ["approve", "return", "retire"]),
        ("return", Role.COMPLIANCE, "draft", ["submit", "retire"]),
        ("submit", Role.ADMIN, "submitted", ["approve", "return", "retire"]),
        ("approve", Role.COMPLIANCE, "approved", ["retire"]),
        ("retire", Role.MANAGER, "retired", []),
    ):
        reply = await act(world, path, action, role)
        assert reply.status == 200, reply.raw
        assert (reply.json["state"], reply.json["possible"]) == (state, possible)
    again = await act(world, path, "submit", Role.MANAGER)
    assert (again.status, again.code) == (409, "impossible_content_action")
    name = path.split("/", 1)[1]
    trail = await world.call("GET", "audit", role=Role.COMPLIANCE, params={"target": name})
    entries = trail.json["entries"]
    assert isinstance(entries, list)
    assert len(entries) == 6
    listed = await world.call("GET", place, role=Role.SUPERVISOR, params={"state": "retired"})
    versions = listed.json["versions"]
    assert isinstance(versions, list)
    assert len(versions) == 1
    one = await world.call("GET", path, role=Role.SUPERVISOR)
    assert one.json["template" if place == "templates" else "flow"]


@pytest.mark.parametrize(
    ("place", "document", "where"),
    [
        ("templates", neutral("Su deuda es de $ 1.500."), "body:1"),
        ("flows", BAD_FLOW, "nodes.d"),
    ],
)
async def test_what_has_an_error_can_be_neither_submitted_nor_approved(
    world: World, place: str, document: Template | Flow, where: str
) -> None:
    path = await add(world, place, document)
    refused = await act(world, path, "submit", Role.MANAGER)
    assert (refused.status, refused.code) == (422, "content_refused")
    assert refused.error["where"].startswith(where)
    # The way round the first door is shut as well.
    async with world.ledger.write() as conn:
        await conn.exec_driver_sql("UPDATE content_version SET state = 'submitted'")
    approved = await act(world, path, "approve", Role.COMPLIANCE)
    assert (approved.status, approved.code) == (422, "content_refused")
    async with world.ledger.write() as conn:
        await conn.exec_driver_sql("UPDATE content_version SET state = 'draft'")
    late = await act(world, path, "approve", Role.COMPLIANCE)
    assert late.code == "impossible_content_action"


async def test_nobody_approves_what_they_wrote(world: World) -> None:
    """A manager who is given the role of compliance is still the author."""
    path = await add(world, "templates", GOOD)
    await act(world, path, "submit", Role.MANAGER)
    author = world.users[Role.MANAGER]
    await world.user(Role.ADMIN)
    async with world.ledger.write() as conn:
        await set_role(conn, author.user_id, Role.COMPLIANCE, actor="root", now_ms=now_ms())
    token = await world.token(author)
    own = await world.call("POST", f"{path}/approve", token=token)
    assert (own.status, own.code) == (409, "same_person")
    assert (await act(world, path, "approve", Role.COMPLIANCE)).status == 200


async def test_lint_and_proof_without_keeping_anything(world: World) -> None:
    bad = await world.call(
        "POST", "templates/lint", role=Role.MANAGER, json=neutral("Su d e u d a.")
    )
    assert bad.status == 200
    assert bad.json["ok"] is False
    findings = bad.json["findings"]
    assert isinstance(findings, list)
    assert [f["code"] for f in findings if isinstance(f, dict)] == ["debt_word"]
    proof = await world.call("POST", "flows/prove", role=Role.COMPLIANCE, json=BAD_FLOW)
    assert proof.json["ok"] is False
    found = proof.json["findings"]
    assert isinstance(found, list)
    first = found[0]
    assert isinstance(first, dict)
    path = first["path"]
    assert isinstance(path, list)
    assert [step["node"] for step in path if isinstance(step, dict)] == ["a", "d"]
    listed = await world.call("GET", "templates", role=Role.MANAGER)
    assert listed.json["versions"] == []


@pytest.mark.parametrize(
    ("place", "body", "where"),
    [
        ("templates", {"name": "x"}, "kind"),
        ("templates", {**msgspec.to_builtins(GOOD), "channel": "fax"}, "channel"),
        ("templates", {**msgspec.to_builtins(GOOD), "channel": "visit"}, ""),
        ("flows", {**msgspec.to_builtins(GOOD_FLOW), "start": "nowhere"}, ""),
        ("flows", {**msgspec.to_builtins(GOOD_FLOW), "nodes": {}}, "nodes"),
    ],
)
async def test_what_cannot_be_read(
    world: World, place: str, body: dict[str, Json], where: str
) -> None:
    reply = await world.call("POST", place, role=Role.MANAGER, json=body)
    assert (reply.status, reply.code) == (422, "bad_field")
    assert reply.error["where"] == where


@pytest.mark.parametrize("path", ["templates/x/1", "flows/x/1", "templates/x/0x1", "flows/x/-1"])
async def test_an_unknown_version(world: World, path: str) -> None:
    assert (await world.call("GET", path, role=Role.MANAGER)).code == "not_found"
    reply = await act(world, path, "retire", Role.MANAGER)
    assert (reply.status, reply.error["where"]) == (404, "version")


# --- previews ------------------------------------------------------------------------------------


async def test_a_preview_shows_real_rows_and_nobody(world: World) -> None:
    context = await new_context(world.ledger)
    await bring_in(world.ledger, context, account("A-1"), account("A-2"))
    portfolio_id = context.portfolio.portfolio_id
    path = await add(world, "templates", verified())
    body = {"portfolio_id": portfolio_id, "values": {"payment_methods": "transferencia"}}
    for role in (Role.MANAGER, Role.COMPLIANCE, Role.ADMIN):
        reply = await world.call("POST", f"{path}/preview", role=role, json=body)
        assert reply.status == 200, reply.raw
        shown = msgspec.json.decode(reply.raw, type=Preview)
        assert len(shown.rows) == 2
        assert "claim_route" in shown.examples
        for row in shown.rows:
            assert f"Hola, {BLOT}." in row.text or row.skipped is not None
    nowhere = await world.call(
        "POST", f"{path}/preview", role=Role.MANAGER, json={"portfolio_id": "x"}
    )
    assert (nowhere.status, nowhere.error["where"]) == (404, "portfolio_id")


def test_a_preview_tells_who_would_be_skipped_and_shows_no_value_of_a_person() -> None:
    known = values()
    own = {"first_name", "person_name", "reference", "overdue", "amount", "balance_as_of"}
    of_person = {name: value for name, value in known.items() if name in own}
    rest = {name: value for name, value in known.items() if name not in own}
    rows = [
        PreviewRow(country="CL", of_person=of_person, of_portfolio=rest),
        PreviewRow(
            country="CL",
            of_person={**of_person, "balance_as_of": datetime(2020, 1, 1, tzinfo=UTC)},
            of_portfolio=rest,
        ),
        PreviewRow(country="CL", of_person={**of_person, "first_name": ""}, of_portfolio=rest),
    ]
    made = preview(verified(), rows, {}, now=CHILE.now, policy=SEND)
    good, old, empty = made.rows
    assert good.skipped is None
    assert f"tiene {BLOT} sin pagar" in good.text
    assert old.skipped == "balance_too_old"
    assert (empty.skipped, empty.fields) == ("missing_value", ("first_name",))
    everything = msgspec.json.encode(made).decode()
    for secret in ("María", "123", "4821", "2026"):
        assert secret not in everything


def test_an_sms_is_counted_with_the_true_values() -> None:
    company: dict[str, MergeValue] = {"company": "Servicios BP"}
    rows = [
        PreviewRow(country="CL", of_person={"first_name": name}, of_portfolio=company)
        for name in ("Ana", "Inés", "Íñigo")
    ]
    shown = preview(neutral(), rows, {}, now=CHILE.now, policy=SEND).rows
    counted = [row.segments.encoding for row in shown if row.segments is not None]
    assert counted == ["gsm7", "gsm7", "ucs2"]
    assert len({row.text for row in shown}) == 1
