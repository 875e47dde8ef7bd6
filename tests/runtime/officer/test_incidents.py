"""Contacts that reached somebody else, and complaints: counted by campaign, told one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from compliance.types import EventKind
from dialer.runtime import incidents
from dialer.runtime.incidents import IncidentReport, complaints, wrong_parties
from dialer.runtime.suppression_files import read_list
from dialer.stores.ledger.oversight import Period
from tests.runtime.officer.world import ANA, LUIS, NOON, SHARED, House

WEEK = timedelta(days=7)
Behind = Callable[[str], None]


async def called(house: House, outcome: EventKind, code: str, behind: Behind) -> str:
    """Luis's number is called; what the agent said of it."""
    dial = await house.call("A-2", NOON, outcome=outcome)
    attempt_id = str(dial.contact.attempt_id)
    behind(
        f"UPDATE attempt SET code = '{code}', agent_id = 'eva' WHERE attempt_id = '{attempt_id}'"
    )
    return attempt_id


def only(report: IncidentReport) -> tuple[str, str | None, str | None]:
    (told,) = report.told
    return told.incident_id, told.address, told.agent_id


@pytest.mark.parametrize(
    ("outcome", "code", "kind"),
    [
        (EventKind.ANSWERED_WRONG_PARTY, "CI-TN", "wrong_party"),
        (EventKind.CONVERSATION, "CI-TN", "wrong_party"),
        (EventKind.ANSWERED_THIRD_PARTY, "CI-TM", "third_party"),
    ],
)
async def test_other_people(
    house: House, behind_its_back: Behind, outcome: EventKind, code: str, kind: str
) -> None:
    await house.call("A-1", NOON, outcome=EventKind.CONVERSATION)
    attempt_id = await called(house, outcome, code, behind_its_back)
    report = await wrong_parties(house.ledger, Period(campaign_id=house.campaign_id))
    assert only(report) == (attempt_id, SHARED, "eva")
    assert (report.total, report.by_kind[kind]) == (1, 1)
    (campaign,) = report.campaigns
    assert (campaign.campaign, campaign.live_answered) == ("morning", 2)
    assert campaign.by_kind == report.by_kind
    assert (await complaints(house.ledger, Period())).total == 0


@pytest.mark.parametrize("code", ["CD-QJ", "CD-RC"])
async def test_complaints_in_calls(house: House, behind_its_back: Behind, code: str) -> None:
    attempt_id = await called(house, EventKind.CONVERSATION, code, behind_its_back)
    report = await complaints(house.ledger, Period(portfolio_id=house.portfolio_id))
    assert only(report) == (attempt_id, SHARED, "eva")
    assert sum(report.campaigns[0].by_kind.values()) == report.total == 1
    assert report.by_kind["listed_complaint"] == 0
    assert (await wrong_parties(house.ledger, Period())).total == 0


async def test_complaints_of_lists_belong_to_no_campaign(house: House, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"document,reason\n{ANA},complaint\n{LUIS},manual\n")
    await read_list(house.ledger, file, rejects=tmp_path / "r.csv", actor="eva", now=NOON)
    report = await complaints(house.ledger, Period(portfolio_id=house.portfolio_id))
    (told,) = report.told
    assert (told.kind, told.person_id, told.campaign_id) == (
        "listed_complaint",
        house.people[ANA],
        None,
    )
    assert (report.total, report.campaigns) == (1, [])
    for none in (Period(campaign_id=house.campaign_id), Period(portfolio_id="other")):
        assert (await complaints(house.ledger, none)).total == 0


async def test_only_of_the_period_and_part_that_is_asked(
    house: House, behind_its_back: Behind
) -> None:
    await called(house, EventKind.ANSWERED_WRONG_PARTY, "CI-TN", behind_its_back)
    for none in (
        Period(until=NOON),
        Period(since=NOON + WEEK),
        Period(campaign_id="other"),
        Period(portfolio_id="other"),
    ):
        report = await wrong_parties(house.ledger, none)
        assert (report.total, report.told, report.campaigns) == (0, [], [])
    assert (await wrong_parties(house.ledger, Period(since=NOON, until=NOON + WEEK))).total == 1


async def test_all_are_counted_and_the_newest_told(
    house: House, behind_its_back: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "TOLD", 1)
    await house.call("A-1", NOON, outcome=EventKind.ANSWERED_WRONG_PARTY)
    later = await house.call("A-2", NOON + WEEK, outcome=EventKind.ANSWERED_THIRD_PARTY)
    report = await wrong_parties(house.ledger, Period())
    assert report.total == 2
    assert [told.incident_id for told in report.told] == [later.contact.attempt_id]
