"""The generator: accounts of made-up people, row by row, the same for the same seed.

Shares and distributions are the product's own assumptions about a collections portfolio, except:
Chilean amounts follow the published mean and quantiles of consumer debt (USS-Equifax 2025: 43 %
below CLP 300,000, 16.5 % above 3 million, mean 2.4 million), and United States amounts the median
collection tradeline of USD 382 (CFPB 2018-22).
"""

from __future__ import annotations

import csv
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from enum import StrEnum
from itertools import accumulate
from math import exp, log
from random import Random
from typing import NamedTuple, Protocol

from campaigns.portfolio.documents import rut_check_digit
from campaigns.portfolio.errors import PortfolioError
from campaigns.portfolio.model import Stage, Text
from campaigns.sample import lexicon
from campaigns.sample.dirt import spoil
from campaigns.sample.layouts import LAYOUTS, Layout, SampleRow, writer_of
from campaigns.sample.numbers import NumberSource, spelled
from compliance.messages import Message

MAX_ACCOUNTS = 5_000_000


class Book(StrEnum):
    """Whose portfolio it is; decides how old the debts are."""

    OWN_BANK = "own_bank"
    AGENCY = "agency"


class SampleSettings(Message, frozen=True, kw_only=True):
    country: str
    """One of `COUNTRIES`."""
    accounts: int
    """1 to 5 million; with dirt some of them are written twice or cannot be imported."""
    seed: int
    today: date
    dirt: bool = True
    """Dummy phones, impossible dates, duplicates, amounts that are no numbers ..."""
    book: Book = Book.AGENCY


class SampleCounts(Message, frozen=True, kw_only=True):
    accounts: int
    people: int
    rows: int
    """Rows written; dirt duplicates some accounts."""
    spoiled: int
    """Rows that dirt was put into on purpose, beside dummy phones."""


class TextSink(Protocol):
    """A text file opened with the layout's encoding, `errors="replace"` and `newline=""`."""

    def write(self, text: str, /) -> object: ...


COUNTRIES = tuple(sorted(LAYOUTS))


def layout_for(country: str) -> Layout:
    """How a country's sample file is written. Raises `PortfolioError` for another country."""
    layout = LAYOUTS.get(country.upper())
    if layout is None:
        raise PortfolioError(
            "sample_country_unknown",
            Text(
                es=f'No hay cartera de muestra para "{country}".',
                en=f'There is no sample portfolio for "{country}".',
            ),
            Text(es=f"Elija: {', '.join(COUNTRIES)}.", en=f"Choose: {', '.join(COUNTRIES)}."),
        )
    return layout


def generate(
    out: TextSink,
    settings: SampleSettings,
    on_row: Callable[[int], None] | None = None,
    numbers: Callable[[str, Random], NumberSource] = NumberSource,
) -> SampleCounts:
    """Write a portfolio with its header to `out`, streaming.

    `on_row` is told the number of accounts written, every thousand. `numbers` hands out the
    telephone numbers. Raises `PortfolioError` for settings that make no sense.
    """
    layout = layout_for(settings.country)
    if not 1 <= settings.accounts <= MAX_ACCOUNTS:
        raise PortfolioError(
            "sample_size",
            Text(
                es=f"{settings.accounts} cuentas no es posible.",
                en=f"{settings.accounts} accounts is not possible.",
            ),
            Text(es=f"Pida de 1 a {MAX_ACCOUNTS}.", en=f"Ask for 1 to {MAX_ACCOUNTS}."),
        )
    rng = Random(settings.seed)
    writer = csv.writer(out, delimiter=layout.delimiter, lineterminator=layout.newline)
    writer.writerow(layout.columns)
    cells_of = writer_of(layout)
    portfolio = _Portfolio(settings, layout, rng, numbers(layout.country, rng))
    rows = spoiled = 0
    for number, row in enumerate(portfolio, 1):
        cells = cells_of(row)
        if settings.dirt and rng.random() < _SPOILED_SHARE:
            spoiled += 1
            for version in spoil(cells, layout, rng):
                writer.writerow(version)
                rows += 1
        else:
            writer.writerow(cells)
            rows += 1
        if on_row is not None and number % 1000 == 0:
            on_row(number)
    return SampleCounts(
        accounts=settings.accounts, people=portfolio.people, rows=rows, spoiled=spoiled
    )


