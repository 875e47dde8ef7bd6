"""The people of one row: the main person, and whoever else its columns speak of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date

import msgspec

from campaigns.portfolio.cells import Reject, read_past_date
from campaigns.portfolio.columns import fold, role_named
from campaigns.portfolio.documents import Document, person_kind, read_document
from campaigns.portfolio.fields import Field
from campaigns.portfolio.model import Flag, ImportedContactPoint, ImportedParty, ImportWarning
from campaigns.portfolio.phones import is_filler
from campaigns.portfolio.places import subdivision_code
from campaigns.portfolio.plan import Cell, PartyCells, RowPlan
from campaigns.portfolio.points import PointsOfRow, country_named
from compliance.messages import Place
from compliance.types import ContactPointKind, PartyRole
from compliance.zones import zone, zones_for_place

_PLACE_CACHE = 100_000
_LANGUAGES = {
    "es": "es", "spa": "es", "esp": "es", "spanish": "es", "espanol": "es", "castellano": "es",
    "en": "en", "eng": "en", "ing": "en", "english": "en", "ingles": "en", "pt": "pt",
    "portugues": "pt", "portuguese": "pt", "quechua": "qu", "aymara": "ay", "mapudungun": "arn",
    "chinese": "zh", "vietnamese": "vi", "french": "fr", "frances": "fr", "creole": "ht",
}  # fmt: skip
_LOST = re.compile(r"[\ufffd?]+")
_SPEAKS_OF_NOBODY = frozenset(
    {PartyRole.REFERENCE, PartyRole.RELATIVE, PartyRole.THIRD_PARTY, PartyRole.UNKNOWN}
)
"""Roles that owe nothing: without a number there is no reason to keep them."""


class PeopleBuilder:
    """Builds the parties of rows of one file. Raises `Reject` for a main person without a name."""

    def __init__(self, plan: RowPlan, today: date) -> None:
        self._plan = plan
        self._today = today
        self._places: dict[
            tuple[str, ...], tuple[Place | None, tuple[str, ...], tuple[ImportWarning, ...]]
        ] = {}

    def build(
        self,
        cells: Sequence[str],
        external_id: str,
        warnings: list[ImportWarning],
        flags: list[Flag],
    ) -> tuple[ImportedParty, ...]:
        points = PointsOfRow(self._plan.country, cells)
        parties: list[ImportedParty] = []
        for source in self._plan.parties:
            role = source.role
            if role is PartyRole.HOLDER:
                role = self._row_role(cells, warnings)
            party = self._party(cells, source, role, external_id, points, warnings)
            if party is not None:
                parties.append(party)
        for number, (role, point) in enumerate(points.of_others, 1):
            parties.append(
                ImportedParty(
                    match_key=f"acct:{external_id}:{role}:t{number}",
                    role=role,
                    name="",
                    contact_points=(point,),
                )
            )
        warnings += points.warnings
        flags += points.flags
        return one_each(parties)

    def _row_role(self, cells: Sequence[str], warnings: list[ImportWarning]) -> PartyRole:
        """Role of the row's main person, where a column tells it."""
        cell = self._plan.account.get(Field.PARTY_ROLE)
        value = cells[cell.index].strip() if cell is not None else ""
        if cell is None or not value:
            return PartyRole.HOLDER
        role = role_named(value)
        if role is None:
            warnings.append(ImportWarning(code="role_unknown", column=cell.column, value=value))
            return PartyRole.UNKNOWN
        return role

    def _party(
        self,
        cells: Sequence[str],
        source: PartyCells,
        role: PartyRole,
        external_id: str,
        points: PointsOfRow,
        warnings: list[ImportWarning],
    ) -> ImportedParty | None:
        is_main = source.role is PartyRole.HOLDER
        name = self._name(cells, source, warnings)
        if not name and is_main:
            raise Reject("missing_name", _first_name_cell(source))
        contact_points = points.read(source, role)
        document = self._document(cells, source, warnings)
        if not is_main and not contact_points:
            if not name and document is None:
                return None
            if role in _SPEAKS_OF_NOBODY:
                return None
        residence, zones, address = self._residence(cells, source, warnings)
        if address is not None:
            contact_points.append(_postal(address, cells, source, role))
        return ImportedParty(
            match_key=(
                f"doc:{document.type}:{document.number}"
                if document is not None and document.identifies
                else f"acct:{external_id}:{role}:{source.number}".rstrip(":")
            ),
            role=role,
            kind=person_kind(name, document, self._plan.country),
            name=name,
            document_type=document.type if document else None,
            document_number=document.number if document else None,
            birth_date=(
                read_past_date(
                    cells, source.birth_date, source.birth_date.order, self._today, warnings
                )
                if source.birth_date is not None
                else None
            ),
            language=self._language(cells, source, warnings),
            residence=residence,
            address=address,
            zones=zones,
            declared_zone=self._declared_zone(cells, source, warnings),
            contact_points=tuple(contact_points),
        )

    def _name(self, cells: Sequence[str], source: PartyCells, warnings: list[ImportWarning]) -> str:
        parts = []
        column = ""
        for field in (Field.FULL_NAME, Field.FIRST_NAME, Field.LAST_NAME, Field.SECOND_LAST_NAME):
            cell = source.cells.get(field)
            if cell is not None and (value := cells[cell.index].strip()):
                parts.append(value)
                column = column or cell.column
        name = " ".join(" ".join(parts).split())
        if "?" in name or "\ufffd" in name:
            warnings.append(
                ImportWarning(code="name_has_lost_characters", column=column, value=name)
            )
            name = " ".join(_LOST.sub(" ", name).split())
        return "" if is_filler(name) else name

    def _document(
        self, cells: Sequence[str], source: PartyCells, warnings: list[ImportWarning]
    ) -> Document | None:
        cell = source.cells.get(Field.DOCUMENT_NUMBER)
        if cell is None:
            return None
        raw = cells[cell.index].strip()
        if not raw or is_filler(raw):
            return None
        document = read_document(
            raw,
            _of(cells, source, Field.DOCUMENT_TYPE),
            source.document_type,
            _of(cells, source, Field.DOCUMENT_CHECK_DIGIT),
            self._plan.country,
        )
        if document is not None and document.problem is not None:
            warnings.append(ImportWarning(code=document.problem, column=cell.column, value=raw))
        return document

    def _language(
        self, cells: Sequence[str], source: PartyCells, warnings: list[ImportWarning]
    ) -> str | None:
        value = _of(cells, source, Field.LANGUAGE)
        if not value:
            return None
        folded = re.split(r"[-_]", fold(value))[0]
        language = _LANGUAGES.get(folded)
        if language is None:
            column = source.cells[Field.LANGUAGE].column
            warnings.append(ImportWarning(code="language_unknown", column=column, value=value))
        return language

    def _declared_zone(
        self, cells: Sequence[str], source: PartyCells, warnings: list[ImportWarning]
    ) -> str | None:
        value = _of(cells, source, Field.ZONE)
        if not value:
            return None
        try:
            zone(value)
        except KeyError:
            column = source.cells[Field.ZONE].column
            warnings.append(ImportWarning(code="zone_unknown", column=column, value=value))
            return None
        return value

    def _residence(
        self, cells: Sequence[str], source: PartyCells, warnings: list[ImportWarning]
    ) -> tuple[Place | None, tuple[str, ...], str | None]:
        city = _of(cells, source, Field.CITY)
        state = _of(cells, source, Field.SUBDIVISION)
        postal_code = _of(cells, source, Field.POSTAL_CODE)
        country = _of(cells, source, Field.COUNTRY)
        lines = [line for cell in source.addresses if (line := cells[cell.index].strip())]
        address = " ".join(", ".join(lines).split()) or None
        key = (city, state, postal_code, country)
        known = self._places.get(key)
        if known is None:
            if len(self._places) >= _PLACE_CACHE:
                self._places.clear()
            known = self._places[key] = self._place(city, state, postal_code, country, source)
        place, zones, said = known
        warnings += said
        return place, zones, address

    def _place(
        self, city: str, state: str, postal_code: str, country: str, source: PartyCells
    ) -> tuple[Place, tuple[str, ...], tuple[ImportWarning, ...]]:
        warnings = []
        code = country_named(country) if country else self._plan.country
        if code is None:
            column = source.cells[Field.COUNTRY].column
            warnings.append(ImportWarning(code="country_unknown", column=column, value=country))
            code = self._plan.country
        subdivision = subdivision_code(state, code) if state and not is_filler(state) else None
        if state and subdivision is None:
            column = source.cells[Field.SUBDIVISION].column
            warnings.append(ImportWarning(code="subdivision_unknown", column=column, value=state))
        place = Place(
            country=code,
            subdivision=subdivision,
            locality=city or None,
            postal_code=postal_code[:20] or None,
        )
        return place, zones_for_place(place), tuple(warnings)


