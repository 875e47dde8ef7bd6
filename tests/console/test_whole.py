"""The real engine behind the real API: what a manager, an agent and compliance do in one shift."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.content.samples import sample_templates
from campaigns.dispositions import DispositionCode as Code
from compliance.types import Mode
from dialer.config import HttpConfig
from dialer.console.contact_log import ContactLog
from dialer.console.previews import Preview
from dialer.console.routes.evidence import DecisionList
from dialer.console.server import serve
from dialer.core.desk_messages import DebtView
from dialer.runtime.explaining import Story
from dialer.runtime.services import EngineServices
from dialer.stores.ledger.schema import debt, person
from dialer.stores.ledger.screens import read_person_on_screen
from dialer.stores.ledger.users import Role
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import Originate
from telephony_adapters.simulator.heard import Intent
from telephony_adapters.simulator.world import DialPlan
from tests.console.test_campaigns import Reader
from tests.console.world import AgentClient, Json, Site, until
from tests.support.fixed_world import FixedWorld, answered
from tests.support.house import House, open_house

DEBT_FIELDS = set(DebtView.__struct_fields__) - {"currency"}


def everybody_answers(command: Originate) -> DialPlan:
    return answered(command.call_id, talk_s=40.0, intent=Intent.WILLING)


@asynccontextmanager
async def open_site(folder: Path, redis_url: str) -> AsyncIterator[tuple[House, Site]]:
    async with (
        open_house(folder, redis_url, FixedWorld(default=everybody_answers)) as house,
        serve(EngineServices(house.marcador), HttpConfig(port=0)) as url,
        aiohttp.ClientSession(url, cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        yield house, Site(house.marcador.ledger, url, http)


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


async def start_campaign(site: Site, portfolio_id: str) -> str:
    body = {
        "name": "mayo",
        "portfolio_id": portfolio_id,
        "settings": {"mode": Mode.PROGRESSIVE},
    }
    made = await site.call("POST", "campaigns", role=Role.MANAGER, json=body)
    assert made.status == 201, made.raw
    campaign_id = str(made.json["campaign_id"])
    started = await site.call("POST", f"campaigns/{campaign_id}/start", role=Role.MANAGER)
    assert started.json["state"] == "running", started.raw
    return campaign_id


class Ears:
    """An agent's client that keeps every word."""

    def __init__(self, client: AgentClient) -> None:
        self.client = client
        self.heard: list[dict[str, Json]] = []

    async def until(self, kind: str) -> dict[str, Json]:
        while True:
            message = await self.client.hear()
            self.heard.append(message)
            if message["type"] == kind:
                return message
            assert message["type"] != "refused", message


