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
    ReasonGroup.PACING: _say("Marcación", "Dialling"),
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
    "abandon_message_incomplete": _say(
        "la grabación de abandono no dice {statement}",
        "the recording for abandoned calls does not say {statement}",
    ),
    "abandon_message_not_known": _say(
        "no se sabe qué se oye si falta un agente",
        "it is not known what is heard when no agent comes",
    ),
    "abandon_message_too_late": _say(
        "la grabación empieza a los {counter} ms, el tope es {limit}",
        "the recording begins after {counter} ms, the limit is {limit}",
    ),
    "abandonment_limit": _say(
        "abandonadas {abandoned} de {of} en {window_s} s",
        "{abandoned} of {of} abandoned in {window_s} s",
    ),
    "abandonment_not_known": _say(
        "no hay cifra de abandono de {window_s} s", "there is no abandonment figure of {window_s} s"
    ),
    "after_closing": _say(
        "después del cierre: {local_time} en {zone}, horario {hours}",
        "after closing: {local_time} in {zone}, hours {hours}",
    ),
    "after_emergency": _say(
        "la emergencia terminó hace poco: hasta {window_end}",
        "the emergency ended lately: until {window_end}",
    ),
    "also_reference": _say("es referencia de otra persona", "it is another person's reference"),
    "attestation_not_known": _say(
        "no se sabe con qué atestación sale la llamada (se pide {wanted})",
        "it is not known with which attestation the call leaves ({wanted} is asked for)",
    ),
    "attestation_too_weak": _say(
        "atestación {attestation}; se pide {wanted}",
        "attestation {attestation}; {wanted} is asked for",
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
    "caller_id_not_known": _say(
        "no se sabe qué número verá la persona", "it is not known which number the person will see"
    ),
    "caller_id_prefix": _say(
        "el número mostrado empieza con {shown}; se pide {wanted}",
        "the number shown begins with {shown}; {wanted} is asked for",
    ),
    "caller_id_withheld": _say(
        "el número que llama no se muestra", "the calling number is withheld"
    ),
    "cap_reached": _say(
        "tope alcanzado: {counter} de {limit}", "limit reached: {counter} of {limit}"
    ),
    "channel_not_authorised": _say("canal no autorizado", "channel not authorised"),
    "closed": _say("cerrado", "closed"),
    "closed_day": _say(
        "día sin contacto: {local_time} en {zone}", "no contact on this day: {local_time} in {zone}"
    ),
    "connect_limit_not_known": _say(
        "no se sabe cuánto espera quien contesta", "it is not known how long whoever answers waits"
    ),
    "connects_too_late": _say(
        "un agente puede tardar {counter} ms, el tope es {limit}",
        "an agent may take {counter} ms, the limit is {limit}",
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
    "language_not_known": _say(
        "no se sabe en qué idioma será; se pide {wanted}",
        "it is not known in which language it will be; {wanted} is asked for",
    ),
    "language_not_recorded": _say(
        "no consta el idioma que la persona prefiere",
        "the language that the person prefers is not on record",
    ),
    "neutral_name_not_known": _say(
        "no hay un nombre neutro del cobrador", "the collector has no neutral name"
    ),
    "no_debt_named": _say("no se nombró ninguna deuda", "no debt was named"),
    "number_check_refused": _say(
        "la consulta {check} respondió {answer}", "the look-up {check} answered {answer}"
    ),
    "number_check_stale": _say(
        "la consulta {check} tiene {age_days} días, el tope es {limit}",
        "the look-up {check} is {age_days} days old, the limit is {limit}",
    ),
    "number_not_checked": _say("falta consultar {check}", "{check} has not been looked up"),
    "opted_out": _say("baja pedida el {since}", "opted out on {since}"),
    "other_channel_this_window": _say(
        "otro canal en esta semana: {channel}", "another channel this week: {channel}"
    ),
    "person_status": _say("estado: {status}", "status: {status}"),
    "phrase_forbidden": _say("el texto dice «{phrase}»", "the text says “{phrase}”"),
    "place_forbidden": _say("lugar no permitido", "place not allowed"),
    "point_dead": _say("punto de contacto: {validity}", "contact point: {validity}"),
    "point_of_other_kind": _say(
        "es {kind} y el canal es {channel}", "it is {kind} and the channel is {channel}"
    ),
    "point_unknown": _say("no es de esta persona", "it is not this person's"),
    "point_without_address": _say("sin dirección ni número", "without address or number"),
    "prerequisite_missing": _say("falta el aviso previo", "the earlier notice is missing"),
    "recording_cannot_pause": _say(
        "la grabación no se puede pausar", "the recording cannot be paused"
    ),
    "recording_not_known": _say(
        "no se sabe si la llamada se graba", "it is not known whether the call is recorded"
    ),
    "recording_pause_not_known": _say(
        "no se sabe si la grabación se puede pausar",
        "it is not known whether the recording can be paused",
    ),
    "recording_without_consent": _say(
        "se grabaría sin el consentimiento que pide la ley ({parties})",
        "it would be recorded without the consent that the law asks for ({parties})",
    ),
    "redial_too_soon": _say(
        "vuelve a ser posible el {window_end}", "possible again on {window_end}"
    ),
    "ring_time_not_known": _say(
        "no se sabe cuánto sonará", "it is not known how long it will ring"
    ),
    "ring_too_short": _say(
        "sonaría {counter} s, el mínimo es {limit}",
        "it would ring for {counter} s, the least is {limit}",
    ),
    "role_contacts_spent": _say(
        "ya hubo {counter} de {limit} contactos con este papel ({role})",
        "there were {counter} of {limit} contacts with this role ({role})",
    ),
    "role_content": _say(
        "contenido no permitido para este papel ({role}): {content_class}",
        "content not allowed for this role ({role}): {content_class}",
    ),
    "role_forbidden": _say("papel no permitido: {role}", "role not allowed: {role}"),
    "rule_failed": _say("la regla falló y cierra el paso", "the rule failed and closes the gate"),
    "sender_name_missing": _say(
        "falta el nombre de quien contacta", "the sender's name is missing"
    ),
    "sender_name_not_neutral": _say(
        "el nombre mostrado no es el neutro", "the name shown is not the neutral one"
    ),
    "shared_number": _say("lo usan {counter} personas más", "{counter} other people use it"),
    "statement_forbidden": _say("no se puede decir {statement}", "{statement} may not be said"),
    "statement_missing": _say("falta decir {statement}", "{statement} must be said"),
    "statements_not_declared": _say(
        "no se declaró qué se dirá", "what will be said is not declared"
    ),
    "suppressed": _say(
        "exclusión {suppression} ({scope}): {reason}",
        "suppression {suppression} ({scope}): {reason}",
    ),
    "too_many_short_calls": _say(
        "llamadas cortas: {short} de {of}", "short calls: {short} of {of}"
    ),
    "too_soon": _say("vuelve a ser posible el {window_end}", "possible again on {window_end}"),
    "traffic_not_known": _say(
        "no hay cifra de tráfico de {window_s} s", "there is no traffic figure of {window_s} s"
    ),
    "waiting_after_notice": _say(
        "deben pasar {limit} días desde el aviso", "{limit} days must pass after the notice"
    ),
    "wrong_language": _say(
        "el idioma es {language}; se pide {wanted}",
        "the language is {language}; {wanted} is asked for",
    ),
    "wrong_subject": _say("datos de otra persona", "facts of another person"),
    "zone_unknown": _say("zona horaria desconocida", "time zone not known"),
}

EVENTS: Final[Mapping[str, Explain]] = {
    "abandonment_fell": _say("que baje la tasa de abandono", "the abandonment rate falls"),
    "abandonment_known": _say("conocer la tasa de abandono", "the abandonment rate is known"),
    "calendar_verified": _say("verificar el calendario", "the calendar is verified"),
    "cease_withdrawn": _say("que retire el cese", "the cease request is withdrawn"),
    "channel_authorised": _say("que autorice el canal", "the channel is authorised"),
    "consent_given": _say("que dé su consentimiento", "consent is given"),
    "consent_renewed": _say("que renueve su consentimiento", "consent is renewed"),
    "content_changed": _say("cambiar el contenido", "the content is changed"),
    "debt_added": _say("agregar la deuda a la persona", "the debt is added to the person"),
    "debt_named": _say("nombrar una deuda", "a debt is named"),
    "debt_status_changed": _say("que cambie el estado de la deuda", "the debt's status changes"),
    "dialling_changed": _say("cambiar la forma de marcar", "the way of dialling is changed"),
    "emergency_ended": _say("fin de la emergencia", "the emergency ends"),
    "facts_changed": _say("que cambien los hechos", "the facts change"),
    "facts_corrected": _say("corregir los datos", "the facts are corrected"),
    "hours_changed": _say("que cambie el horario permitido", "the hours change"),
    "language_changed": _say("usar el idioma de la persona", "the person's language is used"),
    "language_recorded": _say(
        "anotar el idioma de la persona", "the person's language is recorded"
    ),
    "letter_mailed": _say("enviar el aviso por correo postal", "the notice is mailed"),
    "nothing_within_horizon": _say(
        "no hay momento permitido en el horizonte", "no instant within the horizon is allowed"
    ),
    "number_checked": _say("consultar el número", "the number is looked up"),
    "notice_given": _say("dar el aviso", "the notice is given"),
    "of_age": _say("mayoría de edad", "the person comes of age"),
    "other_point": _say("usar otro punto de contacto", "another contact point is used"),
    "place_changed": _say("que cambie el lugar", "the place changes"),
    "point_added": _say("agregar el punto de contacto", "the contact point is added"),
    "point_corrected": _say("corregir el punto de contacto", "the contact point is corrected"),
    "point_verified": _say("nueva evidencia del punto de contacto", "new evidence for the point"),
    "preference_changed": _say("que cambie su preferencia", "the preference changes"),
    "proceeding_ended": _say("fin del procedimiento", "the proceeding ends"),
    "recording_changed": _say(
        "no grabar, o grabar con consentimiento", "recording stops, or has consent"
    ),
    "representation_ended": _say("fin de la representación", "the representation ends"),
    "residence_known": _say("conocer la residencia", "the residence is known"),
    "reviewed": _say("revisión por una persona", "a person reviews it"),
    "role_changed": _say("que cambie su papel", "the role changes"),
    "rule_changed": _say("que cambie la regla", "the rule changes"),
    "sender_changed": _say(
        "cambiar cómo se muestra quien contacta", "the way the sender is shown is changed"
    ),
    "status_ended": _say("fin del estado", "the status ends"),
    "stay_ended": _say("fin de la suspensión", "the stay ends"),
    "suppression_released": _say("levantar la exclusión", "the suppression is released"),
    "traffic_changed": _say("que cambie el tráfico", "the traffic changes"),
    "traffic_known": _say("conocer las cifras de tráfico", "the traffic figures are known"),
    "workplace_permitted": _say("permiso para el trabajo", "the workplace is permitted"),
}

VERDICTS: Final[Mapping[str, Explain]] = {
    "conflict": _say(
        "{conflicts_with} exige lo contrario: lo decide una persona",
        "{conflicts_with} demands the opposite: a person decides",
    ),
    "allowed": _say("Permitido", "Allowed"),
    "blocked": _say("Bloqueado", "Blocked"),
    "first_allowed": _say("Posible desde {at}", "Possible from {at}"),
    "releasing": _say("Sólo lo libera: {event}", "Only this releases it: {event}"),
    "now_local": _say("Hora local: {times}", "Local time: {times}"),
    "inside_hours": _say("dentro del horario ({local_time})", "inside the hours ({local_time})"),
    "lifted": _say("no se aplica por {lifted_by}", "does not apply because of {lifted_by}"),
    "passes": _say("no lo impide", "does not prevent it"),
}
