"""Where the people of each bundled pack live, and a telephone number of the place."""

from __future__ import annotations

from typing import NamedTuple

from compliance.messages import Place
from compliance.types import CollectorRole, DebtClass

EASTERN = "America/New_York"
CENTRAL = "America/Chicago"
MOUNTAIN = "America/Denver"
PACIFIC = "America/Los_Angeles"


class Home(NamedTuple):
    """A resident whom a pack binds, one zone only, and who contacts them about what."""

    place: Place
    zone: str
    number: str
    role: CollectorRole = CollectorRole.THIRD_PARTY
    debt_class: DebtClass = DebtClass.CONSUMER


def _state(code: str, zone: str, area_code: str, **fields: object) -> Home:
    place = Place(country="US", subdivision=f"US-{code}")
    return Home(place, zone, f"+1{area_code}5550123", **fields)  # type: ignore[arg-type]  # test shorthand


def _country(code: str, zone: str, number: str, subdivision: str | None = None) -> Home:
    return Home(Place(country=code, subdivision=subdivision), zone, number)


HOMES = {
    "us": _state("NJ", EASTERN, "201"),
    "us-tcpa": _state("NJ", EASTERN, "201"),
    "us-tsr": _state("NJ", EASTERN, "201"),
    "us-az": _state("AZ", "America/Phoenix", "602"),
    "us-ca": _state("CA", PACIFIC, "213"),
    "us-ca-creditors": _state("CA", PACIFIC, "213", role=CollectorRole.FIRST_PARTY),
    "us-co": _state("CO", MOUNTAIN, "303"),
    "us-ct": _state("CT", EASTERN, "203"),
    "us-dc": _state("DC", EASTERN, "202"),
    "us-de": _state("DE", EASTERN, "302"),
    "us-fl": _state("FL", EASTERN, "305"),
    "us-hi": _state("HI", "Pacific/Honolulu", "808"),
    "us-ia": _state("IA", CENTRAL, "515"),
    "us-id": _state("ID", "America/Boise", "208"),
    "us-il": _state("IL", CENTRAL, "312"),
    "us-la": _state("LA", CENTRAL, "504"),
    "us-ma": _state("MA", EASTERN, "617", role=CollectorRole.FIRST_PARTY),
    "us-ma-collectors": _state("MA", EASTERN, "617"),
    "us-md": _state("MD", EASTERN, "410"),
    "us-me": _state("ME", EASTERN, "207"),
    "us-mi": _state("MI", "America/Detroit", "313"),
    "us-mn": _state("MN", CENTRAL, "612"),
    "us-mt": _state("MT", MOUNTAIN, "406"),
    "us-nc": _state("NC", EASTERN, "704"),
    "us-nh": _state("NH", EASTERN, "603"),
    "us-nv": _state("NV", PACIFIC, "702"),
    "us-nv-medical": _state("NV", PACIFIC, "702", debt_class=DebtClass.MEDICAL),
    "us-ny": _state("NY", EASTERN, "212"),
    "us-ny-collectors": _state("NY", EASTERN, "212"),
    "us-ny-nyc": Home(
        Place(country="US", subdivision="US-NY", locality="Brooklyn"), EASTERN, "+17185550123"
    ),
    "us-ok": _state("OK", CENTRAL, "405"),
    "us-or": _state("OR", PACIFIC, "503"),
    "us-pa": _state("PA", EASTERN, "215"),
    "us-ri": _state("RI", EASTERN, "401"),
    "us-sc": _state("SC", EASTERN, "803"),
    "us-tn": _state("TN", CENTRAL, "615"),
    "us-tx": _state("TX", CENTRAL, "713"),
    "us-vt": _state("VT", EASTERN, "802"),
    "us-wa": _state("WA", PACIFIC, "206"),
    "us-wa-recording": _state("WA", PACIFIC, "206", role=CollectorRole.FIRST_PARTY),
    "us-wi": _state("WI", CENTRAL, "414"),
    "us-wv": _state("WV", EASTERN, "304"),
    "ca": _country("CA", "America/Vancouver", "+16045550123", "CA-BC"),
    "ca-on": _country("CA", "America/Toronto", "+14165550123", "CA-ON"),
    "ca-qc": _country("CA", "America/Toronto", "+15145550123", "CA-QC"),
    "gb": _country("GB", "Europe/London", "+442071234567", "GB-ENG"),
    "es": _country("ES", "Europe/Madrid", "+34911234567", "ES-MD"),
    "ar": _country("AR", "America/Argentina/Buenos_Aires", "+542614444444", "AR-M"),
    "ar-c": _country("AR", "America/Argentina/Buenos_Aires", "+541143211234", "AR-C"),
    "br": _country("BR", "America/Sao_Paulo", "+553133334444", "BR-MG"),
    "br-al": _country("BR", "America/Maceio", "+558233334444", "BR-AL"),
    "br-am": _country("BR", "America/Manaus", "+559233334444", "BR-AM"),
    "br-es": _country("BR", "America/Sao_Paulo", "+552733334444", "BR-ES"),
    "br-rj": _country("BR", "America/Sao_Paulo", "+552133334444", "BR-RJ"),
    "br-sp": _country("BR", "America/Sao_Paulo", "+551133334444", "BR-SP"),
    "cl": _country("CL", "America/Santiago", "+56221234567", "CL-RM"),
    "co": _country("CO", "America/Bogota", "+573001234567", "CO-DC"),
    "cr": _country("CR", "America/Costa_Rica", "+50622345678"),
    "do": _country("DO", "America/Santo_Domingo", "+18095550123"),
    "ec": _country("EC", "America/Guayaquil", "+59322345678", "EC-P"),
    "gt": _country("GT", "America/Guatemala", "+50222345678"),
    "mx": _country("MX", "America/Mexico_City", "+525512345678", "MX-CMX"),
    "ni": _country("NI", "America/Managua", "+50522345678"),
    "pa": _country("PA", "America/Panama", "+5072345678"),
    "pe": _country("PE", "America/Lima", "+51999888777", "PE-LIM"),
    "py": _country("PY", "America/Asuncion", "+595981234567"),
    "sv": _country("SV", "America/El_Salvador", "+50322345678"),
    "uy": _country("UY", "America/Montevideo", "+59829012345"),
    "default": _country("BO", "America/La_Paz", "+59122345678"),
    "house": _country("BO", "America/La_Paz", "+59122345678"),
    "marcador": _country("BO", "America/La_Paz", "+59122345678"),
}
"""By pack id; every bundled pack has one."""
