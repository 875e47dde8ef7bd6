"""Phones: every form that files use, fillers, and never a number the plan does not have."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.portfolio.phones import Phone, PhoneProblem, is_dummy, is_filler, parse_cell


def numbers(raw: str, country: str, **more: str) -> list[str]:
    return [r.e164 if isinstance(r, Phone) else str(r) for r in parse_cell(raw, country, **more)]


@pytest.mark.parametrize(
    ("raw", "country", "e164"),
    [
        ("939717706", "CL", "+56939717706"),
        ("56939717706", "CL", "+56939717706"),
        ("+56 9 3971 7706", "CL", "+56939717706"),
        ("0939717706", "CL", "+56939717706"),
        ("09 3971-7706", "CL", "+56939717706"),
        ("(0)939717706", "CL", "+56939717706"),
        ("+56 (0) 939717706", "CL", "+56939717706"),
        ("0056939717706", "CL", "+56939717706"),
        ("02 2123 4561", "CL", "+56221234561"),
        ("612282291", "CL", "+56612282291"),
        ("Cel: 939717706", "CL", "+56939717706"),
        ("3207515317", "CO", "+573207515317"),
        ("03004989632", "CO", "+573004989632"),
        ("033004989632", "CO", "+573004989632"),
        ("+57 3 0033 01189", "CO", "+573003301189"),
        ("6012345671", "CO", "+576012345671"),
        ("5512348765", "MX", "+525512348765"),
        ("044 55 1234 8765", "MX", "+525512348765"),
        ("045 5512348765", "MX", "+525512348765"),
        ("01 55 1234 8765", "MX", "+525512348765"),
        ("+52 1 55 1234 8765", "MX", "+525512348765"),
        ("912345670", "PE", "+51912345670"),
        ("01 445-6781", "PE", "+5114456781"),
        ("(208) 555-0135", "US", "+12085550135"),
        ("+12085550101", "US", "+12085550101"),
        ("1-208-555-0101", "US", "+12085550101"),
        ("+54 9 11 2345 6780", "CL", "+5491123456780"),
        ("416 555 0123", "US", "+14165550123"),
    ],
)
def test_the_same_number_in_every_form(raw: str, country: str, e164: str) -> None:
    assert numbers(raw, country) == [e164]


@pytest.mark.parametrize(
    "raw",
    ["1", "0", "11111111", "0000000000", "9999999999", "123456789", "1234567890", "987654321",
     "0123456789", "S/N", "s/n", "no tiene", "No Tiene Teléfono", "sin teléfono", "N/A", "-", "x",
     "NULL", "none", "999999999", "+56999999999", "3000000000", "555-5555"],
)  # fmt: skip
@pytest.mark.parametrize("country", ["CL", "CO", "MX", "PE", "US"])
def test_fillers_are_no_numbers(raw: str, country: str) -> None:
    assert numbers(raw, country) == ["phone_dummy"]


@pytest.mark.parametrize(
    ("raw", "country", "problem"),
    [
        ("12359", "CL", PhoneProblem.TOO_SHORT),
        ("2345671", "CO", PhoneProblem.TOO_SHORT),
        ("93971770612359671", "CL", PhoneProblem.TOO_LONG),
        ("3" * 10 + "12" * 8, "CO", PhoneProblem.TOO_LONG),
        ("914711619", "CL", PhoneProblem.NOT_ASSIGNED),
        ("(999) 555-0134", "US", PhoneProblem.NOT_ASSIGNED),
        ("900 555 0123", "US", PhoneProblem.PREMIUM),
        ("preguntar por Juan", "CL", PhoneProblem.NOT_A_NUMBER),
        ("llamar vecino 939717706", "CL", PhoneProblem.NOT_A_NUMBER),
        ("@@", "CL", PhoneProblem.NOT_A_NUMBER),
    ],
)
def test_what_is_wrong_is_told(raw: str, country: str, problem: PhoneProblem) -> None:
    assert numbers(raw, country) == [problem]


def test_an_empty_cell_is_no_complaint() -> None:
    assert parse_cell("  ", "CL") == ()


@pytest.mark.parametrize(
    "raw",
    ["939717706 / 932717706", "939717706;932717706", "939717706 y 932717706",
     "+56939717706, 932717706", "939717706 932717706", "939717706\n932717706"],
)  # fmt: skip
def test_two_numbers_in_a_cell(raw: str) -> None:
    assert numbers(raw, "CL") == ["+56939717706", "+56932717706"]


def test_one_of_two_numbers_may_be_bad() -> None:
    assert numbers("939717706 / 11111111", "CL") == ["+56939717706", "phone_dummy"]


@pytest.mark.parametrize("raw", ["939717706 ext 12", "939717706 x12", "939717706 anexo 12",
                                 "939717706 int. 12", "939717706#12"])  # fmt: skip
def test_extensions(raw: str) -> None:
    assert parse_cell(raw, "CL") == (Phone("+56939717706", "12"),)


def test_area_and_extension_from_their_own_columns() -> None:
    assert parse_cell("1234 8765", "MX", area="55") == (Phone("+525512348765"),)
    assert parse_cell("939717706", "CL", extension="7") == (Phone("+56939717706", "7"),)
    assert numbers("12348765", "MX") == ["phone_too_short"]


def test_numbers_of_an_old_plan_are_completed_and_marked() -> None:
    assert parse_cell("22223657", "CL") == (Phone("+56222223657", completed=True),)
    assert parse_cell("+5622223657", "CL") == (Phone("+56222223657", completed=True),)
    assert parse_cell("(1) 2345671", "CO") == (Phone("+576012345671", completed=True),)


def test_an_eight_digit_mobile_is_refused_and_not_completed() -> None:
    """It could be an old number or a new one that lost a digit: the second reaches a stranger."""
    assert numbers("97654328", "CL") == ["phone_too_short"]


@pytest.mark.parametrize("line", range(0, 100, 7))
def test_fictional_north_american_numbers_import(line: int) -> None:
    for area in ("208", "206", "850", "212", "808", "907"):
        assert numbers(f"{area}55501{line:02d}", "US") == [f"+1{area}55501{line:02d}"]


@pytest.mark.parametrize("country", ["CL", "CO", "MX", "PE", "US", "AR", "EC", "ES", "BR"])
def test_the_librarys_own_examples_import_everywhere(country: str) -> None:
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        example = phonenumbers.example_number_for_type(country, kind)
        assert example is not None
        e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        if is_dummy(str(example.national_number)):
            continue  # some examples count up
        for form in (
            phonenumbers.PhoneNumberFormat.E164,
            phonenumbers.PhoneNumberFormat.INTERNATIONAL,
            phonenumbers.PhoneNumberFormat.NATIONAL,
        ):
            assert numbers(phonenumbers.format_number(example, form), country) == [e164]


@settings(max_examples=400)
@given(
    digits=st.from_regex(r"(\+|00)?[0-9]{5,13}", fullmatch=True)
    | st.from_regex(r"(\+?56)?9[2-9][0-9]{7}", fullmatch=True)
    | st.from_regex(r"(\+?57)?3[0-2][0-9]{8}", fullmatch=True)
    | st.from_regex(r"(\+?1)?[2-9][0-9]{9}", fullmatch=True),
    country=st.sampled_from(["CL", "CO", "MX", "PE", "US"]),
)
def test_no_number_that_the_plan_does_not_have(digits: str, country: str) -> None:
    for result in parse_cell(digits, country):
        if isinstance(result, Phone):
            assert phonenumbers.is_valid_number(phonenumbers.parse(result.e164))


@settings(max_examples=300)
@given(
    national=st.from_regex(r"9[2-9][0-9]{7}|[2-7][0-9]{8}", fullmatch=True),
    country=st.sampled_from(["CL", "PE"]),
)
def test_the_direct_match_agrees_with_the_library(national: str, country: str) -> None:
    """Of numbers in national form, exactly those are taken that the library calls valid."""
    number = phonenumbers.parse(national, country)
    expected = phonenumbers.is_valid_number(number) and not is_dummy(national)
    found = parse_cell(national, country)
    assert [isinstance(result, Phone) for result in found] == [expected]


@given(text=st.text(max_size=40), country=st.sampled_from(["CL", "US", "MX"]))
def test_any_text_gives_a_result(text: str, country: str) -> None:
    results = parse_cell(text, country)
    assert (results == ()) == (not text.strip())


def test_text_that_stands_for_nothing() -> None:
    assert is_filler("  Sin  Información ")
    assert not is_filler("no llamar")
    assert not is_filler("no tiene abogado")
