"""The import profile: how one creditor's files are read, as text that a person can edit.

A profile is proposed from a file's beginning, saved with the portfolio, corrected by hand where
the proposal is wrong, and then holds for every later file of that creditor. It is TOML.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Sequence

import msgspec

from campaigns.portfolio.columns import Column
from campaigns.portfolio.dates import DateOrder
from campaigns.portfolio.dialect import DELIMITERS, ENCODINGS, Dialect
from campaigns.portfolio.errors import PortfolioError
from campaigns.portfolio.fields import AMOUNTS, DATES, PARTY_FIELDS, SEVERAL, Field
from campaigns.portfolio.model import Text
from campaigns.portfolio.money import NumberStyle
from campaigns.portfolio.phones import is_known_country
from compliance.messages import Message
from compliance.types import Channel, PartyRole

PROFILE_VERSION = 1


class ColumnRule(Column, frozen=True, kw_only=True):
    """One column of the file and what it means. One column may have several rules."""

    column: str
    """Its name in the file; the second of the same name is `name [2]`, one without a name `[5]`."""
    numbers: NumberStyle | None = None
    """Of amounts: the style of the whole column."""
    dates: DateOrder | None = None
    """Of dates: the order of the whole column."""


class ImportProfile(Message, frozen=True, kw_only=True):
    version: int = PROFILE_VERSION
    country: str
    """ISO 3166 alpha-2: default of phones, places and documents."""
    currency: str
    """ISO 4217, of rows that name none."""
    dialect: Dialect
    declared_channels: tuple[Channel, ...] = ()
    """Channels that the creditor, by giving this portfolio to be worked, says its customers have
    authorised. Recorded for every holder as a consent whose evidence is this declaration."""
    columns: tuple[ColumnRule, ...] = ()


class Binding(Message, frozen=True, kw_only=True):
    """A profile's rules, tied to the columns of one file."""

    rules: tuple[tuple[int, ColumnRule], ...]
    """Index of the cell and its rule; ignored columns are left out."""
    names: tuple[str, ...]
    unmapped: tuple[str, ...]
    """Columns of the file that no rule speaks of."""


def unique_names(header: Sequence[str]) -> tuple[str, ...]:
    """Names of a header's cells as profiles write them: none is empty, none stands twice."""
    taken: set[str] = set()
    names = []
    for position, cell in enumerate(header, 1):
        name = base = " ".join(cell.split()) or f"[{position}]"
        again = 2
        while _key(name) in taken:
            name = f"{base} [{again}]"
            again += 1
        taken.add(_key(name))
        names.append(name)
    return tuple(names)


def positional_names(width: int) -> tuple[str, ...]:
    """Names of the columns of a file without a header: `[1]`, `[2]` ..."""
    return tuple(f"[{position}]" for position in range(1, width + 1))


# --- checks -----------------------------------------------------------------------------------


def profile_problems(profile: ImportProfile) -> tuple[Text, ...]:
    """Everything that keeps a profile from being used; empty when it is good."""
    return (*_setting_problems(profile), *_column_problems(profile.columns))


def _setting_problems(profile: ImportProfile) -> Iterable[Text]:
    dialect = profile.dialect
    if profile.version != PROFILE_VERSION:
        yield Text(
            es=f"version = {profile.version}: este programa lee la versión {PROFILE_VERSION}.",
            en=f"version = {profile.version}: this program reads version {PROFILE_VERSION}.",
        )
    if not is_known_country(profile.country):
        yield Text(
            es=f'country = "{profile.country}" no es un país (dos letras, ISO 3166).',
            en=f'country = "{profile.country}" is not a country (two letters, ISO 3166).',
        )
    if not (len(profile.currency) == 3 and profile.currency.isupper()):
        yield Text(
            es=f'currency = "{profile.currency}" no es una moneda (tres letras, ISO 4217).',
            en=f'currency = "{profile.currency}" is not a currency (three letters, ISO 4217).',
        )
    if dialect.encoding not in ENCODINGS:
        yield Text(
            es=f'encoding = "{dialect.encoding}" no es uno de {", ".join(ENCODINGS)}.',
            en=f'encoding = "{dialect.encoding}" is not one of {", ".join(ENCODINGS)}.',
        )
    if dialect.delimiter not in DELIMITERS:
        yield Text(
            es=f"delimiter = {json.dumps(dialect.delimiter)} no es uno de ; , | \\t.",
            en=f"delimiter = {json.dumps(dialect.delimiter)} is not one of ; , | \\t.",
        )
    if not 0 <= dialect.header_row <= 1000:
        yield Text(
            es=f"header_row = {dialect.header_row}: 0 (sin títulos) o el número de su fila.",
            en=f"header_row = {dialect.header_row}: 0 (no header) or the number of its row.",
        )


