"""What a flow states before anybody answers it, as the gate is told."""

from __future__ import annotations

import pytest

from dialer.core.script import opening_statements
from tests.campaigns.flows.build import STOP, flow, gather

WHO = {"es": "Le llama {{company}}.", "en": "This is {{company}}."}
PLAIN = {"es": "Hola.", "en": "Hello."}
NUMBER = {"es": "Nuestro teléfono es {{return_number}}.", "en": "Call {{return_number}}."}


def asks(text: dict[str, str], then: str) -> dict[str, object]:
    return {
        "kind": "language",
        "text": text,
        "choices": {"1": "es", "2": "en"},
        "next": then,
        "on_opt_out": "stop",
    }


def say(text: dict[str, str], then: str) -> dict[str, object]:
    return {"kind": "say", "text": text, "next": then}


@pytest.mark.parametrize(
    ("nodes", "stated"),
    [
        (
            {"a": say(WHO, "l"), "l": asks(PLAIN, "n"), "n": say(NUMBER, "m")},
            ("business_name", "callback_number", "identity", "opt_out"),
        ),
        (
            {"a": asks(WHO, "n"), "n": say(NUMBER, "m")},
            ("business_name", "callback_number", "identity", "opt_out"),
        ),
        (
            {"a": asks(PLAIN, "w"), "w": say(WHO, "n"), "n": say(NUMBER, "m")},
            ("callback_number", "opt_out"),
        ),
        (
            {"a": asks({"es": WHO["es"], "en": "Hello."}, "m")},
            ("opt_out",),
        ),
    ],
    ids=["before", "with it", "after", "in one language only"],
)
def test_who_calls_is_stated_before_the_language_is_asked_for(
    nodes: dict[str, dict[str, object]], stated: tuple[str, ...]
) -> None:
    made = flow({**nodes, "m": gather(k1="bye"), **STOP})
    assert opening_statements(made) == stated
