"""The sample generator: the same for the same seed, importable, and made of nobody's numbers."""

from __future__ import annotations

import io
import re
from datetime import date
from itertools import pairwise

import phonenumbers
import pytest

from campaigns.portfolio.errors import PortfolioError
from campaigns.portfolio.importer import ImportSettings, PortfolioReader, read_portfolio
from campaigns.portfolio.model import ImportedAccount, RejectedRow
from campaigns.portfolio.proposal import propose_profile
from campaigns.portfolio.sharing import PhoneIndex
from campaigns.sample.generator import (
    COUNTRIES,
    Book,
    SampleCounts,
    SampleSettings,
    generate,
    layout_for,
)
from compliance.types import ContactPointKind, PartyRole

TODAY = date(2026, 11, 23)
PHONES = (ContactPointKind.PHONE, ContactPointKind.WHATSAPP)


def sample(
    country: str,
    accounts: int,
    *,
    seed: int = 7,
    dirt: bool = True,
    book: Book = Book.AGENCY,
) -> tuple[bytes, SampleCounts]:
    raw = io.BytesIO()
    layout = layout_for(country)
    with io.TextIOWrapper(raw, layout.encoding, errors="replace", newline="") as out:
        counts = generate(
            out,
            SampleSettings(
                country=country, accounts=accounts, seed=seed, today=TODAY, dirt=dirt, book=book
            ),
        )
        out.flush()
        return raw.getvalue(), counts


def imported(
    data: bytes, country: str
) -> tuple[list[ImportedAccount], list[RejectedRow], PortfolioReader]:
    proposal = propose_profile(data, country)
    assert proposal.problems == ()
    assert proposal.unmapped == ()
    assert len(proposal.doubts) == (country == "CO"), "only the channels to be declared"
    reader = read_portfolio(io.BytesIO(data), ImportSettings(profile=proposal.profile, today=TODAY))
    results = list(reader)
    return (
        [result for result in results if isinstance(result, ImportedAccount)],
        [result for result in results if isinstance(result, RejectedRow)],
        reader,
    )


@pytest.mark.parametrize("country", COUNTRIES)
def test_a_clean_sample_imports_to_the_last_row(country: str) -> None:
    data, counts = sample(country, 2000, dirt=False)
    accounts, rejects, reader = imported(data, country)
    assert rejects == []
    assert len(accounts) == counts.accounts == counts.rows == 2000
    assert set(reader.counts.warnings) <= {"phone_repeated"}
    assert all(account.holder.contact_points for account in accounts)
    layout = layout_for(country)
    dialect = propose_profile(data, country).profile.dialect
    assert (dialect.delimiter, dialect.encoding) == (layout.delimiter, layout.encoding)
    assert {account.currency for account in accounts} == {layout.currency}


@pytest.mark.parametrize("country", COUNTRIES)
def test_a_dirty_sample_is_accounted_for(country: str) -> None:
    data, counts = sample(country, 6000)
    accounts, rejects, reader = imported(data, country)
    found = reader.counts
    assert found.rows == counts.rows
    assert found.rows == found.accepted + found.rejected + found.ignored_duplicates
    assert 0 < len(rejects) <= counts.spoiled
    assert {reject.reason for reject in rejects} <= {
        "missing_name", "missing_id", "amount_not_a_number", "date_impossible",
        "duplicate_account", "row_wrong_field_count",
    }  # fmt: skip
    assert found.warnings["phone_dummy"] > 50
    for kind in ("cease", "attorney", "bankruptcy", "deceased", "dispute", "no_work_calls"):
        assert found.flags[f"{kind}:suppress"] > 0
    assert found.flags["legal_unclear:review"] > 0
    assert any(account.recalled for account in accounts)


def test_the_same_seed_writes_the_same_bytes() -> None:
    assert sample("CL", 500)[0] == sample("CL", 500)[0]
    assert sample("CL", 500, seed=8)[0] != sample("CL", 500)[0]


