"""The lint: what is forbidden is refused, what is legitimate passes, with place and remedy."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.content.fields import FIELDS
from campaigns.content.findings import WORDS, Severity
from campaigns.content.kinds import RULES
from campaigns.content.lint import lint, text_class
from campaigns.content.samples import sample_templates
from campaigns.content.style import STOP_WORDS, capitals
from campaigns.content.template import SenderRole, Template, TemplateKind, TextLanguage
from compliance.packs import load_packs
from compliance.rules.people import OptOut
from compliance.types import Channel, ContentClass
from tests.campaigns.content import corpus
from tests.campaigns.content.build import NEUTRAL_OPENING, neutral, verified

Frame = Callable[[str], Template]


def codes(template: Template) -> set[str]:
    return {f.code for f in lint(template).findings if f.severity is Severity.ERROR}


def test_the_corpora_are_as_large_as_they_must_be() -> None:
    words = (*corpus.DEBT, *corpus.COURT, *corpus.THREATS, *corpus.ATTORNEYS)
    styles = (*corpus.OBFUSCATED, *corpus.LOUD, *corpus.MONEY, *corpus.LINKS)
    assert len(words) >= 100
    assert len(words) + len(styles) >= 200


def test_the_frames_of_these_tests_pass_by_themselves() -> None:
    assert lint(neutral()).findings == ()
    assert lint(verified()).findings == ()


@pytest.mark.parametrize("text", [*corpus.DEBT, *corpus.OBFUSCATED])
def test_a_debt_word_is_refused_in_a_neutral_text(text: str) -> None:
    assert codes(neutral(text)) & {"debt_word", "court_look", "threat", "money_in_neutral"}, text


@pytest.mark.parametrize("frame", [neutral, verified])
@pytest.mark.parametrize("text", corpus.COURT)
def test_nothing_may_look_judicial(frame: Frame, text: str) -> None:
    assert "court_look" in codes(frame(text)), text


@pytest.mark.parametrize("frame", [neutral, verified])
@pytest.mark.parametrize("text", corpus.THREATS)
def test_nothing_may_threaten(frame: Frame, text: str) -> None:
    assert codes(frame(text)) & {"threat", "court_look"}, text


@pytest.mark.parametrize("text", corpus.ATTORNEYS)
def test_only_an_attorney_speaks_as_one(text: str) -> None:
    assert "attorney_word" in codes(verified(text))
    assert codes(verified(text, sender_role=SenderRole.ATTORNEY)) == set()
    assert "attorney_word" in codes(neutral(text, sender_role=SenderRole.ATTORNEY))


@pytest.mark.parametrize("frame", [neutral, verified])
@pytest.mark.parametrize("text", corpus.LOUD)
def test_nothing_shouts(frame: Frame, text: str) -> None:
    assert codes(frame(text)) & {"capitals", "shouting_marks"}, text


@pytest.mark.parametrize("text", corpus.MONEY)
def test_no_money_in_a_neutral_text(text: str) -> None:
    assert "money_in_neutral" in codes(neutral(text))
    assert codes(verified(text)) == set()


@pytest.mark.parametrize("frame", [neutral, verified])
@pytest.mark.parametrize("text", corpus.LINKS)
def test_a_link_neither_hides_nor_tells(frame: Frame, text: str) -> None:
    assert codes(frame(text)) & {"link_hides", "link_tells", "link_not_https"}, text


@pytest.mark.parametrize("text", corpus.NEUTRAL)
def test_a_legitimate_neutral_text_passes(text: str) -> None:
    report = lint(neutral(text))
    assert report.ok, [(f.code, f.found) for f in report.findings]
    assert report.lowest_class is ContentClass.NEUTRAL


@pytest.mark.parametrize("text", [*corpus.VERIFIED, *corpus.NEUTRAL])
def test_a_legitimate_text_to_a_verified_person_passes(text: str) -> None:
    report = lint(verified(text))
    assert report.ok, [(f.code, f.found) for f in report.findings]
    assert report.lowest_class is ContentClass.VERIFIED


# --- class by fields -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n, f in FIELDS.items() if f.needs is ContentClass.VERIFIED])
def test_a_debt_field_raises_the_class(name: str) -> None:
    text = f"Le escribimos por {{{{{name}}}}}."
    assert text_class(text) is ContentClass.VERIFIED
    report = lint(neutral(text))
    found = next(f for f in report.findings if f.code == "class_too_low")
    assert found.field == name
    assert report.lowest_class is ContentClass.VERIFIED


def test_an_unknown_field_is_told_with_the_nearest_one() -> None:
    report = lint(neutral("{{retun_number}}"))
    found = next(f for f in report.findings if f.code == "unknown_field")
    assert "return_number" in found.mend_en
    assert report.lowest_class is ContentClass.VERIFIED, "what is not known tells of the debt"


@pytest.mark.parametrize(
    "text", ["{% if x %}", "{{ amount | upper }}", "{{amount", "${amount}", "{# no #}", "{{a.b}}"]
)
def test_there_is_no_logic(text: str) -> None:
    assert "bad_braces" in codes(neutral(text))


# --- what is seen from outside -------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Su deuda con Banco Uno"},
        {"subject": "Saldo de {{creditor}}"},
        {"subject": "Debe $ 1.500"},
        {"sender_name": "Cobranzas del Sur"},
        {"sender_name": "{{creditor}}"},
        {"body": "Su deuda es de {{overdue}}. " + NEUTRAL_OPENING},
    ],
)
def test_the_outside_is_neutral(changes: dict[str, str]) -> None:
    assert "exterior_debt" in codes(verified(**changes))


def test_the_preview_ends_where_it_ends() -> None:
    opening = "x" * 89
    seen = verified(body=f"{opening} deuda")
    unseen = verified(body=f"{opening}x deuda")
    assert "exterior_debt" not in codes(unseen)
    assert "exterior_debt" in codes(verified(body=f"{opening[:-6]} deuda"))
    # Fields take no room in the reckoning: their values may be short.
    pushed = "{{company}} {{first_name}} {{hours}} {{return_number}} " * 4
    assert "exterior_debt" in codes(verified(body=f"{pushed} deuda"))
    assert "exterior_debt" not in codes(seen)


def test_the_subject_of_a_legal_notice_may_name_the_creditor() -> None:
    notice = verified(
        kind=TemplateKind.NOTICE,
        content_class=ContentClass.LEGAL_NOTICE,
        subject="{{creditor}} {{reference}}",
    )
    assert codes(notice) == set()
    assert "exterior_debt" in codes(verified(subject="{{creditor}} {{reference}}"))


# --- what a text must have -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "language", "good"),
    [
        ("Responda BAJA o STOP.", TextLanguage.ES, True),
        ("Responda ALTO/STOP para no recibir más.", TextLanguage.ES, True),
        ("Para não receber mais, responda SAIR ou STOP.", TextLanguage.ES, True),
        ("Escreva PARAR ou STOP.", TextLanguage.ES, True),
        ("Responda CANCELAR o STOP.", TextLanguage.ES, True),
        ("Responda SAIR.", TextLanguage.ES, False),
        ("Vai sair. STOP.", TextLanguage.ES, False),
        ("Envíe BAJA.", TextLanguage.ES, False),
        ("STOP", TextLanguage.ES, False),
        ("No responda.", TextLanguage.ES, False),
        ("Reply STOP to opt out.", TextLanguage.EN, True),
        ("Please stop by our office and reply.", TextLanguage.EN, False),
        ("Opt out: {{opt_out_link}}", TextLanguage.EN, True),
    ],
)
def test_a_message_says_how_to_stop_it(line: str, language: TextLanguage, good: bool) -> None:
    text = f"{{{{company}}}} {{{{return_number}}}} {{{{hours}}}} {line}"
    assert ("opt_out_missing" not in codes(neutral(body=text, language=language))) is good


def test_the_words_of_the_way_out_are_no_shouting_and_packs_know_them() -> None:
    line = ", ".join(word.upper() for word in (*STOP_WORDS, "stop"))
    assert list(capitals(f"Responda {line}.")) == []
    assert list(capitals("PAGUE HOJE MESMO"))
    rule = next(
        r
        for p in load_packs(production=True).packs
        for r in p.rules
        if r.head.id == "marcador/opted_out"
    )
    assert isinstance(rule, OptOut)
    known = {word for words in rule.params.keywords.values() for word in words}
    assert known >= {*STOP_WORDS, "stop"}
    assert set(rule.params.keywords) == {"en", "es", "pt"}


def test_a_letter_and_a_confirmation_of_an_opt_out_need_no_way_out() -> None:
    letter = neutral(body="{{company}} {{return_number}} {{hours}}", channel=Channel.LETTER)
    assert codes(letter) == set()
    confirmation = neutral(
        body="{{company}}: ya no recibirá mensajes.", kind=TemplateKind.OPT_OUT_CONFIRMATION
    )
    assert codes(confirmation) == set()


WRITTEN = [t for t in sample_templates() if t.content_class is not ContentClass.VOICEMAIL_LIMITED]


@pytest.mark.parametrize("template", WRITTEN, ids=lambda t: t.name)
def test_a_sample_without_one_of_its_required_fields_fails(template: Template) -> None:
    assert lint(template).findings == ()
    for name in RULES[template.kind].fields:
        mark = f"{{{{{name}}}}}"
        without = {part: text.replace(mark, "x") for part, text in template.parts()}
        assert "field_required" in codes(msgspec.structs.replace(template, **without)), name


@pytest.mark.parametrize("template", WRITTEN, ids=lambda t: t.name)
def test_a_sample_cannot_claim_a_lower_class(template: Template) -> None:
    lower = msgspec.structs.replace(template, content_class=ContentClass.NEUTRAL)
    tells = template.content_class is ContentClass.VERIFIED
    assert ("class_too_low" in codes(lower)) is tells


def test_the_samples_are_the_ten_in_both_languages_and_a_voicemail() -> None:
    kinds = {(t.kind, t.language) for t in sample_templates()}
    wanted = set(TemplateKind) - {TemplateKind.NOTICE, TemplateKind.OPT_OUT_CONFIRMATION}
    assert kinds == {(kind, language) for kind in wanted for language in TextLanguage}


def test_a_balance_needs_its_date() -> None:
    text = verified().body.replace("{{balance_as_of}}", "hoy")
    assert codes(verified(body=text)) == {"as_of_missing"}


def test_a_mail_needs_subject_and_sender_and_an_sms_has_none() -> None:
    assert codes(verified(subject="", sender_name=" ")) >= {"part_missing"}
    assert "field_not_for_channel" in codes(neutral(subject="Hola"))


@pytest.mark.parametrize(
    ("content_class", "channel"),
    [
        (ContentClass.VOICEMAIL_LIMITED, Channel.SMS),
        (ContentClass.LIVE_AGENT, Channel.SMS),
        (ContentClass.VERIFIED, Channel.RINGLESS_VOICEMAIL),
        (ContentClass.VERIFIED, Channel.VOICE),
    ],
)
def test_a_class_has_its_channels(content_class: ContentClass, channel: Channel) -> None:
    template = neutral(content_class=content_class, channel=channel)
    assert "class_not_for_channel" in codes(template)


def test_a_visit_carries_no_text() -> None:
    with pytest.raises(Exception, match="channel"):
        neutral(channel=Channel.VISIT)


# --- findings ------------------------------------------------------------------------------------


def test_a_finding_tells_the_place() -> None:
    body = "{{company}} {{return_number}} {{hours}}\nHola.\nSobre su d3uda. Responda BAJA o STOP."
    report = lint(neutral(body=body))
    (found,) = report.findings
    assert (found.code, found.part, found.line, found.column) == ("debt_word", "body", 3, 10)
    assert found.found == "d3uda"
    assert found.place == "body:3:10"


def test_every_finding_has_words_in_both_languages() -> None:
    for code, words in WORDS.items():
        assert all((words.es, words.en, words.mend_es, words.mend_en)), code
        assert words.es != words.en, code


def test_a_long_sms_warns_and_can_be_submitted() -> None:
    report = lint(neutral("Queremos hablar con usted. " * 16))
    assert [f.code for f in report.findings] == ["too_many_segments"]
    assert report.ok


@settings(max_examples=100, deadline=None)
@given(
    word=st.sampled_from(["deuda", "moroso", "cobranza", "embargo", "demanda", "collection"]),
    choices=st.lists(st.integers(0, 10_000), min_size=24, max_size=24),
    gap=st.sampled_from(["\u200b", "\u00ad", "\u2060", "\ufe0f", "\u0301", "\u0336"]),
)
def test_however_a_word_is_hidden_it_is_found(word: str, choices: list[int], gap: str) -> None:
    """Case, accents, invisible characters, digits for letters, in any mixture."""
    leet = {"a": "a4@á", "e": "e3é", "o": "o0ó", "i": "i1í", "s": "s5$", "l": "l1"}
    made = ""
    for letter, form, gaps in zip(word, choices[:12], choices[12:], strict=False):
        forms = leet.get(letter, letter) + letter.upper()
        made += forms[form % len(forms)] + gap * (gaps % 2)
    assert codes(neutral(f"Sobre {made} hablamos.")) & {"debt_word", "court_look"}, ascii(made)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    for found in lint(neutral(text)).findings:
        assert found.es
        assert found.en
