"""A first profile for a file that nobody has seen before, from its beginning."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from campaigns.portfolio.columns import Column, column_for, count_known, preference, words_of
from campaigns.portfolio.dates import detect_order, looks_like_date
from campaigns.portfolio.dialect import Dialect, decode_sample, detect_dialect, sample_rows
from campaigns.portfolio.errors import PortfolioError
from campaigns.portfolio.fields import AMOUNTS, DATES, SEVERAL, Field
from campaigns.portfolio.model import Text
from campaigns.portfolio.money import CURRENCY_OF_COUNTRY, detect_style, looks_like_amount
from campaigns.portfolio.phones import Phone, is_known_country, parse_cell
from campaigns.portfolio.places import subdivision_code
from campaigns.portfolio.profile import (
    ColumnRule,
    ImportProfile,
    positional_names,
    profile_problems,
    unique_names,
)
from compliance.messages import Message
from compliance.types import Channel, PartyRole

_SAMPLE_ROWS = 5000
_GUESS_ROWS = 200


AUTHORISED_CHANNELS_ONLY = frozenset({"CO"})
"""Countries whose law limits contact to channels that the person has authorised."""


class Proposal(Message, frozen=True, kw_only=True):
    profile: ImportProfile
    unmapped: tuple[str, ...]
    """Columns that were not understood; nothing of theirs is imported."""
    doubts: tuple[Text, ...]
    """What a person should look at before the first import."""
    problems: tuple[Text, ...]
    """What has to be corrected before any import; empty: the profile can be used as it is."""


def propose_profile(sample: bytes, country: str, currency: str | None = None) -> Proposal:
    """Propose a profile for the file that begins with `sample` (`dialect.SAMPLE_BYTES` of it).

    `country` is the portfolio's (ISO 3166 alpha-2). Raises `PortfolioError` for an unknown
    country or currency and for a file without a single row.
    """
    country = country.upper()
    currency = currency.upper() if currency else CURRENCY_OF_COUNTRY.get(country, "")
    _check_place(country, currency)
    dialect = detect_dialect(sample, count_known, _looks_like_data)
    text = decode_sample(sample, dialect.encoding)
    rows = sample_rows(text, dialect.delimiter, limit=_SAMPLE_ROWS, skip=dialect.header_row)
    header = sample_rows(text, dialect.delimiter, limit=1, skip=max(dialect.header_row - 1, 0))
    if not header:
        raise PortfolioError(
            "file_empty",
            Text(es="El archivo no tiene ninguna fila.", en="The file has no row at all."),
            Text(es="Pida el archivo de nuevo.", en="Ask for the file again."),
        )
    if dialect.header_row:
        names = unique_names(header[0])
        found: list[Column | None] = [column_for(name) for name in header[0]]
    else:
        names = positional_names(len(header[0]))
        found = _guess_by_content(rows[:_GUESS_ROWS], len(names), country)
    return _propose(names, found, rows, dialect, country, currency)


def _check_place(country: str, currency: str) -> None:
    if not is_known_country(country):
        raise PortfolioError(
            "country_unknown",
            Text(es=f'"{country}" no es un país.', en=f'"{country}" is not a country.'),
            Text(es="Use dos letras, ISO 3166: CL, CO, MX.", en="Use two letters, ISO 3166: US."),
        )
    if not currency:
        raise PortfolioError(
            "currency_unknown",
            Text(
                es=f"No se conoce la moneda de {country}.",
                en=f"The currency of {country} is not known.",
            ),
            Text(es="Indique la moneda (ISO 4217).", en="Give the currency (ISO 4217)."),
        )


def _propose(
    names: Sequence[str],
    found: Sequence[Column | None],
    rows: Sequence[Sequence[str]],
    dialect: Dialect,
    country: str,
    currency: str,
) -> Proposal:
    doubts: list[Text] = []
    columns = _settle(names, list(found), rows, country, doubts)
    rules: list[ColumnRule] = []
    for at, (name, column) in enumerate(zip(names, columns, strict=True)):
        values = [row[at] for row in rows if at < len(row) and row[at].strip()]
        meaning = column or Column(field=Field.IGNORE)
        is_amount, is_date = meaning.field in AMOUNTS, meaning.field in DATES
        rules.append(
            ColumnRule(
                **msgspec.structs.asdict(meaning),
                column=name,
                numbers=detect_style(values, currency, country) if is_amount else None,
                dates=detect_order(values, country) if is_date else None,
            )
        )
    rules += _account_from_document(rules, doubts)
    declared = _declared_channels(country, doubts)
    profile = ImportProfile(
        country=country,
        currency=currency,
        dialect=dialect,
        declared_channels=declared,
        columns=tuple(rules),
    )
    return Proposal(
        profile=profile,
        unmapped=tuple(name for name, column in zip(names, columns, strict=True) if column is None),
        doubts=tuple(doubts),
        problems=profile_problems(profile),
    )


def _declared_channels(country: str, doubts: list[Text]) -> tuple[Channel, ...]:
    """Where only authorised channels may be used, the proposal takes the creditor at its word for
    voice, says so, and leaves it to a person to strike out."""
    if country not in AUTHORISED_CHANNELS_ONLY:
        return ()
    doubts.append(
        Text(
            es="La ley sólo permite los canales que cada persona autorizó (Ley 2300 de 2023, "
            "art. 2). El perfil declara la voz autorizada, según el acreedor: "
            'declared_channels = ["voice"]. Bórrelo si el acreedor no lo puede probar.',
            en="The law allows only channels that each person authorised (Ley 2300 de 2023, "
            "art. 2). The profile declares voice authorised, on the creditor's word: "
            'declared_channels = ["voice"]. Strike it out if the creditor cannot prove it.',
        )
    )
    return (Channel.VOICE,)


def _settle(
    names: Sequence[str],
    found: list[Column | None],
    rows: Sequence[Sequence[str]],
    country: str,
    doubts: list[Text],
) -> list[Column | None]:
    """Meanings of all columns together: what one name means depends on the others."""
    for at, column in enumerate(found):
        if column is not None and column.field is Field.SUBDIVISION:
            values = [row[at] for row in rows[:500] if at < len(row) and row[at].strip()]
            if values and not any(subdivision_code(value, country) for value in values):
                # `estado` is a state in Mexico and a condition elsewhere.
                is_status = words_of(names[at]) in (("estado",), ("state",))
                found[at] = Column(field=Field.ACCOUNT_STATUS) if is_status else column
    _split_names(names, found)
    _contact_person(names, found)
    if not any(column is not None and column.field is Field.EXTERNAL_ID for column in found):
        for at, column in enumerate(found):
            if column is not None and column.field is Field.DEBT_REFERENCE:
                found[at] = Column(field=Field.EXTERNAL_ID)
                break
    best: dict[tuple[str, ...], int] = {}
    for at, column in enumerate(found):
        if column is None or column.field in SEVERAL:
            continue
        key = (
            column.field, column.role, column.group, column.label, column.scope,
            column.channel or "",
        )  # fmt: skip
        rival = best.setdefault(key, at)
        if rival == at:
            continue
        winner, loser = sorted((rival, at), key=lambda index: preference(names[index]))
        best[key], found[loser] = winner, None
        doubts.append(
            Text(
                es=f'"{names[winner]}" y "{names[loser]}" parecen ambas {column.field}; '
                f'se usa "{names[winner]}".',
                en=f'"{names[winner]}" and "{names[loser]}" both look like {column.field}; '
                f'"{names[winner]}" is used.',
            )
        )
    return found


def _split_names(names: Sequence[str], found: list[Column | None]) -> None:
    """`nombre` beside `apellido` is a first name."""
    roles = {
        (column.role, column.group)
        for column in found
        if column is not None and column.field is Field.LAST_NAME
    }
    for at, column in enumerate(found):
        if (
            column is not None
            and column.field is Field.FULL_NAME
            and (column.role, column.group) in roles
            and not {"completo", "full", "apellidos", "apellido"} & set(words_of(names[at]))
        ):
            found[at] = msgspec.structs.replace(column, field=Field.FIRST_NAME)


def _contact_person(names: Sequence[str], found: list[Column | None]) -> None:
    """`telefono_contacto` is the holder's, unless a `nombre_contacto` is somebody else's."""
    named = {
        column.group
        for name, column in zip(names, found, strict=True)
        if column is not None
        and column.field is Field.FULL_NAME
        and column.role is PartyRole.REFERENCE
        and "contacto" in words_of(name)
    }
    for at, column in enumerate(found):
        if (
            column is not None
            and column.field is Field.PHONE
            and "contacto" in words_of(names[at])
            and column.group in named
        ):
            found[at] = msgspec.structs.replace(column, role=PartyRole.REFERENCE)


def _account_from_document(
    rules: Sequence[ColumnRule], doubts: list[Text]
) -> tuple[ColumnRule, ...]:
    """Without an account number the holder's document has to identify the row."""
    if any(rule.field is Field.EXTERNAL_ID for rule in rules):
        return ()
    for rule in rules:
        if rule.field is Field.DOCUMENT_NUMBER and rule.role is PartyRole.HOLDER:
            doubts.append(
                Text(
                    es=f'Ninguna columna da el número de cuenta; se usa "{rule.column}".',
                    en=f'No column gives the account number; "{rule.column}" is used.',
                )
            )
            return (ColumnRule(column=rule.column, field=Field.EXTERNAL_ID),)
    return ()


