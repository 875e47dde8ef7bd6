"""A text for one person: values in the form of the country, linted again, made into a request."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.content.fields import FIELDS, FieldKind
from campaigns.content.render import (
    MergeValue,
    Money,
    RenderContext,
    as_html,
    locale_of,
    render,
    shown,
)
from campaigns.content.samples import sample_templates
from campaigns.content.segments import Encoding
from campaigns.content.sending import (
    ApprovedTemplate,
    Prepared,
    SendPolicy,
    Skipped,
    SkipReason,
    prepare,
    request_with,
)
from campaigns.content.template import Template, TextLanguage, template_hash
from compliance.messages import ContactRequest
from compliance.types import (
    Channel,
    ContactPointId,
    ContentClass,
    DecisionId,
    Mode,
    PersonId,
    Validity,
)
from tests.campaigns.content.build import CHILE, NOW, approved, neutral, values, verified, voicemail
from tests.compliance import build as compliance
from tests.compliance.build import facts, judge, when


def ready(template: Template, **changes: MergeValue) -> Prepared:
    made = prepare(approved(template), values(**changes), CHILE)
    assert isinstance(made, Prepared), made
    return made


def refused(template: Template, **changes: MergeValue) -> Skipped:
    made = prepare(approved(template), values(**changes), CHILE)
    assert isinstance(made, Skipped), made
    return made


# --- form ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "country", "currency", "cents", "money", "day"),
    [
        ("es", "MX", "MXN", 123_456_750, "$1,234,567.50", "5 de noviembre de 2026"),
        ("es", "CL", "CLP", 1_234_567, "$1.234.567", "5 de noviembre de 2026"),
        ("es", "CO", "COP", 123_456_750, "$1.234.567,50", "5 de noviembre de 2026"),
        ("es", "PE", "PEN", 123_456_750, "S/ 1,234,567.50", "5 de noviembre de 2026"),
        ("es", "ES", "EUR", 123_456_750, "1.234.567,50 €", "5 de noviembre de 2026"),
        ("es", "US", "USD", 123_456_750, "$1,234,567.50", "5 de noviembre de 2026"),
        ("en", "US", "USD", 123_456_750, "$1,234,567.50", "November 5, 2026"),
        ("en", "CL", "CLP", 1_234_567, "CLP1,234,567", "November 5, 2026"),
    ],
)
def test_money_and_dates_are_as_the_country_writes_them(
    language: str, country: str, currency: str, cents: int, money: str, day: str
) -> None:
    template = verified(language=TextLanguage(language))
    context = RenderContext(now=NOW, country=country)
    told = shown(FIELDS["amount"], Money(cents=cents, currency=currency), template, context)
    assert told.replace("CLP 1", "CLP1") == money
    assert shown(FIELDS["due_date"], date(2026, 11, 5), template, context) == day


def test_a_country_without_a_locale_takes_the_default() -> None:
    assert locale_of(TextLanguage.ES, "JP") == "es_US"
    assert locale_of(TextLanguage.EN, None) == "en_US"


def test_an_instant_is_told_as_the_date_at_the_person() -> None:
    """02:00 UTC on the 26th is still the 25th in Santiago."""
    late = NOW.replace(hour=2) + timedelta(days=1)
    context = RenderContext(now=late, country="CL", zone="America/Santiago")
    told = shown(FIELDS["balance_as_of"], late, verified(), context)
    assert told == "25 de noviembre de 2026"


def test_values_are_escaped() -> None:
    template = next(t for t in sample_templates() if t.name == "promise-confirmation-es")
    told = shown(FIELDS["promise_method"], "*ya*\n_aquí_\u200b", template, CHILE)
    assert told == "ya aquí"
    assert shown(FIELDS["first_name"], "MARÍA JOSÉ", neutral(), CHILE) == "María José"
    mail = ready(verified(), creditor="Uno & Dos")
    assert "Uno &amp; Dos" in mail.html
    assert as_html("a <b>\nc\n\nd & e") == "<p>a &lt;b&gt;<br>c</p><p>d &amp; e</p>"


def test_braces_in_a_value_are_only_text() -> None:
    parts = render(verified(), values(creditor="{{overdue}}"), CHILE)
    assert isinstance(parts, tuple)
    assert "{{overdue}}" in parts[-1].text
    assert refused(verified(), creditor="{{overdue}}").reason is SkipReason.BAD_VALUE


# --- who is skipped ------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["first_name", "creditor", "overdue", "payment_methods"])
def test_a_missing_value_skips_this_person_and_says_which(field: str) -> None:
    known = values()
    del known[field]
    made = prepare(approved(verified()), known, CHILE)
    assert made == Skipped(reason=SkipReason.MISSING_VALUE, fields=(field,))
    empty = prepare(approved(verified()), values(), CHILE)
    assert isinstance(empty, Prepared)


def test_a_blank_value_is_missing() -> None:
    assert refused(neutral(), first_name=" \u200b ").reason is SkipReason.MISSING_VALUE


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (timedelta(hours=23), True),
        (timedelta(hours=24), True),
        (timedelta(hours=24, seconds=1), False),
        (timedelta(days=30), False),
        (-timedelta(minutes=4), True),
        (-timedelta(hours=2), False),
    ],
)
def test_an_old_balance_is_told_to_nobody(age: timedelta, told: bool) -> None:
    made = prepare(approved(verified()), values(balance_as_of=NOW - age), CHILE)
    assert isinstance(made, Prepared) is told
    if isinstance(made, Skipped):
        assert made.reason is SkipReason.BALANCE_TOO_OLD


def test_the_age_is_the_policys_and_binds_only_texts_with_a_balance() -> None:
    old = values(balance_as_of=NOW - timedelta(days=3))
    week = SendPolicy(max_balance_age_s=7 * 86_400)
    assert isinstance(prepare(approved(verified()), old, CHILE, week), Prepared)
    assert isinstance(prepare(approved(neutral()), old, CHILE), Prepared)


@pytest.mark.parametrize(
    "changes",
    [
        {"company": "Cobranzas del Sur"},
        {"company": "D3UDA Cero"},
        {"company": "Juzgado Tercero"},
        {"hours": "pague su saldo de 9 a 18"},
        {"first_name": "María debe pesos"},
        {"hours": "de 9 a 18. Debe $ 1.500"},
        {"company": "Bufete Ríos"},
    ],
)
def test_a_value_cannot_smuggle_a_debt_in(changes: dict[str, MergeValue]) -> None:
    skipped = refused(neutral(), **changes)
    assert skipped.reason in (SkipReason.LINT, SkipReason.BAD_VALUE)
    assert skipped.fields == tuple(changes)


NAMES = ["María Mora", "Juan Juez", "Mary Judge", "José Cobo", "Ana Paga", "Luz Pagán", "Rosa Peso"]


@pytest.mark.parametrize("name", [*NAMES, "Ana Montoya", "D'Angelo", "Zoë"])
def test_a_person_may_bear_a_word_as_a_name(name: str) -> None:
    assert name in ready(neutral(), first_name=name).text


@pytest.mark.parametrize(
    "changes",
    [
        {"first_name": "https://x.example"},
        {"first_name": "Ana 4521"},
        {"return_number": "llame ya"},
        {"overdue": "1500"},
        {"overdue": Money(cents=-5, currency="CLP")},
        {"balance_as_of": date(2026, 11, 25)},
    ],
)
def test_a_value_of_another_kind_is_refused(changes: dict[str, MergeValue]) -> None:
    template = verified(body=verified().body + " {{return_number}}")
    skipped = refused(template, **changes)
    assert skipped == Skipped(reason=SkipReason.BAD_VALUE, fields=tuple(changes))


def test_a_short_value_cannot_pull_a_debt_word_into_the_preview() -> None:
    """The lint at save took every field for empty, so no value can be shorter than it thought."""
    made = ready(verified(), first_name="Al", company="X")
    assert "sin pagar" not in made.text[:90]


def test_a_voicemails_free_values_tell_only_times() -> None:
    text = "Le habla {{agent_name}}, de {{company}}. Llámeme al {{return_number}}. " \
           "Puede llamar {{reply_times}}."  # fmt: skip
    assert ready(voicemail(text)).content_class is ContentClass.VOICEMAIL_LIMITED
    told = refused(voicemail(text), company="Credit Card Receivables Group")  # cmt. 2(j)-2
    assert told.fields == ("company",)
    skipped = refused(voicemail(text), reply_times="por el asunto de su hermano")
    assert skipped == Skipped(
        reason=SkipReason.LINT, fields=("reply_times",), codes=("limited_other",)
    )


# --- into a request ------------------------------------------------------------------------------


def request(channel: Channel) -> ContactRequest:
    return ContactRequest(
        decision_id=DecisionId("d"),
        person_id=PersonId("p"),
        contact_point_id=ContactPointId("c"),
        channel=channel,
        mode=Mode.BLAST,
    )


def test_the_request_carries_text_class_and_hash() -> None:
    template = neutral()
    made = ready(template)
    asked = request_with(request(Channel.SMS), made)
    assert asked.text == made.text
    assert "{{" not in made.text
    assert asked.content_class is ContentClass.NEUTRAL
    assert asked.template_hash == template_hash(template)
    assert asked.language == "es"
    assert made.segments is not None
    assert made.segments.encoding is Encoding.UCS_2, "María has an í"
    with pytest.raises(ValueError, match="sms"):
        request_with(request(Channel.EMAIL), made)


def test_the_gate_judges_a_text_by_its_true_class() -> None:
    """The debt goes to a verified point that nobody shares; a neutral text goes to both."""
    noon = when("America/New_York", "2026-11-24 12:00:00")
    rules = compliance.packs("marcador")
    reminder = next(t for t in sample_templates() if t.name == "promise-reminder-es")
    promised: dict[str, MergeValue] = {
        "promise_amount": Money(cents=5_000, currency="CLP"),
        "promise_date": date(2026, 12, 1),
    }
    told = request_with(compliance.request(Channel.SMS), ready(reminder, **promised))
    quiet = request_with(compliance.request(Channel.SMS), ready(neutral()))
    points = {
        "unknown": compliance.phone(),
        "own": compliance.phone(validity=Validity.VERIFIED_RIGHT_PARTY),
        "shared": compliance.phone(
            validity=Validity.VERIFIED_RIGHT_PARTY, shared_with=(PersonId("another"),)
        ),
    }
    records = {
        (name, asked.content_class): judge(facts(points=[point]), noon, asked, rules)
        for name, point in points.items()
        for asked in (told, quiet)
    }
    allowed = {who for who, record in records.items() if record.allowed}
    neutral_ones = {(name, ContentClass.NEUTRAL) for name in points}
    assert allowed == {("own", ContentClass.VERIFIED), *neutral_ones}
    kept = records["own", ContentClass.VERIFIED].request
    assert (kept.text, kept.template_hash) == (told.text, template_hash(reminder))


def test_another_wording_has_another_hash() -> None:
    assert template_hash(neutral()) == template_hash(neutral())
    assert template_hash(neutral()) != template_hash(neutral("Hola."))


@pytest.mark.parametrize(("author", "approver"), [("ana", "ana"), ("ana", "")])
def test_nobody_sends_what_only_its_author_has_seen(author: str, approver: str) -> None:
    with pytest.raises(ValueError, match="approved"):
        ApprovedTemplate(template=neutral(), author=author, approved_by=approver)


def test_every_sample_can_be_sent() -> None:
    examples: dict[str, MergeValue] = {}
    for field in FIELDS.values():
        match field.kind:
            case FieldKind.MONEY:
                examples[field.name] = Money(cents=150_000, currency="CLP")
            case FieldKind.DATE:
                examples[field.name] = date(2026, 11, 5)
            case FieldKind.INSTANT:
                examples[field.name] = NOW
            case _:
                examples[field.name] = field.example_es
    for template in sample_templates():
        made = prepare(approved(template), examples, CHILE)
        assert isinstance(made, Prepared), (template.name, made)
        assert "{{" not in made.text


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {name: st.text(max_size=60) for name in ("first_name", "company", "hours", "return_number")}
    )
)
def test_whatever_the_values_are_nothing_forbidden_leaves(given_values: dict[str, str]) -> None:
    """A neutral text that was prepared passes the lint as if its author had typed it."""
    made = prepare(approved(neutral()), {**values(), **given_values}, CHILE)
    if isinstance(made, Prepared):
        assert "{{" not in made.text
        assert msgspec.json.decode(msgspec.json.encode(made), type=Prepared) == made
        assert not any(word in made.text.casefold() for word in ("deuda", "cobranza", "embargo"))
