"""Candidate zones of numbers and places."""

from __future__ import annotations

from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance import zones_build
from compliance.messages import Place
from compliance.types import LineType
from compliance.zones import (
    _tables,
    calling_countries,
    country_zones,
    tzdata_version,
    zone,
    zones_for_number,
    zones_for_place,
)

CHICAGO, DENVER, EASTERN = "America/Chicago", "America/Denver", "America/New_York"
PACIFIC, BOISE = "America/Los_Angeles", "America/Boise"


@pytest.mark.parametrize(
    ("prefixes", "expected"),
    [
        (("208", "986"), {BOISE, PACIFIC}),
        (("219", "574", "812", "930"), {CHICAGO, EASTERN}),
        (("270", "364", "606"), {CHICAGO, EASTERN}),
        (("308",), {CHICAGO, DENVER}),
        (("423", "729", "931"), {CHICAGO, EASTERN}),
        (("541", "458"), {BOISE, PACIFIC}),
        (("605", "701", "620", "785"), {CHICAGO, DENVER}),
        (("775",), {BOISE, PACIFIC}),
        (("850", "448"), {CHICAGO, EASTERN}),
        (("906",), {"America/Menominee", "America/Detroit"}),
        (("907",), {"America/Adak", "America/Anchorage"}),
        (("928",), {DENVER, "America/Phoenix"}),
        (("334", "483"), {CHICAGO, EASTERN}),  # Phenix City keeps Eastern by custom
        (("580",), {CHICAGO, DENVER}),  # and Kenton Mountain
        (("418", "581", "367"), {"America/Toronto", "America/Halifax", "America/Blanc-Sablon"}),
        (("689",), {EASTERN}),
    ],
)
def test_split_area_codes_keep_every_zone_even_for_unassigned_exchanges(
    prefixes: tuple[str, ...], expected: set[str]
) -> None:
    for prefix in prefixes:
        for exchange in ("555", "234", "999"):
            found = zones_for_number(f"+1{prefix}{exchange}0123")
            assert expected <= set(found.zones), prefix


@pytest.mark.parametrize(
    ("number", "zone_name", "region"),
    [
        ("+526141234567", "America/Chihuahua", "MX"),
        ("+526561234567", "America/Ciudad_Juarez", "MX"),
        ("+526621234567", "America/Hermosillo", "MX"),
        ("+558133334444", "America/Recife", "BR-PE"),
        ("+5581999998888", "America/Recife", "BR-PE"),
        ("+56612345678", "America/Punta_Arenas", "CL-MA"),
        ("+56672345678", "America/Coyhaique", "CL-AI"),
        ("+56322100123", "Pacific/Easter", "CL"),
        ("+541143211234", "America/Argentina/Buenos_Aires", "AR-C"),
        ("+5491143211234", "America/Argentina/Buenos_Aires", "AR-C"),
        ("+5492211234567", "America/Argentina/Buenos_Aires", "AR-B"),
        ("+543514444444", "America/Argentina/Buenos_Aires", "AR-X"),
        ("+5561999998888", "America/Sao_Paulo", "BR-DF"),
        ("+5562999998888", "America/Sao_Paulo", "BR-GO"),
        ("+14575550123", CHICAGO, "US-LA"),  # overlays that the library does not know yet
        ("+16795550123", "America/Detroit", "US-MI"),
        ("+12125550123", EASTERN, "US-NY"),
        ("+13055550123", EASTERN, "US-FL"),
        ("+17875550123", "America/Puerto_Rico", "US-PR"),
        ("+18095550123", "America/Santo_Domingo", "DO"),
        ("+15145550123", "America/Toronto", "CA-QC"),
        ("+573001234567", "America/Bogota", "CO"),
        ("+51999888777", "America/Lima", "PE"),
    ],
)
def test_numbers_that_the_library_has_wrong_or_stale(
    number: str, zone_name: str, region: str
) -> None:
    found = zones_for_number(number)
    assert zone_name in found.zones
    assert found.region == region


@pytest.mark.parametrize(
    ("number", "line", "region"),
    [
        ("+18005550123", LineType.TOLL_FREE, None),
        ("+18885550123", LineType.TOLL_FREE, None),
        ("+19005550123", LineType.UNKNOWN, None),
        ("+56912345678", LineType.MOBILE, "CL"),
        ("+34612345678", LineType.MOBILE, "ES"),
        ("+593987654321", LineType.MOBILE, "EC"),
        ("+80012345678", LineType.TOLL_FREE, None),
        ("not a number", LineType.UNKNOWN, None),
        ("", LineType.UNKNOWN, None),
        ("+1", LineType.UNKNOWN, None),
    ],
)
def test_numbers_that_do_not_tell(number: str, line: LineType, region: str | None) -> None:
    found = zones_for_number(number)
    assert found.zones == ()
    assert (found.line, found.region) == (line, region)