# --- files without a header --------------------------------------------------------------------


def _looks_like_data(cell: str) -> bool:
    text = cell.strip()
    return bool(text) and (
        "@" in text
        or looks_like_date(text)
        or looks_like_amount(text)
        or (len(text) > 3 and sum(map(str.isdigit, text)) > len(text) / 2)
    )


def _guess_by_content(
    rows: Sequence[Sequence[str]], width: int, country: str
) -> list[Column | None]:
    """What columns without names hold, as far as their cells tell; a person must confirm it."""
    cells = [[row[at] for row in rows if at < len(row) and row[at].strip()] for at in range(width)]
    found: list[Column | None] = [_guess_one(values, country) for values in cells]
    amounts = [
        at for at, column in enumerate(found) if column is not None and column.field in AMOUNTS
    ]
    for at in amounts[:-1]:
        found[at] = None  # of several amounts, creditors put the total last
    for at, values in enumerate(cells):
        identifies = len(values) == len(rows) and len(set(values)) == len(values)
        if identifies and found[at] is None and at not in amounts:
            found[at] = Column(field=Field.EXTERNAL_ID)
            break
    return found


def _guess_one(values: Sequence[str], country: str) -> Column | None:
    if not values:
        return None

    def share(count: int) -> float:
        return count / len(values)

    if share(sum("@" in value for value in values)) > 0.8:
        return Column(field=Field.EMAIL)
    if share(sum(looks_like_date(value) for value in values)) > 0.8:
        return Column(field=Field.DUE_DATE)
    phones = sum(
        any(isinstance(result, Phone) for result in parse_cell(value, country)) for value in values
    )
    if share(phones) > 0.6:
        return Column(field=Field.PHONE)
    if share(sum(looks_like_amount(value) for value in values)) > 0.8:
        separated = share(sum("." in value or "," in value for value in values))
        return Column(field=Field.TOTAL) if separated > 0.3 else None
    names = sum(len(value.split()) >= 2 and not any(map(str.isdigit, value)) for value in values)
    return Column(field=Field.FULL_NAME) if share(names) > 0.8 else None
