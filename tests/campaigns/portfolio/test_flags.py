"""Notes and columns with a legal meaning: understood, or reviewed, never dropped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.portfolio.flags import flags_in_cell, flags_in_note, read_bool
from campaigns.portfolio.model import FLAG_EFFECTS, FlagAction, FlagKind
from compliance.types import Channel, DebtStatus, PointLabel, StatusKind


def read(text: str) -> dict[str, str]:
    return {str(flag.kind): str(flag.action) for flag in flags_in_note(text, "notes")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tiene abogado; no contactar", {"attorney": "suppress", "cease": "suppress"}),
        ("NO LLAMAR AL TRABAJO", {"no_work_calls": "suppress"}),
        ("no llamar a la oficina", {"no_work_calls": "suppress"}),
        ("fallecido", {"deceased": "suppress"}),
        ("Titular falleció en marzo", {"deceased": "suppress"}),
        ("dice que ya pagó", {"says_paid": "suppress"}),
        ("no llamar", {"no_calls": "suppress"}),
        ("No desea recibir SMS", {"no_sms": "suppress"}),
        ("no reconoce la deuda", {"dispute": "suppress"}),
        ("en quiebra", {"bankruptcy": "suppress"}),
        ("reclamo en SERNAC", {"complaint": "suppress"}),
        ("do not call at work", {"no_work_calls": "suppress"}),
        ("Do not call", {"no_calls": "suppress"}),
        ("represented by counsel", {"attorney": "suppress"}),
        ("cease and desist received", {"cease": "suppress"}),
        ("filed chapter 13", {"bankruptcy": "suppress"}),
        ("says he already paid", {"says_paid": "suppress"}),
        ("stop texting", {"no_sms": "suppress"}),
        ("customer is deceased", {"deceased": "suppress"}),
    ],
)
def test_notes_that_are_understood(text: str, expected: dict[str, str]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("no es su número", "wrong_number"),
        ("wrong number", "wrong_number"),
        ("no tiene abogado", "attorney"),
        ("ya no tiene abogado", "attorney"),
        ("posible fallecido", "deceased"),
        ("la madre falleció", "deceased"),
        ("esposa dice que el titular falleció", "deceased"),
        ("víctima de fraude", "fraud"),
        ("llamar después de las 18 hrs", "time_preference"),
        ("call after 6pm", "time_preference"),
        ("no llamar a referencias", "third_party_contact"),
        ("dejen de molestar", "legal_unclear"),
        ("amenaza con demandar", "legal_unclear"),
        ("STOP", "legal_unclear"),
        ("mentioned her rights under FDCPA", "legal_unclear"),
    ],
)
def test_notes_that_a_person_must_look_at(text: str, kind: str) -> None:
    assert read(text) == {kind: "review"}


@pytest.mark.parametrize(
    "text",
    ['"cliente"; difícil', "promesa de pago viernes", "volver a llamar", "no contesta", "buzón",
     "quiere pagar en cuotas", "busy when called", "promised Friday", "", "llamar mañana"],
)  # fmt: skip
def test_plain_notes_have_no_flag(text: str) -> None:
    assert read(text) == {}


def test_the_text_and_its_column_are_kept() -> None:
    (flag,) = flags_in_note("  Fallecido (según hija) ", "glosa")
    assert (flag.column, flag.text, flag.action) == (
        "glosa", "  Fallecido (según hija) ", FlagAction.REVIEW
    )  # fmt: skip
    assert flag.effect is None


@pytest.mark.parametrize("value", ["S", "si", "SÍ", "1", "X", "Y", "true", "12/03/2026"])
def test_a_column_of_one_meaning_says_yes(value: str) -> None:
    (flag,) = flags_in_cell(value, FlagKind.DECEASED, "fallecido")
    assert (flag.kind, flag.action) == (FlagKind.DECEASED, FlagAction.SUPPRESS)


@pytest.mark.parametrize("value", ["", "N", "no", "0", "false", "N/A", "-"])
def test_a_column_of_one_meaning_says_no(value: str) -> None:
    assert flags_in_cell(value, FlagKind.DECEASED, "fallecido") == ()


def test_a_column_with_prose_is_reviewed() -> None:
    (flag,) = flags_in_cell("Estudio Pérez y Asociados", FlagKind.ATTORNEY, "abogado")
    assert (flag.kind, flag.action) == (FlagKind.ATTORNEY, FlagAction.REVIEW)
    kinds = {flag.kind for flag in flags_in_cell("fallecido", FlagKind.ATTORNEY, "abogado")}
    assert kinds == {FlagKind.ATTORNEY, FlagKind.DECEASED}


def test_every_kind_has_an_effect_or_goes_to_review() -> None:
    only_reviewed = set(FlagKind) - set(FLAG_EFFECTS)
    assert only_reviewed == {
        FlagKind.TIME_PREFERENCE, FlagKind.WRONG_NUMBER, FlagKind.THIRD_PARTY_CONTACT,
        FlagKind.LEGAL_UNCLEAR,
    }  # fmt: skip
    for kind in only_reviewed:
        (flag,) = flags_in_cell("SI", kind, "c")
        assert flag.action is FlagAction.REVIEW


def test_effects_are_what_the_gate_reads() -> None:
    assert FLAG_EFFECTS[FlagKind.ATTORNEY].status is StatusKind.ATTORNEY
    assert FLAG_EFFECTS[FlagKind.SAYS_PAID].debt_status is DebtStatus.PAYMENT_CLAIMED
    assert FLAG_EFFECTS[FlagKind.NO_SMS].opt_out is Channel.SMS
    assert FLAG_EFFECTS[FlagKind.NO_WORK_CALLS].forbids_label is PointLabel.WORK


def test_booleans() -> None:
    assert read_bool(" Sí ") is True
    assert read_bool("No aplica") is False
    assert read_bool("tal vez") is None


@given(st.text(max_size=80))
def test_any_note_gives_each_kind_at_most_once(text: str) -> None:
    kinds = [flag.kind for flag in flags_in_note(text, "c")]
    assert len(kinds) == len(set(kinds))


@given(
    legal=st.sampled_from(["tiene abogado", "fallecido", "no contactar", "quiebra", "denuncia"]),
    before=st.sampled_from(["", "cliente ", "según hija, ", "¡OJO! "]),
    after=st.sampled_from(["", " (ver carpeta)", "; llamar", " ?", " 12/03"]),
)
def test_a_legal_word_is_never_lost_in_its_sentence(legal: str, before: str, after: str) -> None:
    assert flags_in_note(f"{before}{legal.upper()}{after}", "c")
