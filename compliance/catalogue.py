"""What codes and events mean to people, in Spanish and English.

Rules bring their own prose in the packs; this catalogue adds what is common to all of them:
groups, reason codes, and the events that release a denial that time does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from compliance.schema import Explain
from compliance.types import Outcome, ReasonGroup


def _say(es: str, en: str) -> Explain:
    return Explain(es=es, en=en)


GROUPS: Final[Mapping[ReasonGroup, Explain]] = {
    ReasonGroup.STATUS: _say("Estado", "Status"),
    ReasonGroup.RECIPIENT: _say("Destinatario", "Recipient"),
    ReasonGroup.CONSENT: _say("Consentimiento", "Consent"),
    ReasonGroup.CONTENT: _say("Contenido", "Content"),
    ReasonGroup.HOURS: _say("Horario", "Hours"),
    ReasonGroup.COUNTERS: _say("Contadores", "Counters"),
    ReasonGroup.SYSTEM: _say("Sistema", "System"),
}

OUTCOMES: Final[Mapping[Outcome, Explain]] = {
    Outcome.PASS: _say("cumple", "passes"),
    Outcome.DENY: _say("impide", "denies"),
    Outcome.HOLD: _say("requiere revisión", "needs review"),
    Outcome.WARN: _say("advierte", "warns"),
    Outcome.LIFTED: _say("levantada", "lifted"),
}

CODES: Final[Mapping[str, Explain]] = {
    "after_closing": _say(
        "después del cierre: {local_time} en {zone}, horario {hours}",
        "after closing: {local_time} in {zone}, hours {hours}",
    ),
    "before_opening": _say(
        "antes de la apertura: {local_time} en {zone}, horario {hours}",
        "before opening: {local_time} in {zone}, hours {hours}",
    ),
    "between_hours": _say(
        "entre dos horarios: {local_time} en {zone}, horario {hours}",
        "between two spans: {local_time} in {zone}, hours {hours}",
    ),
    "blackout": _say("fecha sin contacto", "a date without contact"),
    "calendar_not_verified": _say(
        "el calendario de feriados está verificado sólo hasta {verified_through}",
        "the holiday calendar is verified only through {verified_through}",
    ),
    "cap_reached": _say(
        "tope alcanzado: {counter} de {limit}", "limit reached: {counter} of {limit}"
    ),
    "channel_not_authorised": _say("canal no autorizado", "channel not authorised"),
    "closed": _say("cerrado", "closed"),
    "closed_day": _say(
        "día sin contacto: {local_time} en {zone}", "no contact on this day: {local_time} in {zone}"
    ),
    "consent_missing": _say("falta el consentimiento ({scope})", "consent is missing ({scope})"),
    "consent_stale": _say(
        "el consentimiento no se renovó a tiempo ({scope})",
        "the consent was not renewed in time ({scope})",
    ),
    "content_class_forbidden": _say(
        "clase de contenido no permitida: {content_class} ({because})",
        "content class not allowed: {content_class} ({because})",
    ),
    "cooling_down": _say("en silencio hasta {window_end}", "silent until {window_end}"),
    "debt_status": _say("deuda {debt}: {status}", "debt {debt}: {status}"),
    "debt_unknown": _say(
        "la deuda {debt} no es de esta persona", "debt {debt} is not this person's"
    ),
    "emergency": _say("emergencia declarada: {emergency}", "declared emergency: {emergency}"),
    "history_incomplete": _say(
        "el historial empieza el {window_start}", "the history begins on {window_start}"
    ),
    "holiday": _say("feriado: {holiday}", "holiday: {holiday}"),
    "inconvenient_time": _say("hora inconveniente", "inconvenient time"),
    "no_debt_named": _say("no se nombró ninguna deuda", "no debt was named"),
    "opted_out": _say("baja pedida el {since}", "opted out on {since}"),
    "other_channel_this_window": _say(
        "otro canal en esta semana: {channel}", "another channel this week: {channel}"
    ),
    "person_status": _say("estado: {status}", "status: {status}"),
    "place_forbidden": _say("lugar no permitido", "place not allowed"),
    "point_dead": _say("punto de contacto: {validity}", "contact point: {validity}"),
    "point_of_other_kind": _say(
        "es {kind} y el canal es {channel}", "it is {kind} and the channel is {channel}"
    ),
    "point_unknown": _say("no es de esta persona", "it is not this person's"),
    "point_without_address": _say("sin dirección ni número", "without address or number"),
    "prerequisite_missing": _say("falta el aviso previo", "the earlier notice is missing"),
    "redial_too_soon": _say(
        "vuelve a ser posible el {window_end}", "possible again on {window_end}"
    ),
    "role_forbidden": _say("papel no permitido: {role}", "role not allowed: {role}"),
    "rule_failed": _say("la regla falló y cierra el paso", "the rule failed and closes the gate"),
    "suppressed": _say(
        "exclusión {suppression} ({scope}): {reason}",
        "suppression {suppression} ({scope}): {reason}",
    ),
    "also_reference": _say("es referencia de otra persona", "it is another person's reference"),
    "shared_number": _say("lo usan {counter} personas más", "{counter} other people use it"),
    "too_soon": _say("vuelve a ser posible el {window_end}", "possible again on {window_end}"),
    "waiting_after_notice": _say(
        "deben pasar {limit} días desde el aviso", "{limit} days must pass after the notice"
    ),
    "wrong_subject": _say("datos de otra persona", "facts of another person"),
    "zone_unknown": _say("zona horaria desconocida", "time zone not known"),
}

EVENTS: Final[Mapping[str, Explain]] = {
    "calendar_verified": _say("verificar el calendario", "the calendar is verified"),
    "cease_withdrawn": _say("que retire el cese", "the cease request is withdrawn"),
    "channel_authorised": _say("que autorice el canal", "the channel is authorised"),
    "consent_given": _say("que dé su consentimiento", "consent is given"),
    "consent_renewed": _say("que renueve su consentimiento", "consent is renewed"),
    "content_changed": _say("cambiar el contenido", "the content is changed"),
    "debt_added": _say("agregar la deuda a la persona", "the debt is added to the person"),
    "debt_named": _say("nombrar una deuda", "a debt is named"),
    "debt_status_changed": _say("que cambie el estado de la deuda", "the debt's status changes"),
    "emergency_ended": _say("fin de la emergencia", "the emergency ends"),
    "facts_changed": _say("que cambien los hechos", "the facts change"),
    "facts_corrected": _say("corregir los datos", "the facts are corrected"),
    "hours_changed": _say("que cambie el horario permitido", "the hours change"),
    "nothing_within_horizon": _say(
        "no hay momento permitido en el horizonte", "no instant within the horizon is allowed"
    ),
    "of_age": _say("mayoría de edad", "the person comes of age"),
    "other_point": _say("usar otro punto de contacto", "another contact point is used"),
    "place_changed": _say("que cambie el lugar", "the place changes"),
    "point_added": _say("agregar el punto de contacto", "the contact point is added"),
    "point_corrected": _say("corregir el punto de contacto", "the contact point is corrected"),
    "point_verified": _say("nueva evidencia del punto de contacto", "new evidence for the point"),
    "preference_changed": _say("que cambie su preferencia", "the preference changes"),
    "proceeding_ended": _say("fin del procedimiento", "the proceeding ends"),
    "representation_ended": _say("fin de la representación", "the representation ends"),
    "residence_known": _say("conocer la residencia", "the residence is known"),
    "reviewed": _say("revisión por una persona", "a person reviews it"),
    "role_changed": _say("que cambie su papel", "the role changes"),
    "rule_changed": _say("que cambie la regla", "the rule changes"),
    "status_ended": _say("fin del estado", "the status ends"),
    "stay_ended": _say("fin de la suspensión", "the stay ends"),
    "suppression_released": _say("levantar la exclusión", "the suppression is released"),
    "workplace_permitted": _say("permiso para el trabajo", "the workplace is permitted"),
}

VERDICTS: Final[Mapping[str, Explain]] = {
    "allowed": _say("Permitido", "Allowed"),
    "blocked": _say("Bloqueado", "Blocked"),
    "first_allowed": _say("Posible desde {at}", "Possible from {at}"),
    "releasing": _say("Sólo lo libera: {event}", "Only this releases it: {event}"),
    "now_local": _say("Hora local: {times}", "Local time: {times}"),
    "inside_hours": _say("dentro del horario ({local_time})", "inside the hours ({local_time})"),
    "lifted": _say("no se aplica por {lifted_by}", "does not apply because of {lifted_by}"),
    "passes": _say("no lo impide", "does not prevent it"),
}