def _column_problems(rules: Sequence[ColumnRule]) -> Iterable[Text]:
    holder = {rule.field for rule in rules if rule.role is PartyRole.HOLDER}
    if Field.EXTERNAL_ID not in holder:
        yield Text(
            es='Falta la columna del número de cuenta (field = "external_id").',
            en='No column gives the account number (field = "external_id").',
        )
    if not holder & {Field.FULL_NAME, Field.FIRST_NAME, Field.LAST_NAME}:
        yield Text(
            es='Falta la columna del nombre del titular (field = "full_name").',
            en='No column gives the holder\'s name (field = "full_name").',
        )
    if not holder & {Field.TOTAL, Field.PRINCIPAL, Field.OVERDUE}:
        yield Text(
            es='Falta la columna del monto adeudado (field = "total").',
            en='No column gives the amount owed (field = "total").',
        )
    taken: dict[tuple[str, ...], str] = {}
    for rule in rules:
        if rule.field is Field.FLAG and rule.flag is None:
            yield Text(
                es=f'La columna "{rule.column}" es field = "flag" y le falta flag = "...".',
                en=f'Column "{rule.column}" is field = "flag" and lacks flag = "...".',
            )
        if rule.field in SEVERAL:
            continue
        key = _identity(rule)
        if key in taken:
            yield Text(
                es=f'Las columnas "{taken[key]}" y "{rule.column}" dicen ambas {rule.field}; '
                'deje una y ponga field = "ignore" en la otra.',
                en=f'Columns "{taken[key]}" and "{rule.column}" both say {rule.field}; '
                'keep one and set field = "ignore" for the other.',
            )
        taken.setdefault(key, rule.column)


def _identity(rule: ColumnRule) -> tuple[str, ...]:
    """Rules of equal identity contradict each other."""
    if rule.field in (Field.CONSENT, Field.CONSENT_DATE):
        return (rule.field, rule.scope, rule.channel or "")
    if rule.field in PARTY_FIELDS or rule.field.startswith("phone_"):
        return (rule.field, rule.role, rule.group, rule.label)
    return (rule.field,)


def check_profile(profile: ImportProfile) -> None:
    """Raises `PortfolioError` that names every problem of the profile."""
    problems = profile_problems(profile)
    if problems:
        raise PortfolioError(
            "profile_incomplete",
            Text(
                es="El perfil de importación no sirve: " + " ".join(t.es for t in problems),
                en="The import profile cannot be used: " + " ".join(t.en for t in problems),
            ),
            Text(
                es="Corrija el perfil y vuelva a importar.",
                en="Correct the profile and import again.",
            ),
        )


def bind(profile: ImportProfile, header: Sequence[str] | None) -> Binding:
    """Tie a profile to a file's header (None: it has none, columns go by position).

    Raises `PortfolioError` where the profile is not usable or the file lacks a column that it
    names: a missing column could be the one that says "deceased".
    """
    check_profile(profile)
    if header is None:
        count = max((_position(rule.column) for rule in profile.columns), default=0)
        names = positional_names(count)
    else:
        names = unique_names(header)
    index = {_key(name): at for at, name in enumerate(names)}
    missing = [
        rule.column
        for rule in profile.columns
        if _key(rule.column) not in index and rule.field is not Field.IGNORE
    ]
    if missing:
        listed = ", ".join(f'"{name}"' for name in missing)
        raise PortfolioError(
            "columns_missing",
            Text(
                es=f"El archivo no trae columnas que el perfil espera: {listed}.",
                en=f"The file lacks columns that the profile expects: {listed}.",
            ),
            Text(
                es="Pida el archivo completo, o quite esas columnas del perfil si ya no existen. "
                f"El archivo trae: {', '.join(names)}.",
                en="Ask for the whole file, or take those columns out of the profile if they no "
                f"longer exist. The file has: {', '.join(names)}.",
            ),
        )
    spoken_of = {_key(rule.column) for rule in profile.columns}
    return Binding(
        rules=tuple(
            (index[_key(rule.column)], rule)
            for rule in profile.columns
            if rule.field is not Field.IGNORE
        ),
        names=names,
        unmapped=tuple(name for name in names if _key(name) not in spoken_of),
    )


