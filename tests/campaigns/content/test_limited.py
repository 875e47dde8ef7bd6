"""The limited-content message holds the items of 12 CFR 1006.2(j), and nothing else."""

from __future__ import annotations

import pytest

from campaigns.content.limited import Item, read_limited, tells_only_times
from campaigns.content.lint import lint
from campaigns.content.template import TextLanguage
from tests.campaigns.content.build import voicemail

GOOD = {
    TextLanguage.ES: "Hola. Le habla {{agent_name}}, de {{company}}. "
    "Por favor llámeme al {{return_number}}.",
    TextLanguage.EN: "Hello. This is {{agent_name}} from {{company}}. "
    "Please call me back at {{return_number}}.",
}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (GOOD[TextLanguage.ES], TextLanguage.ES),
        (GOOD[TextLanguage.EN], TextLanguage.EN),
        # The rule's own example: cmt. 2(j)-1.
        (
            "This is {{agent_name}} calling from {{company}}. "
            "Please contact me or another representative at {{return_number}}.",
            TextLanguage.EN,
        ),
        (
            "Mensaje de {{company}}. Llame a {{agent_name}} al {{return_number}}.".replace(
                "Llame a", "Por favor comuníquese con"
            ),
            TextLanguage.ES,
        ),
        (
            "Buenas tardes, soy {{agent_name}}, de {{company}}. Hoy es {{message_date}}. "
            "Comuníquese conmigo al {{return_number}} o al {{other_number}}. "
            "Puede llamar de {{hours}}. Puede hablar con cualquier representante.",
            TextLanguage.ES,
        ),
        (
            "A message from {{company}}. Please call {{agent_name}} or any associate at "
            "{{return_number}}. You can call from {{reply_times}}. "
            "This message was left on {{message_date}}. "
            "You may speak with any of our representatives or associates.",
            TextLanguage.EN,
        ),
    ],
)
def test_the_allowed_items_pass(text: str, language: TextLanguage) -> None:
    assert lint(voicemail(text, language)).findings == ()


@pytest.mark.parametrize(
    ("drop", "missing"),
    [
        ("Le habla {{agent_name}}, de {{company}}. ", {Item.BUSINESS, Item.PERSON}),
        ("Por favor llámeme al {{return_number}}.", {Item.REQUEST, Item.NUMBER}),
    ],
)
def test_each_required_item_is_required(drop: str, missing: set[Item]) -> None:
    text = GOOD[TextLanguage.ES].replace(drop, "")
    assert set(read_limited(text).missing) == missing
    assert [f.code for f in lint(voicemail(text)).findings] == ["limited_missing"]


@pytest.mark.parametrize(
    "more",
    [
        "Es un asunto personal.",
        "Se trata de su cuenta.",
        "Tengo información importante para usted.",
        "No es una llamada de ventas.",
        "Gracias.",
        "Su número de caso es 4521.",
        "Hola, {{first_name}}.",
        "Llámeme al {{return_number}} por su cuenta.",
        "This is not a sales call.",
        "This call is about an important personal matter.",
        "Please call {{return_number}} regarding your account.",
        "Visit https://portal.example/v.",
        "Ask for extension 5 about your file.",
    ],
)
def test_anything_else_is_refused(more: str) -> None:
    for text in (f"{GOOD[TextLanguage.ES]} {more}", f"{more} {GOOD[TextLanguage.ES]}"):
        assert "limited_other" in {f.code for f in lint(voicemail(text)).findings}, text


@pytest.mark.parametrize(
    ("text", "only_times"),
    [
        ("lunes a viernes de 9 a 18 h", True),
        ("Monday through Friday, 9 am to 6 pm", True),
        ("mañana por la tarde", True),
        ("por su cuenta", False),
        ("call about your debt", False),
        ("", False),
    ],
)
def test_a_free_value_tells_only_times(text: str, only_times: bool) -> None:
    assert tells_only_times(text) is only_times
