"""What people write, and what it is taken for: true and false examples in three languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.inbox.keywords import KeywordsError, Reading, Request, parse, read

STOP = (
    "STOP",
    "stop",
    "Stop.",
    "STOP!!!",
    "stop stop stop",
    "STOP please",
    "Please stop",
    "stopall",
    "UNSUBSCRIBE",
    "Cancel",
    "END",
    "quit",
    "revoke",
    "opt out",
    "Opt-out",
    "stop texting me",
    "Please don't text me",
    "don’t message me again",
    "take me off your list",
    "I do not want any more messages",
    "remove my number",
    "BAJA",
    "baja",
    "Baja por favor",
    "ALTO",
    "alto.",
    "Cancelar",
    "quiero darme de baja",
    "Dénme de baja!",
    "no me escriban más",
    "NO ME MANDEN MAS MENSAJES",
    "ya no quiero recibir mensajes",
    "no quiero más mensajes",
    "hola, ya pagué, no me escriban",
    "dejen de enviar mensajes",
    "Sáquenme de su lista",
    "retiro mi consentimiento",
    "SAIR",
    "sair",
    "Parar",
    "não quero receber mensagens",
    "pare de enviar",
    "ВАJA",
    "s\u200btop",
)
NO_CALLS = (
    "no me llames mas",
    "No me llamen más!",
    "don't call me",
    "stop calling",
    "não me ligue mais",
)
CEASE = (
    "Déjenme en paz",
    "no me contacten nunca más",
    "Do not contact me",
    "stop contacting me",
    "leave me alone",
    "cease all communication",
    "me deixe em paz",
)
PAID = (
    "ya pagué",
    "Ya pague ayer",
    "YA LO PAGUÉ",
    "no, ya pagué",
    "ya hice el pago",
    "I paid",
    "I already paid this",
    "I've paid",
    "paid",
    "it's paid in full",
)
NOT_PAID = (
    "aún no he pagado",
    "cuánto debo pagar?",
    "I haven't paid",
    "I have not paid yet",
    "no está pagado",
    "cuando pague les aviso",
    "not paid",
    "how can I pay",
)
WRONG = (
    "número equivocado",
    "Numero Equivocado.",
    "está equivocado",
    "wrong number",
    "You have the wrong person",
    "no soy esa persona",
    "no conozco a esa persona",
    "no one here by that name",
)
NOT_WRONG = (
    "no es número equivocado",
    "this is not the wrong number",
    "mi numero es 555",
    "el monto es incorrecto",
)
CALL = (
    "llámame",
    "Llámenme por favor",
    "me puede llamar mañana?",
    "call me",
    "please call me tomorrow",
    "Give me a call",
    "no, llámame",
)
NOT_CALL = (
    "no me llames",
    "don't call me",
    "please do not call me",
    "never call me",
    "no quiero que me llamen",
)
HELP = ("AYUDA", "help", "Ayuda por favor", "¿quién es?", "who is this?", "info")
DISPUTE = (
    "esa deuda no es mía",
    "no es mi deuda",
    "yo no debo nada",
    "this is not my debt",
    "I dispute this",
    "I don't owe you anything",
    "identity theft",
)
NOTHING = (
    "ok",
    "gracias",
    "mañana les escribo",
    "hola",
    "",
    "👍",
    "cuanto es?",
    "what is this about",
    "12345",
    "tengo una pregunta",
)
MAYBE = (
    "stop by tomorrow",
    "can I stop by your office?",
    "I will end my lease",
    "puedo pasar a cancelar mañana?",
    "la baja de precio",
    "un hombre alto vino",
    "quiero salir de esto",
    "cancel my appointment",
)


def asks(text: str) -> set[Request]:
    return set(read(text).requests)


@pytest.mark.parametrize("text", STOP)
def test_these_ask_to_be_left_alone(text: str) -> None:
    assert Request.OPT_OUT in asks(text)
    assert read(text).stops


@pytest.mark.parametrize("text", NO_CALLS)
def test_these_ask_for_no_calls(text: str) -> None:
    assert Request.NO_CALLS in asks(text)
    assert Request.CALL_ME not in asks(text)


@pytest.mark.parametrize("text", CEASE)
def test_these_ask_for_no_contact_at_all(text: str) -> None:
    assert Request.CEASE in asks(text)


@pytest.mark.parametrize("text", PAID)
def test_these_say_that_it_is_paid(text: str) -> None:
    assert Request.PAID in asks(text)


@pytest.mark.parametrize("text", NOT_PAID)
def test_these_do_not(text: str) -> None:
    assert Request.PAID not in asks(text)


@pytest.mark.parametrize("text", WRONG)
def test_these_are_somebody_else(text: str) -> None:
    assert Request.WRONG_NUMBER in asks(text)


@pytest.mark.parametrize("text", NOT_WRONG)
def test_these_are_not(text: str) -> None:
    assert Request.WRONG_NUMBER not in asks(text)


@pytest.mark.parametrize("text", CALL)
def test_these_want_a_call(text: str) -> None:
    assert Request.CALL_ME in asks(text)


@pytest.mark.parametrize("text", NOT_CALL)
def test_these_want_none(text: str) -> None:
    assert Request.CALL_ME not in asks(text)


@pytest.mark.parametrize("text", HELP)
def test_these_want_help(text: str) -> None:
    assert asks(text) == {Request.HELP}


@pytest.mark.parametrize("text", DISPUTE)
def test_these_dispute_the_debt(text: str) -> None:
    assert Request.DISPUTE in asks(text)


@pytest.mark.parametrize("text", NOTHING)
def test_these_ask_for_nothing_that_rules_know(text: str) -> None:
    assert read(text) == Reading()


@pytest.mark.parametrize("text", MAYBE)
def test_a_stop_word_inside_a_sentence_is_for_a_person_to_read(text: str) -> None:
    reading = read(text)
    assert not reading.stops
    assert reading.maybe == (Request.OPT_OUT,)


def test_two_things_can_be_asked_at_once() -> None:
    assert asks("Ya pagué, no me escriban más") == {Request.PAID, Request.OPT_OUT}


@given(st.text(max_size=200))
def test_no_text_makes_it_fail(text: str) -> None:
    assert set(read(text).requests) <= set(Request)


@given(st.sampled_from(STOP), st.sampled_from(("", " ", "\n", "!!", " :)", " 🙏")))
def test_decoration_hides_no_stop(text: str, tail: str) -> None:
    assert read(text.upper() + tail).stops


def test_words_that_are_not_folded_are_refused_with_their_place() -> None:
    with pytest.raises(KeywordsError, match=r"k\.toml: \[opt_out\.es\]: 'BAJA' is not folded"):
        parse('courtesy=[]\nnegations=[]\n[opt_out.es]\nwhole=["BAJA"]', "k.toml")
    with pytest.raises(KeywordsError, match="no table for cease"):
        parse('courtesy=[]\nnegations=[]\n[opt_out.es]\nwhole=["baja"]', "k.toml")