def _of(cells: Sequence[str], source: PartyCells, field: Field) -> str:
    cell = source.cells.get(field)
    return cells[cell.index].strip() if cell is not None else ""


def _first_name_cell(source: PartyCells) -> Cell | None:
    return source.cells.get(Field.FULL_NAME) or source.cells.get(Field.FIRST_NAME)


def _postal(
    address: str, cells: Sequence[str], source: PartyCells, role: PartyRole
) -> ImportedContactPoint:
    state_and_code = " ".join(
        part
        for field in (Field.SUBDIVISION, Field.POSTAL_CODE)
        if (part := _of(cells, source, field))
    )
    parts = (address, _of(cells, source, Field.CITY), state_and_code)
    return ImportedContactPoint(
        kind=ContactPointKind.POSTAL,
        address=", ".join(part for part in parts if part),
        raw=address,
        column=source.addresses[0].column,
        role=role,
    )


def one_each(parties: Sequence[ImportedParty]) -> tuple[ImportedParty, ...]:
    """Each person once, in the role that comes first, with the numbers of all their roles."""
    people: dict[str, ImportedParty] = {}
    for party in parties:
        before = people.get(party.match_key)
        if before is None:
            people[party.match_key] = party
            continue
        known = {(point.kind, point.address) for point in before.contact_points}
        more = tuple(
            msgspec.structs.replace(point, role=before.role)
            for point in party.contact_points
            if (point.kind, point.address) not in known
        )
        people[party.match_key] = msgspec.structs.replace(
            before, contact_points=_ranked(before.contact_points + more)
        )
    return tuple(people.values())


def _ranked(points: tuple[ImportedContactPoint, ...]) -> tuple[ImportedContactPoint, ...]:
    ranks: Counter[ContactPointKind] = Counter()
    ranked = []
    for point in points:
        ranked.append(msgspec.structs.replace(point, rank=ranks[point.kind]))
        ranks[point.kind] += 1
    return tuple(ranked)