_SPOILED_SHARE = 0.004


class _Bucket(NamedTuple):
    first: int
    last: int
    stage: Stage


_BUCKETS = (
    _Bucket(-15, 0, Stage.PREVENTIVA),
    _Bucket(1, 30, Stage.ADMINISTRATIVA),
    _Bucket(31, 60, Stage.EXTRAJUDICIAL),
    _Bucket(61, 90, Stage.EXTRAJUDICIAL),
    _Bucket(91, 180, Stage.PREJUDICIAL),
    _Bucket(181, 360, Stage.PREJUDICIAL),
    _Bucket(361, 1460, Stage.CASTIGO),
)
_SHARES = {
    Book.OWN_BANK: tuple(accumulate((20, 32, 14, 8, 10, 8, 8))),
    Book.AGENCY: tuple(accumulate((0, 5, 10, 12, 25, 23, 25))),
}
_PHONES_PER_PERSON = tuple(accumulate((30, 34, 20, 10, 6)))
_ACCOUNTS_PER_PERSON = tuple(accumulate((60, 25, 10, 5)))


class _Amounts(NamedTuple):
    mu: float
    sigma: float
    least: int
    most: int


# Of the total, in whole units of the currency: lognormal, clipped.
_AMOUNTS = {
    "CL": _Amounts(12.94, 2.03, 5_000, 40_000_000),
    "CO": _Amounts(log(900_000), 1.4, 20_000, 80_000_000),
    "MX": _Amounts(log(6_500), 1.2, 200, 600_000),
    "PE": _Amounts(log(1_800), 1.2, 50, 150_000),
    "US": _Amounts(log(382), 1.2, 25, 25_000),
}

# Share of accounts with each flag, per thousand; `plain` notes mean nothing.
_FLAGS = (
    ("cease", 10), ("attorney", 6), ("bankrupt", 8), ("deceased", 5), ("dispute", 25),
    ("fraud", 3), ("vulnerable", 15), ("paid", 9), ("no_work", 9), ("wrong", 5), ("unclear", 2),
    ("opt_out", 20), ("recalled", 4), ("plain", 50),
)  # fmt: skip
_FLAG_NAMES = tuple(name for name, _ in _FLAGS)
_FLAG_SHARES = tuple(accumulate(share for _, share in _FLAGS))
_DUMMIES = ("1", "11111111", "0000000000", "9999999999", "123456789", "S/N", "no tiene", "N/A")
_RECENT = 4096
_DUMMY_SHARE = 0.03
_SHARED_SHARE = 0.06


class _Person(NamedTuple):
    document: str
    document_type: str
    first_name: str
    last_name: str
    second_last_name: str
    city: lexicon.City
    language: str
    phones: tuple[str, ...]
    """National digits; a dummy stands as it is typed."""
    work_phone: str
    whatsapp: bool
    email: str