@given(st.text(max_size=20) | st.from_regex(r"\+[0-9]{1,18}", fullmatch=True))
@settings(max_examples=500, deadline=None)
def test_any_text_is_answered_with_known_zones(text: str) -> None:
    found = zones_for_number(text)
    for name in found.zones:
        assert zone(name) is not None
    assert list(found.zones) == sorted(set(found.zones))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Place(country="US", subdivision="US-FL"), {CHICAGO, EASTERN}),
        (Place(country="US", subdivision="FL", locality="Pensacola"), {CHICAGO}),
        (Place(country="US", subdivision="US-FL", locality="MIAMI"), {EASTERN}),
        (Place(country="US", subdivision="US-FL", postal_code="33101-0001"), {EASTERN}),
        (Place(country="US", subdivision="US-FL", postal_code="32401"), {CHICAGO, EASTERN}),
        (
            Place(country="US", subdivision="US-FL", locality="Pensacola", postal_code="33101"),
            {CHICAGO, EASTERN},
        ),
        (Place(country="US", subdivision="US-TX", locality="El Paso"), {DENVER}),
        (Place(country="us", subdivision="us-ny"), {EASTERN}),
        (Place(country="CL", subdivision="CL-MA"), {"America/Punta_Arenas"}),
        (Place(country="CL", subdivision="CL-AI", locality="Coyhaique"), {"America/Coyhaique"}),
        (Place(country="CL", subdivision="CL-VS"), {"America/Santiago", "Pacific/Easter"}),
        (Place(country="CL", subdivision="CL-VS", locality="Viña del Mar"), {"America/Santiago"}),
        (Place(country="CL", subdivision="CL-VS", locality="Isla de Pascua"), {"Pacific/Easter"}),
        (Place(country="MX", subdivision="MX-ROO"), {"America/Cancun"}),
        (Place(country="MX", subdivision="MX-SON"), {"America/Hermosillo"}),
        (Place(country="BR", subdivision="BR-AC"), {"America/Rio_Branco"}),
        (Place(country="EC", subdivision="EC-W"), {"Pacific/Galapagos"}),
        (Place(country="ES", subdivision="ES-CN"), {"Atlantic/Canary"}),
        (Place(country="CO"), {"America/Bogota"}),
        (Place(country="ZZ"), set()),
    ],
)  # fmt: skip
def test_places(place: Place, expected: set[str]) -> None:
    assert set(zones_for_place(place)) == expected


def test_an_unknown_subdivision_has_every_zone_of_the_country() -> None:
    everywhere = set(country_zones("CL"))
    assert everywhere == {
        "America/Santiago", "America/Punta_Arenas", "America/Coyhaique", "Pacific/Easter",
    }  # fmt: skip
    assert set(zones_for_place(Place(country="CL"))) == everywhere
    assert set(zones_for_place(Place(country="CL", subdivision="CL-XX"))) == everywhere


def test_every_zone_in_our_tables_exists() -> None:
    tables = _tables()
    for table in (tables.subdivisions, tables.cities, tables.postal, tables.numbers):
        for key, names in table.items():
            for name in names:
                assert zone(name) is not None, (key, name)
    for key, names in tables.cities.items():
        subdivision = key.partition("/")[0]
        assert set(names) <= set(tables.subdivisions[subdivision]), key


def test_american_states_and_area_codes_agree() -> None:
    """The zone of a state of one zone is a candidate of each of its area codes."""
    subdivisions = _tables().subdivisions
    rows = [line.split(",") for line in zones_build.NANP_CSV.read_text().splitlines()[1:]]
    states = {region for _, region, _ in rows if region.startswith("US-")}
    assert len(states) >= 51
    for area_code, region, zones in rows:
        names = subdivisions.get(region, ())
        if region.startswith("US-") and len(names) == 1:
            assert names[0] in zones.split(), area_code


def test_area_codes_of_several_zones_have_all_that_the_library_knows_of_their_exchanges() -> None:
    exchanges: dict[str, tuple[str, ...]] = import_module("phonenumbers.tzdata").TIMEZONE_DATA
    for prefix, names in exchanges.items():
        if prefix[0] == "1" and len(prefix) >= 4:
            found = zones_for_number(f"+{prefix.ljust(11, '2')}")
            assert set(names) <= set(found.zones) or not found.zones, prefix


def test_every_argentine_area_code_tells_its_province() -> None:
    """Otherwise the pack of the City of Buenos Aires would bind the whole country."""
    areas: dict[str, dict[str, str]] = import_module("phonenumbers.geodata").GEOCODE_DATA
    codes = [prefix for prefix in areas if prefix[:3] in ("542", "543")]
    assert len(codes) > 300
    for code in codes:
        region = zones_for_number(f"+{code.ljust(12, '4')}").region
        assert region is not None
        assert region.startswith("AR-")
        assert region != "AR-C"


def test_the_area_code_table_is_what_the_pinned_library_gives() -> None:
    assert zones_build.NANP_CSV.read_text("utf-8") == zones_build.build()


def test_zone_rules_come_from_the_pinned_package() -> None:
    assert tzdata_version().startswith("20")
    with pytest.raises(KeyError):
        zone("../../etc/passwd")
    with pytest.raises(KeyError):
        zone("America/Atlantis")
    with pytest.raises(KeyError):
        zone("")


def test_calling_countries() -> None:
    assert "CA" in calling_countries("+18005550123")
    assert calling_countries("+56912345678") == {"CL"}
    assert calling_countries("nothing") == frozenset()
