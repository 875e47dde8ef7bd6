"""Why an agent's wish is refused, in both languages."""

from __future__ import annotations

from campaigns.retry import MissingFact
from dialer.core.call import CallState
from dialer.core.desk_messages import Refused


class CannotDo(Exception):
    """Why a request is refused, for the agent."""

    def __init__(self, code: str, es: str, en: str) -> None:
        super().__init__(code)
        self.refusal = Refused(ref=None, code=code, message_es=es, message_en=en)


NO_AUDIO_LEG = (
    "no_audio_leg",
    "Su teléfono no contesta; revíselo y vuelva a ponerse disponible.",
    "Your telephone does not answer; look at it, and say ready again.",
)
NO_SUCH_CALL = ("no_such_call", "Esa llamada no es suya.", "That call is not yours.")
NO_SUCH_OFFER = (
    "no_such_offer",
    "Esa cuenta ya no está ofrecida; espere la siguiente.",
    "That account is not offered any more; wait for the next.",
)
MAY_NOT_SKIP = (
    "may_not_skip",
    "En esta campaña no se saltan cuentas; llame, o póngase en pausa después.",
    "Accounts are not skipped in this campaign; dial, or pause afterwards.",
)
NOT_OFFERED = (
    "not_offered",
    "Su central telefónica no ofrece esto.",
    "Your telephone system does not offer this.",
)
TELEPHONY_FAILED = (
    "telephony_failed",
    "La central telefónica no lo hizo; la llamada sigue como estaba. Inténtelo de nuevo.",
    "The telephone system did not do it; the call is as it was. Try again.",
)
NO_AGENT_FREE = (
    "nobody_free",
    "Nadie está libre ahora; pruebe con otra persona o más tarde.",
    "Nobody is free now; try somebody else, or later.",
)
NO_SUCH_AGENT = (
    "no_such_agent",
    "No hay un único agente conectado con ese nombre; pida la lista con `list_targets`.",
    "There is not exactly one agent logged in by that name; ask for `list_targets`.",
)
NO_SUCH_DESTINATION = (
    "no_such_destination",
    "Ese destino no está en la configuración; solo se transfiere a destinos configurados.",
    "That destination is not configured; calls go to configured destinations only.",
)
PARTY_LOST = (
    "party_lost",
    "La otra persona no contestó o se fue; la llamada sigue siendo suya.",
    "The other party did not answer, or is gone; the call is still yours.",
)


def missing_fact(error: MissingFact) -> tuple[str, str, str]:
    """A code needs a promise, plan or callback that nobody has recorded."""
    return (
        "missing_fact",
        f"El código {error.code} necesita una promesa, un convenio o una rellamada; "
        "indíquelo junto con el código.",
        f"Code {error.code} needs a promise, plan or callback; give it with the code.",
    )


def not_now(state: CallState) -> CannotDo:
    """What was asked makes no sense in the call's present state."""
    return CannotDo(
        "impossible_now",
        f"No es posible ahora: la llamada está en el estado {state}.",
        f"Not possible now: the call is {state}.",
    )
