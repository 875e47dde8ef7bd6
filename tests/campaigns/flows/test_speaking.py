"""Prompts with values: linted once more before anybody hears them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.content.render import MergeValue, Money
from campaigns.content.sending import Skipped, SkipReason
from campaigns.flows.messages import Speak
from campaigns.flows.model import Flow
from campaigns.flows.samples import sample_flows
from campaigns.flows.speaking import spoken
from compliance.types import ContentClass
from tests.campaigns.content.build import CHILE, NOW, values

NEUTRAL = Speak(text="Hola, {{first_name}}. Atendemos {{hours}}.", language="es")
DEBT = Speak(text="Su saldo es de {{amount}}.", language="es", content_class=ContentClass.VERIFIED)


def test_a_prompt_is_filled_in() -> None:
    told = spoken(NEUTRAL, values(), CHILE)
    assert told == "Hola, María. Atendemos lunes a viernes de 9 a 18 h."
    assert spoken(DEBT, values(), CHILE) == "Su saldo es de 1.234.567 pesos chilenos."


@pytest.mark.parametrize(
    ("command", "changes", "reason"),
    [
        (NEUTRAL, {"hours": "pague su deuda"}, SkipReason.LINT),
        (NEUTRAL, {"first_name": ""}, SkipReason.MISSING_VALUE),
        (DEBT, {"balance_as_of": NOW - timedelta(days=2)}, SkipReason.BALANCE_TOO_OLD),
        (DEBT, {"amount": "mucho"}, SkipReason.BAD_VALUE),
    ],
)
def test_what_must_not_be_said_is_not(
    command: Speak, changes: dict[str, MergeValue], reason: SkipReason
) -> None:
    told = spoken(command, values(**changes), CHILE)
    assert isinstance(told, Skipped)
    assert told.reason is reason


def test_values_of_the_promise_outrank_the_record() -> None:
    command = Speak(
        text="Anoté {{promise_amount}}.",
        language="es",
        content_class=ContentClass.VERIFIED,
        values={"promise_amount": Money(cents=5_000, currency="CLP")},
    )
    other = values(promise_amount=Money(cents=1, currency="CLP"))
    assert spoken(command, other, CHILE) == "Anoté 5.000 pesos chilenos."


@pytest.mark.parametrize("made", sample_flows(), ids=lambda f: f.name)
def test_every_voicemail_of_a_sample_can_be_left(made: Flow) -> None:
    if made.machine.text is None:
        return
    for language in ("es", "en"):
        command = Speak(
            text=made.machine.text.of(language),
            language=language,
            content_class=ContentClass.VOICEMAIL_LIMITED,
        )
        assert isinstance(spoken(command, values(), CHILE), str)
