"""Texts that a flow sends in a call: approved, decided on, and in the thread; or refused."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import RowMapping, select

from campaigns.campaign import CampaignSettings, TextSettings
from campaigns.content.lifecycle import ContentAction
from campaigns.content.samples import sample_templates
from campaigns.content.template import Template
from campaigns.flows.model import Flow, Link, LinkPurpose, LinkTemplates
from campaigns.flows.samples import sample_flows
from compliance.messages import DecisionRecord
from compliance.types import Channel, ContentClass, Mode, SuppressionScope
from dialer.core.records import AttemptPlanned, ContactBlocked, SubjectChanged, to_ms
from dialer.core.writes import AddSuppression
from dialer.runtime.replaying import replay_sample
from dialer.runtime.safety import UnsafeDialing
from dialer.simulation.flows import approve
from dialer.stores.ledger.content import ContentKind, act_on_version
from dialer.stores.ledger.messages_schema import message
from dialer.stores.ledger.schema import attempt, enrolment
from dialer.stores.ledger.streams import NewEvent
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messaging import DeliveryState, Refusal
from telephony_adapters.simulator.message_script import (
    CALM,
    MessageFault,
    MessageRule,
    MessageScript,
)
from telephony_adapters.simulator.script import Doubt
from tests.runtime.flow_house import Person, call_somebody, ivr
from tests.runtime.test_flows import everybody_answers
from tests.support.fixed_world import FixedWorld
from tests.support.house import House, open_house
from tests.support.letters import FixedLetters

SPEED = 10.0
"""A key may come six simulated seconds after its question: time enough on a busy machine."""
LINK = "https://portal.example/v/7K2"
LINKS = TextSettings(values={"secure_link": LINK})
SENT, TO_AGENT = "Le enviamos el enlace", "Le paso con una persona"


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


def shipped(*names: str) -> list[Template]:
    return [template for template in sample_templates() if template.name in names]


TEXTS = shipped("link-sms-es", "link-sms-en")


def linking(links: TextSettings | None = LINKS) -> CampaignSettings:
    return ivr("self-service", links=links)


def writing_house(
    folder: Path, redis_url: str, script: MessageScript = CALM
) -> AbstractAsyncContextManager[House]:
    world = FixedWorld(default=everybody_answers)
    letters = FixedLetters()
    return open_house(folder, redis_url, world, speed=SPEED, letters=letters, message_script=script)


async def asks_for_the_link(house: House, settings: CampaignSettings | None = None) -> Person:
    """A verified person presses the key for a link."""
    await (await house.agent("ana")).ready()
    person = await call_somebody(house, settings or linking())
    await person.hears("For English, press 2")
    person.presses("1")
    await person.hears("¿Hablo con")
    person.presses("1")
    await person.verifies()
    await person.hears("Para recibir un enlace de pago, marque 1")
    return person


async def messages(house: House) -> list[RowMapping]:
    async with house.marcador.ledger.read() as conn:
        return list((await conn.execute(select(message))).mappings().all())


async def test_the_text_leaves_with_a_permit_of_its_own_and_stands_in_the_thread(
    tmp_path: Path, redis_url: str
) -> None:
    async with writing_house(tmp_path, redis_url) as house:
        await house.approve(*TEXTS)
        person = await asks_for_the_link(house)
        person.presses("1")
        await person.hears(SENT)
        (out,) = house.messenger.taken
        assert out.to == person.contact.point.address, "the number of the call"
        assert out.text.startswith("Servicios BP: ")
        assert LINK in out.text
        assert (await person.end()).code == "CD-IP"
        await house.engine.post.settled()
        (row,) = await messages(house)
        assert (row["author"], row["campaign_id"]) == ("flow:self-service/1", None)
        assert (row["template"], row["person_id"]) == ("link-sms-es/1", person.contact.person_id)
        planned = [b for b in await person.of(AttemptPlanned) if b.channel is Channel.SMS]
        assert [(b.mode, b.content_class) for b in planned] == [(Mode.BLAST, ContentClass.NEUTRAL)]
        decision = await house.engine.reader.read_decision(planned[0].attempt_id)
        assert decision is not None
        assert decision.record is not None
        record = msgspec.json.decode(decision.record, type=DecisionRecord)
        assert record.request.template_hash
        async with house.marcador.ledger.read() as conn:
            query = select(enrolment).where(enrolment.c.account_id == person.contact.account_id)
            standing = (await conn.execute(query)).one()
        assert (standing.state, standing.last_code) == ("waiting", "CD-IP"), "the call's, not its"
        report = await verify_ledger(house.marcador.ledger)
        assert report.holds, report.problems
        again = await replay_sample(house.marcador.ledger, sample=1_000, seed=1)
        assert again.holds, again.findings
        assert again.same == again.replayed == again.decisions > 1, "the text's among them"


async def test_whoever_stopped_our_messages_gets_none_and_comes_to_an_agent(
    tmp_path: Path, redis_url: str
) -> None:
    async with writing_house(tmp_path, redis_url) as house:
        await house.approve(*TEXTS)
        person = await asks_for_the_link(house)
        who = person.contact.person_id
        now_ms = to_ms(house.marcador.clock.now())
        stop = AddSuppression(
            person_id=who,
            suppression_id="stop",
            scope=SuppressionScope.CHANNEL,
            channel=Channel.SMS,
            reason="opt_out",
            starts_ms=now_ms,
            created_by="test",
        )
        body = SubjectChanged(change="opt_out", value=Channel.SMS)
        await house.engine.recorder.record(
            [NewEvent(person_id=who, at_ms=now_ms, body=body, writes=(stop,))]
        )
        person.presses("1")
        await person.hears(TO_AGENT)
        assert house.messenger.taken == ()
        refused = [b for b in await person.of(ContactBlocked) if b.channel is Channel.SMS]
        assert len(refused) == 1
        async with house.marcador.ledger.read() as conn:
            query = select(attempt).where(attempt.c.channel == "sms")
            assert (await conn.execute(query)).all() == []


@pytest.mark.parametrize(
    "fault",
    [MessageFault(reject=Refusal.INVALID_ADDRESS), MessageFault(doubt=Doubt.NOT_PLACED)],
    ids=["refused", "in doubt"],
)
async def test_what_the_provider_does_not_take_is_not_said_to_be_sent(
    tmp_path: Path, redis_url: str, fault: MessageFault
) -> None:
    script = MessageScript(rules=(MessageRule(fault=fault),))
    async with writing_house(tmp_path, redis_url, script) as house:
        await house.approve(*TEXTS)
        person = await asks_for_the_link(house)
        person.presses("1")
        await person.hears(TO_AGENT)
        assert not any(SENT in text for text in person.heard())
        (row,) = await messages(house)
        assert row["state"] != DeliveryState.SENT.value


async def test_without_settings_for_links_the_flow_goes_to_an_agent(
    tmp_path: Path, redis_url: str
) -> None:
    async with writing_house(tmp_path, redis_url) as house:
        person = await asks_for_the_link(house, linking(None))
        person.presses("1")
        await person.hears(TO_AGENT)
        assert await messages(house) == []


async def test_a_text_that_is_retired_meanwhile_is_not_sent(tmp_path: Path, redis_url: str) -> None:
    async with writing_house(tmp_path, redis_url) as house:
        await house.approve(*TEXTS)
        person = await asks_for_the_link(house)
        await retire(house, "link-sms-es")
        person.presses("1")
        await person.hears(TO_AGENT)
        assert house.messenger.taken == ()


async def retire(house: House, name: str) -> None:
    await act_on_version(
        house.marcador.ledger,
        ContentKind.TEMPLATE,
        name,
        1,
        ContentAction.RETIRE,
        actor="approver",
        now_ms=0,
    )


# --- starts that are refused -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "changes", "links", "words"),
    [
        ([], {}, LINKS, "text `link-sms-es` is not approved"),
        (TEXTS, {}, TextSettings(), r"set links\.values\.secure_link"),
        (TEXTS, {"en": "link-sms-es"}, LINKS, r"templates\.en is `link-sms-es`, written in es"),
        (
            [*TEXTS, *shipped("secure-link-en")],
            {"en": "secure-link-en"},
            LINKS,
            "is for sms and `secure-link-en` for whatsapp",
        ),
        (
            shipped("secure-link-es", "secure-link-en"),
            {"es": "secure-link-es", "en": "secure-link-en"},
            LINKS,
            r"set links\.provider_templates\.secure-link-es",
        ),
    ],
    ids=["approved", "values", "language", "channel", "provider's template"],
)
async def test_a_text_that_could_not_be_sent_keeps_the_campaign_from_starting(
    tmp_path: Path,
    redis_url: str,
    texts: list[Template],
    changes: dict[str, str],
    links: TextSettings,
    words: str,
) -> None:
    async with writing_house(tmp_path, redis_url) as house:
        await house.approve(*texts)
        names = {"es": "link-sms-es", "en": "link-sms-en", **changes}
        await approve(house.marcador.ledger, sends(LinkTemplates(**names)), 0)
        with pytest.raises(UnsafeDialing, match=words) as caught:
            await house.campaign(settings=linking(links))
        assert "`self-service`, node `link`" in caught.value.en
        assert "flujo `self-service`, nodo `link`" in caught.value.es
        assert house.carrier.placed == 0


def sends(templates: LinkTemplates, purpose: LinkPurpose = LinkPurpose.PAY) -> Flow:
    """The shipped flow, with another text."""
    made = next(flow for flow in sample_flows() if flow.name == "self-service")
    node = made.nodes["link"]
    assert isinstance(node, Link)
    link = msgspec.structs.replace(node, templates=templates, purpose=purpose)
    return msgspec.structs.replace(made, nodes={**made.nodes, "link": link})


async def test_before_verification_only_a_neutral_text_is_sent(
    tmp_path: Path, redis_url: str
) -> None:
    verified = [
        msgspec.structs.replace(template, channel=Channel.SMS)
        for template in shipped("promise-confirmation-es", "promise-confirmation-en")
    ]
    async with writing_house(tmp_path, redis_url) as house:
        await house.approve(*verified)
        texts = LinkTemplates(es="promise-confirmation-es", en="promise-confirmation-en")
        await approve(house.marcador.ledger, sends(texts, LinkPurpose.VERIFY), 0)
        with pytest.raises(UnsafeDialing, match="only texts of class neutral are sent"):
            await house.campaign(settings=linking())


async def test_nobody_to_carry_the_texts_is_told_before_anybody_is_called(
    tmp_path: Path, redis_url: str
) -> None:
    overrides = {"messages__sms": "none"}
    async with open_house(tmp_path, redis_url, FixedWorld(), overrides=overrides) as house:
        await house.approve(*TEXTS)
        texts = LinkTemplates(es="link-sms-es", en="link-sms-en")
        await approve(house.marcador.ledger, sends(texts), 0)
        with pytest.raises(UnsafeDialing, match=r"no provider carries sms"):
            await house.campaign(settings=linking())