def fields_of(value: Json) -> set[str]:
    """Names of all fields, of nested objects and lists too, that hold something."""
    if isinstance(value, dict):
        own = {name for name, inner in value.items() if inner not in (None, [], {})}
        return own.union(*(fields_of(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(fields_of(inner) for inner in value))
    return set()


async def truth(house: House, call_id: str) -> dict[str, str]:
    contact = house.engine.outcomes.contacts[call_id].contact
    person = await read_person_on_screen(
        house.marcador.ledger, contact.person_id, contact.account_id, contact.point.contact_point_id
    )
    known = {
        "document_last4": person.identity.document_number,
        "contract": person.identity.contract,
    }
    return {name: value for name, value in known.items() if value}


async def test_an_agent_hears_of_no_debt_before_the_identity_check_is_recorded(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_site(tmp_path, redis_url) as (house, site):
        await start_campaign(site, house.portfolio.portfolio_id)
        token = await site.token(await site.user(Role.AGENT, "ana"))
        ears = Ears(await site.socket(token))
        await ears.until("snapshot")
        await ears.client.say(type="ready")
        call = (await ears.until("call_connected"))["call"]
        assert isinstance(call, dict)
        call_id = str(call["call_id"])
        answers = await truth(house, call_id)
        wrong = {"document_last4": "0000", "contract": "none"}
        await ears.client.say(type="check_identity", call_id=call_id, answers=wrong)
        assert (await ears.until("identity_result"))["passed"] is False
        # A new connection gets the whole screen again: as neutral as it was.
        again = Ears(await site.socket(token))
        await again.until("snapshot")
        state = await site.call("GET", "agent", token=token)
        me = await site.call("GET", "me", token=token)
        before: list[Json] = [*ears.heard, *again.heard, state.json, me.json]
        assert not DEBT_FIELDS & fields_of(before), "debt data before the identity check"
        numbers = msgspec.json.encode(before)
        contact = house.engine.outcomes.contacts[call_id].contact
        assert contact.point.address.encode() not in numbers, "the phone number is masked"
        for value in answers.values():
            assert value.encode() not in numbers, "what is asked is never told"

        await again.client.say(type="check_identity", call_id=call_id, answers=answers)
        passed = await again.until("identity_result")
        assert passed["passed"] is True
        assert fields_of(passed["debts"]) | {"original_creditor", "overdue_cents"} >= DEBT_FIELDS
        await again.until("call_over")
        await again.client.say(type="dispose", call_id=call_id, code=Code.WILLING_NO_DATE)
        assert (await again.until("disposed"))["by"] == "agent"


async def test_no_door_of_the_api_shows_an_agent_more(tmp_path: Path, redis_url: str) -> None:
    """Whatever ids an agent learns, the routes that know debts and people are shut."""
    async with open_site(tmp_path, redis_url) as (house, site):
        await start_campaign(site, house.portfolio.portfolio_id)
        token = await site.token(await site.user(Role.AGENT, "ana"))
        ears = Ears(await site.socket(token))
        await ears.client.say(type="ready")
        call = (await ears.until("call_connected"))["call"]
        assert isinstance(call, dict)
        call_id = str(call["call_id"])
        person_id = house.engine.outcomes.contacts[call_id].contact.person_id
        for path in (
            f"decisions/{call_id}",
            f"decisions/{call_id}/explanation",
            f"explanations?of={call_id}",
            f"people/{person_id}/contacts",
            "decisions",
            "reviews",
            "agents",
            "campaigns",
            "portfolios",
            "templates",
            "templates/first-overdue-es/1",
            "flows",
            "flows/promise-dtmf/1",
        ):
            reply = await site.call("GET", path, token=token)
            assert (reply.status, reply.code) == (403, "forbidden"), path
        portfolio_id = house.portfolio.portfolio_id
        for path in ("templates/first-overdue-es/1/preview", "templates/lint", "flows/prove"):
            asked = {"portfolio_id": portfolio_id}
            reply = await site.call("POST", path, token=token, json=asked)
            assert (reply.status, reply.code) == (403, "forbidden"), path


async def test_a_preview_leaks_no_debt_and_no_person_to_any_role(
    tmp_path: Path, redis_url: str
) -> None:
    """Every sample over the whole imported portfolio: nothing of the ledger's people comes out."""
    async with open_site(tmp_path, redis_url) as (house, site):
        async with house.marcador.ledger.read() as conn:
            secrets = await secrets_of_everybody(conn)
        assert len(secrets) > 60
        for template in sample_templates():
            if template.language == "en" and template.kind != "first_overdue":
                continue  # the same fields as its Spanish sister
            added = await site.call("POST", "templates", role=Role.MANAGER, json=template)
            assert added.status == 201, added.raw
            for role in Role:
                asked = 20 if role is Role.MANAGER else 2
                body = {"portfolio_id": house.portfolio.portfolio_id, "rows": asked}
                reply = await site.call(
                    "POST", f"templates/{template.name}/1/preview", role=role, json=body
                )
                if role in (Role.AGENT, Role.SUPERVISOR):
                    assert (reply.status, reply.code) == (403, "forbidden")
                    continue
                rows = msgspec.json.decode(reply.raw, type=Preview).rows
                assert len(rows) == asked
                for row in rows:
                    told = f"{row.sender_name} {row.subject} {row.text}"
                    assert not [s for s in secrets if s in told], (template.name, role)


async def secrets_of_everybody(conn: AsyncConnection) -> set[str]:
    """Names, references and amounts as the ledger has them, and as a text would tell them."""
    found: set[str] = set()
    people = await conn.execute(select(person.c.full_name))
    for (name,) in people:
        found |= {name, name.split()[0]} if len(name.split()[0]) > 3 else {name}
    debts = await conn.execute(select(debt.c.reference, debt.c.total_cents, debt.c.overdue_cents))
    for reference, *amounts in debts:
        found.add(reference[-4:])
        for cents in amounts:
            if cents is not None and cents >= 1_000:
                found |= {str(cents), f"{cents:,}".replace(",", ".")}
    return found


async def test_a_shift_as_manager_and_compliance_see_it(tmp_path: Path, redis_url: str) -> None:
    async with open_site(tmp_path, redis_url) as (house, site):
        campaign_id = await start_campaign(site, house.portfolio.portfolio_id)
        await until(lambda: campaign_id in house.engine.owned())
        token = await site.token_of(Role.SUPERVISOR)
        board = Reader(
            await site.http.get(
                f"/api/v1/campaigns/{campaign_id}/live/stream",
                headers={"Authorization": f"Bearer {token}"},
            )
        )
        agent = await site.user(Role.AGENT, "ana")
        ears = Ears(await site.socket(await site.token(agent)))
        await ears.client.say(type="ready")
        call = (await ears.until("call_connected"))["call"]
        assert isinstance(call, dict)
        call_id = str(call["call_id"])
        while (event := await board.next()).figures.connected == 0:
            pass
        assert event.figures.agents == {"on_call": 1}
        board.response.close()

        paused = await site.call("POST", f"campaigns/{campaign_id}/pause", role=Role.COMPLIANCE)
        assert paused.json["state"] == "paused"
        await ears.until("call_over")
        await ears.client.say(type="dispose", call_id=call_id, code=Code.NOT_VERIFIED)
        await ears.until("disposed")
        await ears.client.say(type="logout")
        assert await ears.client.closed() == 1000

        listed = await site.call(
            "GET", "decisions", role=Role.COMPLIANCE, params={"campaign_id": campaign_id}
        )
        decisions = msgspec.json.decode(listed.raw, type=DecisionList).decisions
        made = next(d for d in decisions if d.decision_id == call_id)
        told = await site.call("GET", "explanations", role=Role.COMPLIANCE, params={"of": call_id})
        story = msgspec.json.decode(told.raw, type=Story)
        assert story.decisions[0].explanation is not None
        assert story.decisions[0].explanation.allowed
        log = await site.call("GET", f"people/{made.person_id}/contacts", role=Role.COMPLIANCE)
        kinds = [entry.kind for entry in msgspec.json.decode(log.raw, type=ContactLog).entries]
        assert {"attempt_planned", "attempt_ended", "disposition_set"} <= set(kinds)
        ready = await site.call("GET", "/readyz")
        assert ready.json == {"problems": []}