class _Portfolio:
    """Iterates over the accounts of a portfolio; `people` counts the holders so far."""

    def __init__(
        self, settings: SampleSettings, layout: Layout, rng: Random, numbers: NumberSource
    ) -> None:
        self._settings = settings
        self._layout = layout
        self._country = layout.country
        self._random = rng.random
        self._rng = rng
        self._numbers = numbers
        self._recent: list[str] = []
        """Numbers of people before, from which shared ones are drawn."""
        self._is_us = layout.country == "US"
        self._due: dict[int, date] = {}
        self.people = 0

    def __iter__(self) -> Iterator[SampleRow]:
        left = self._settings.accounts
        number = 0
        while left:
            person = self._person()
            several = 1 + bisect(_ACCOUNTS_PER_PERSON, self._random() * 100)
            for _ in range(min(several, left)):
                yield self._account(number, person)
                number += 1
                left -= 1

    def _pick(self, values: Sequence[str]) -> str:
        return values[int(self._random() * len(values))]

    # --- people --------------------------------------------------------------------------------

    def _person(self) -> _Person:
        random = self._random
        index = self.people
        self.people += 1
        cities = lexicon.CITIES[self._country]
        city = cities[int(random() * len(cities))]
        legal = not self._is_us and random() < 0.04
        first, last, second = ("", "", "") if legal else self._names()
        document, document_type = self._document(index, legal)
        if legal:
            ending = {"CL": "SpA", "CO": "SAS", "MX": "SA de CV", "PE": "SAC"}[self._country]
            first = f"{self._pick(lexicon.COMPANY_STEMS)} {index} {ending}"
        usual = "en" if self._is_us else "es"
        return _Person(
            document=document,
            document_type=document_type,
            first_name=first,
            last_name=last,
            second_last_name=second,
            city=city,
            language={"en": "es", "es": "en"}[usual] if random() < 0.03 else usual,
            phones=tuple(self._phones(city)),
            work_phone=self._fixed(city) if random() < 0.12 else "",
            whatsapp=random() < 0.8,
            email=f"persona{index}@example.com" if random() < 0.55 else "",
        )

    def _names(self) -> tuple[str, str, str]:
        if self._is_us:
            return self._pick(lexicon.FIRST_NAMES_EN), self._pick(lexicon.LAST_NAMES_EN), ""
        first = self._pick(lexicon.FIRST_NAMES_ES)
        if self._random() < 0.6:
            first = f"{first} {self._pick(lexicon.FIRST_NAMES_ES)}"
        return (
            first,
            self._pick(lexicon.LAST_NAMES_ES),
            self._pick(lexicon.LAST_NAMES_ES),
        )

    def _document(self, index: int, legal: bool) -> tuple[str, str]:
        """A number that nobody else in the file has, and its type."""
        if self._country == "CL":
            body = (76_000_000 if legal else 5_000_000) + index * 7_919 % 20_000_000
            return f"{body}-{rut_check_digit(body)}", "RUT"
        if self._country == "CO":
            if legal:
                return str(900_000_000 + index), "NIT"
            return str(10_000_000 + index * 7_919 % 900_000_000), "CC"
        if self._country == "PE":
            if legal:
                return f"20{500_000_000 + index}", "RUC"
            return str(10_000_000 + index * 7_919 % 70_000_000), "DNI"
        if self._country == "MX":
            born = f"{60 + index % 40:02d}{1 + index // 40 % 12:02d}{1 + index // 480 % 28:02d}"
            rest = index // 13_440
            letters = "".join(chr(65 + rest // 26**at % 26) for at in range(3 if legal else 4))
            return f"{letters}{born}{_HOMOCLAVES[index % len(_HOMOCLAVES)]}", "RFC"
        return f"{int(self._random() * 10_000):04d}", "SSN4"

    def _phones(self, city: lexicon.City) -> Iterator[str]:
        random = self._random
        for _ in range(1 + bisect(_PHONES_PER_PERSON, random() * 100)):
            draw = random()
            if draw < _DUMMY_SHARE:
                if self._settings.dirt:
                    yield self._pick(_DUMMIES)
                    continue
            elif draw < _DUMMY_SHARE + _SHARED_SHARE and self._recent:
                yield self._pick(self._recent)
                continue
            if self._is_us:
                number = self._numbers.fictional(city.subdivision)
            elif random() < 0.85:
                number = self._numbers.mobile(city.area)
            else:
                number = self._numbers.fixed(city.area)
            if len(self._recent) < _RECENT:
                self._recent.append(number)
            else:
                self._recent[int(random() * _RECENT)] = number
            yield number

    def _fixed(self, city: lexicon.City) -> str:
        if self._is_us:
            return self._numbers.fictional(city.subdivision)
        return self._numbers.fixed(city.area)

    # --- accounts ------------------------------------------------------------------------------

    def _account(self, number: int, person: _Person) -> SampleRow:
        random = self._random
        bucket = _BUCKETS[bisect(_SHARES[self._settings.book], random() * 100)]
        dpd = bucket.first + int(random() * (bucket.last - bucket.first + 1))
        due = self._due.get(dpd)
        if due is None:
            due = self._due[dpd] = self._settings.today - timedelta(days=dpd)
        total, interest = self._money(dpd)
        flags, note = self._flags()
        reference = ("", "") if self._is_us else self._reference(person.city)
        guarantor = ("", "", "") if self._is_us else self._guarantor(number, person.city)
        consents = [self._consent(share) for share in (0.50, 0.40, 0.25)]
        phones = [self._spelled(phone) for phone in person.phones[: self._layout.phones]]
        return SampleRow(
            external_id=f"{self._country}{self._settings.seed % 100:02d}-{number:07d}",
            document=person.document,
            document_type=person.document_type,
            first_name=person.first_name,
            last_name=person.last_name,
            second_last_name=person.second_last_name,
            address=f"{1 + number * 37 % 9999} {'Test St' if self._is_us else 'Calle Prueba'}",
            city=person.city.name,
            subdivision=person.city.subdivision,
            postal_code=person.city.postal_code,
            language=person.language,
            product=self._pick(lexicon.PRODUCTS_ES),
            creditor=self._pick(lexicon.CREDITORS_US),
            stage=bucket.stage,
            principal_cents=total - interest,
            interest_cents=interest,
            total_cents=total,
            dpd=dpd,
            due_date=due,
            charge_off_date=self._charged_off(due, bucket.stage),
            phones=phones,
            phone_types=[self._pick(("", "cell", "home", "cell", "work")) for _ in phones],
            work_phone=self._spelled(person.work_phone) if person.work_phone else "",
            whatsapp="SI" if person.whatsapp else "NO",
            email=person.email,
            reference_name=reference[0],
            reference_phone=reference[1],
            guarantor_name=guarantor[0],
            guarantor_document=guarantor[1],
            guarantor_phone=guarantor[2],
            sms_consent=consents[0],
            whatsapp_consent=consents[1],
            recorded_consent=consents[2],
            consent_date=self._consent_date() if _YES & set(consents) else None,
            flags=flags,
            note=note,
        )

    def _money(self, dpd: int) -> tuple[int, int]:
        amounts = _AMOUNTS[self._country]
        value = exp(amounts.mu + amounts.sigma * self._rng.gauss(0.0, 1.0))
        units = min(max(value, amounts.least), amounts.most)
        total = int(units * 10**self._layout.exponent)
        share = 0.02 + self._random() * min(0.35, 0.03 + max(dpd, 0) / 1000)
        return total, int(total * share)

    def _charged_off(self, due: date, stage: Stage) -> date | None:
        """180 days after the due date; in the US that is when open-end credit must be."""
        return due + timedelta(days=180) if stage is Stage.CASTIGO else None

    def _flags(self) -> tuple[frozenset[str], str]:
        at = bisect(_FLAG_SHARES, self._random() * 1000)
        if at >= len(_FLAG_NAMES):
            return _NO_FLAGS, ""
        name = _FLAG_NAMES[at]
        notes = lexicon.NOTES_EN if self._is_us else lexicon.NOTES_ES
        return frozenset((name,)), self._pick(notes[name]) if name in notes else ""

    def _consent(self, share: float) -> str:
        draw = self._random()
        if draw < share:
            return "Y" if self._is_us else self._pick(("S", "SI", "1"))
        if draw < share + 0.04 or self._is_us:
            return "N" if self._is_us else "NO"
        return ""

    def _consent_date(self) -> date:
        return self._settings.today - timedelta(days=1 + int(self._random() * 400))

    def _reference(self, city: lexicon.City) -> tuple[str, str]:
        """Name and number of somebody who must never be called; two in a hundred owe as well."""
        if self._random() >= 0.35:
            return "", ""
        name = f"{self._pick(lexicon.FIRST_NAMES_ES)} {self._pick(lexicon.LAST_NAMES_ES)}"
        if self._recent and self._random() < 0.02:
            return name, self._spelled(self._pick(self._recent))
        return name, self._spelled(self._numbers.mobile(city.area))

    def _guarantor(self, number: int, city: lexicon.City) -> tuple[str, str, str]:
        if self._random() >= 0.12:
            return "", "", ""
        name = f"{self._pick(lexicon.FIRST_NAMES_ES)} {self._pick(lexicon.LAST_NAMES_ES)}"
        document = ""
        if self._country == "CL":
            body = 26_000_000 + number
            document = f"{body}-{rut_check_digit(body)}"
        return name, document, self._spelled(self._numbers.mobile(city.area))

    def _spelled(self, number: str) -> str:
        if number in _DUMMY_SET:
            return number
        return spelled(self._country, number, self._random())


_DUMMY_SET = frozenset(_DUMMIES)
_NO_FLAGS: frozenset[str] = frozenset()
_YES = frozenset(("Y", "S", "SI", "1"))
_HOMOCLAVES = tuple(f"{a}{b}{c}" for a in "ABCDEFGH" for b in "123456789" for c in "0123456789A")
