"""A text that a flow sends in a call: whose address, what it says, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import msgspec
import pytest

from campaigns.campaign import CampaignSettings, TextSettings
from campaigns.content.samples import sample_templates
from campaigns.content.sending import ApprovedTemplate
from campaigns.flows.model import LinkPurpose
from compliance.messages import Collector, Subject
from compliance.packs import PackSet
from compliance.types import (
    Channel,
    CollectorRole,
    ContactPointId,
    ContentClass,
    DebtStatus,
    LineType,
    Mode,
    PersonId,
    Purpose,
    SuppressionScope,
)
from dialer.core.deciding import CampaignContext
from dialer.core.link_planning import NotSent, link_campaign, missing_values, plan_link
from dialer.core.messages_planning import Asked, Send
from tests.core.test_messages import (
    ACCOUNT,
    CAMPAIGN,
    NOW,
    NUMBERS,
    PERSON,
    account,
    all_packs,
    stop,
    subject,
    values,
)

LINK = "https://portal.example/v/7K2"
TEXTS = TextSettings(values={"secure_link": LINK})
FLOW = "flow:self-service/1"
TEXT = next(template for template in sample_templates() if template.name == "link-sms-es")
MOBILE, FIXED = LineType.MOBILE, LineType.FIXED


@pytest.fixture(scope="module")
def packs() -> PackSet:
    return all_packs()


def planned(
    packs: PackSet,
    known: Subject,
    *,
    call_point: int = 0,
    purpose: LinkPurpose = LinkPurpose.PAY,
    texts: TextSettings = TEXTS,
    claims: ContentClass = ContentClass.NEUTRAL,
) -> Send | NotSent:
    ids = (f"id-{n}" for n in count())
    template = msgspec.structs.replace(TEXT, content_class=claims)
    approved = ApprovedTemplate(template=template, author="a", approved_by="b")
    calls = CampaignContext(
        campaign_id=CAMPAIGN,
        name="calls",
        settings=CampaignSettings(mode=Mode.IVR, flow="self-service", links=texts),
        collector=Collector(
            collector_id="house", role=CollectorRole.THIRD_PARTY, name_neutral="BP"
        ),
        lookback=timedelta(days=30),
    )
    asked = Asked(
        link_campaign(calls, texts, approved, purpose),
        [approved],
        packs,
        NOW,
        lambda: next(ids),
        10.0,
        lambda channel, point: None,
        author=FLOW,
    )
    whole = account(known)
    own = values()[ACCOUNT, PERSON]
    point = ContactPointId(f"point-{call_point}")
    return plan_link(whole, whole.people[0], own, point, asked)


@pytest.mark.parametrize(
    ("lines", "call_point", "goes_to"),
    [
        ((MOBILE, MOBILE), 0, NUMBERS[0]),
        ((MOBILE, MOBILE), 1, NUMBERS[1]),
        ((FIXED, MOBILE), 0, NUMBERS[1]),
    ],
    ids=["the call's", "the call's, though not the best", "the best: no SMS to the call's"],
)
def test_it_goes_to_the_number_of_the_call_if_that_takes_it(
    packs: PackSet, lines: tuple[LineType, ...], call_point: int, goes_to: str
) -> None:
    send = planned(packs, subject(lines=lines), call_point=call_point)
    assert isinstance(send, Send)
    assert send.keep.address == goes_to
    assert send.permit.channel is Channel.SMS


def test_it_belongs_to_no_campaign_and_is_the_flows_own(packs: PackSet) -> None:
    send = planned(packs, subject())
    assert isinstance(send, Send)
    assert (send.keep.campaign_id, send.body.campaign_id) == (None, None)
    assert (send.keep.author, send.keep.template) == (FLOW, "link-sms-es/1")
    assert LINK in send.prepared.text
    assert send.body.mode is Mode.BLAST


@pytest.mark.parametrize(
    ("purpose", "stated"),
    [(LinkPurpose.PAY, Purpose.COLLECTION), (LinkPurpose.VERIFY, Purpose.SERVICE)],
)
def test_a_way_to_pay_is_collection(packs: PackSet, purpose: LinkPurpose, stated: Purpose) -> None:
    send = planned(packs, subject(), purpose=purpose)
    assert isinstance(send, Send)
    assert send.body.purpose is stated


def test_an_opt_out_is_the_gates_to_see_and_on_record(packs: PackSet) -> None:
    stopped = subject(suppressions=(stop(SuppressionScope.CHANNEL, Channel.SMS),))
    refused = planned(packs, stopped)
    assert isinstance(refused, NotSent)
    assert refused.blocked is not None
    assert refused.blocked.body.channel is Channel.SMS
    assert refused.blocked.body.campaign_id is None


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (subject(opted_out=frozenset({0, 1})), "no_address:permitted_contact_point"),
        (subject(status=DebtStatus.PAID), "no_address:collectable_debt"),
        (subject(lines=(FIXED, FIXED)), "no_address:permitted_contact_point"),
    ],
)
def test_without_an_address_nothing_is_asked(packs: PackSet, known: Subject, reason: str) -> None:
    assert planned(packs, known) == NotSent(reason)


def test_a_value_that_is_missing_sends_nothing(packs: PackSet) -> None:
    refused = planned(packs, subject(), texts=TextSettings())
    assert refused == NotSent("text:missing_value:secure_link")


def test_a_shared_address_gets_neutral_texts_only(packs: PackSet) -> None:
    points = tuple(
        msgspec.structs.replace(point, shared_with=(PersonId("other"),))
        for point in subject().contact_points
    )
    shared = msgspec.structs.replace(subject(), contact_points=points)
    refused = planned(packs, shared, claims=ContentClass.VERIFIED)
    assert refused == NotSent("address_is_shared")


def test_what_the_settings_must_give_is_what_the_ledger_does_not_know() -> None:
    approved = ApprovedTemplate(template=TEXT, author="a", approved_by="b")
    assert missing_values(approved, TextSettings()) == ("secure_link",)
    assert missing_values(approved, TEXTS) == ()