def test_a_longer_sample_begins_like_a_shorter_one() -> None:
    short, long = sample("MX", 300)[0], sample("MX", 600)[0]
    assert long.startswith(short[: len(short) - 2])


def test_north_american_numbers_are_the_fictional_ones() -> None:
    accounts, _, _ = imported(sample("US", 3000)[0], "US")
    addresses = {
        point.address
        for account in accounts
        for party in account.parties
        for point in party.contact_points
        if point.kind in PHONES
    }
    assert len(addresses) > 1000
    assert all(re.fullmatch(r"\+1\d{3}55501\d\d", address) for address in addresses)


@pytest.mark.parametrize("country", ["CL", "CO", "MX", "PE"])
def test_latin_american_numbers_are_valid_and_count_up(country: str) -> None:
    accounts, _, _ = imported(sample(country, 1500, dirt=False)[0], country)
    for account in accounts[:300]:
        for party in account.parties:
            for point in party.contact_points:
                if point.kind in PHONES:
                    number = phonenumbers.parse(point.address)
                    assert phonenumbers.is_valid_number_for_region(number, country)
    numbers = sorted(
        {
            int(point.address)
            for account in accounts
            for point in account.holder.contact_points
            if point.kind is ContactPointKind.PHONE
        }
    )
    gaps = [after - before for before, after in pairwise(numbers)]
    assert sum(gap < 20 for gap in gaps) > 0.9 * len(gaps)


def test_shares_of_a_chilean_agency_portfolio() -> None:
    accounts, _, _ = imported(sample("CL", 20_000, dirt=False)[0], "CL")
    count = len(accounts)

    def share(of: int) -> float:
        return of / count

    totals = sorted(account.debts[0].total_cents for account in accounts)
    assert 0.41 < share(sum(total < 300_000 for total in totals)) < 0.46
    assert 0.15 < share(sum(total > 3_000_000 for total in totals)) < 0.18
    dpds = [account.dpd or 0 for account in accounts]
    assert min(dpds) > 0  # an agency has nothing that is not yet due
    assert 0.23 < share(sum(dpd > 360 for dpd in dpds)) < 0.27
    roles = [{party.role for party in account.parties} for account in accounts]
    assert 0.33 < share(sum(PartyRole.REFERENCE in r for r in roles)) < 0.37
    assert 0.10 < share(sum(PartyRole.GUARANTOR in r for r in roles)) < 0.14
    people: dict[str, int] = {}
    for account in accounts:
        people[account.holder.match_key] = people.get(account.holder.match_key, 0) + 1
    alone = sum(number == 1 for number in people.values()) / len(people)
    assert 0.57 < alone < 0.63
    index = PhoneIndex()
    index.add(accounts)
    assert any(True for _ in index.shared())
    assert any(True for _ in index.also_reference())


def test_a_banks_own_book_is_younger() -> None:
    accounts, _, _ = imported(sample("PE", 5000, dirt=False, book=Book.OWN_BANK)[0], "PE")
    dpds = [account.dpd or 0 for account in accounts]
    assert 0.17 < sum(dpd <= 0 for dpd in dpds) / len(dpds) < 0.23
    assert {str(account.stage) for account in accounts} == {
        "preventiva", "administrativa", "extrajudicial", "prejudicial", "castigo"
    }  # fmt: skip


def test_progress_is_told() -> None:
    seen: list[int] = []
    settings = SampleSettings(country="CO", accounts=2500, seed=1, today=TODAY)
    generate(io.StringIO(newline=""), settings, seen.append)
    assert seen == [1000, 2000]


@pytest.mark.parametrize(("country", "accounts"), [("XX", 10), ("CL", 0), ("CL", 10**9)])
def test_settings_that_make_no_sense_are_refused(country: str, accounts: int) -> None:
    settings = SampleSettings(country=country, accounts=accounts, seed=1, today=TODAY)
    with pytest.raises(PortfolioError) as caught:
        generate(io.StringIO(newline=""), settings)
    assert caught.value.mend.es