def _key(name: str) -> str:
    return " ".join(name.casefold().split())


def _position(name: str) -> int:
    inner = name[1:-1]
    return int(inner) if name.startswith("[") and inner.isdigit() else 0


def fingerprint(profile: ImportProfile) -> str:
    """Hash of what the profile makes of a row's cells; how the file is encoded is no part."""
    declared = profile.declared_channels
    meaning = (profile.country, profile.currency, profile.columns, declared)
    return hashlib.sha256(msgspec.json.encode(meaning)).hexdigest()


# --- text -------------------------------------------------------------------------------------

_HEAD = """\
# Perfil de importación / import profile.
# Cada [[columns]] dice qué significa una columna del archivo. Una columna sin significado lleva
# field = "ignore". Each [[columns]] says what one column of the file means; "ignore" for none.
# field: {fields}
# role: {roles}
# declared_channels: canales que el acreedor declara autorizados por sus clientes / channels that
# the creditor declares its customers authorised: ["voice", "sms", "whatsapp", "email"]
# numbers: "comma" = 1.234,56   "dot" = 1,234.56      dates: "dmy" | "mdy" | "ymd"
"""


def dump_profile(profile: ImportProfile) -> str:
    """The profile as TOML; `load_profile` reads it back equal."""
    lines = [
        _HEAD.format(fields=" ".join(Field), roles=" ".join(PartyRole)),
        f"version = {profile.version}",
        f"country = {_quoted(profile.country)}",
        f"currency = {_quoted(profile.currency)}",
        f"declared_channels = {json.dumps(list(profile.declared_channels))}",
        "",
        "[dialect]",
        f"encoding = {_quoted(profile.dialect.encoding)}",
        f"delimiter = {_quoted(profile.dialect.delimiter)}",
        f"header_row = {profile.dialect.header_row}",
    ]
    order = ("column", *(name for name in ColumnRule.__struct_fields__ if name != "column"))
    for rule in profile.columns:
        given: dict[str, object] = msgspec.to_builtins(rule)
        lines += ["", "[[columns]]"]
        lines += [f"{key} = {_quoted(str(given[key]))}" for key in order if key in given]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string. JSON's escapes are TOML's, except that DEL may not stand bare."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def load_profile(text: str) -> ImportProfile:
    """Read a profile's TOML. Raises `PortfolioError` that says what is wrong and where."""
    try:
        profile = msgspec.convert(tomllib.loads(text), ImportProfile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise PortfolioError(
            "profile_unreadable",
            Text(
                es=f"El perfil de importación no se puede leer: {error}.",
                en=f"The import profile cannot be read: {error}.",
            ),
            Text(
                es="Corrija esa línea; `$.columns[0]` es la primera tabla [[columns]].",
                en="Correct that line; `$.columns[0]` is the first [[columns]] table.",
            ),
        ) from error
    for rule in profile.columns:
        wrong = (rule.numbers is not None and rule.field not in AMOUNTS) or (
            rule.dates is not None and rule.field not in DATES
        )
        if wrong:
            raise PortfolioError(
                "profile_unreadable",
                Text(
                    es=f'La columna "{rule.column}" ({rule.field}) no lleva numbers ni dates así.',
                    en=f'Column "{rule.column}" ({rule.field}) cannot have that numbers or dates.',
                ),
                Text(
                    es="numbers es de montos y dates de fechas.",
                    en="numbers belongs to amounts and dates to dates.",
                ),
            )
    return profile
