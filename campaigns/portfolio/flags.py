"""What columns and notes say that has a legal meaning, in Spanish and English.

Three results and no fourth: understood (`suppress`), perhaps understood (`review`), or plain
prose that stays a note. A note never disappears, and one that smells of law but fits no pattern
is reviewed. Patterns run over text without accents and case.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from campaigns.portfolio.columns import fold
from campaigns.portfolio.dates import looks_like_date
from campaigns.portfolio.model import FLAG_EFFECTS, Flag, FlagAction, FlagKind

_YES = frozenset(
    ("s", "si", "y", "yes", "1", "x", "t", "true", "v", "verdadero", "ok", "activo", "active",
     "on", "granted", "autoriza", "acepta", "opt-in", "opt in", "optin")
)  # fmt: skip
_NO = frozenset(
    ("", "n", "no", "0", "f", "false", "falso", "-", "--", "n/a", "na", "none", "null", "nan",
     "ninguno", "ninguna", "off", "inactivo", "inactive", "no aplica", "s/i", "sin informacion",
     "opt-out", "opt out", "optout", "revoked", "revocado")
)  # fmt: skip


def read_bool(text: str) -> bool | None:
    """Yes, no, or None where the text is neither. An empty cell is a no."""
    folded = " ".join(fold(text).split())
    if folded in _NO:
        return False
    return True if folded in _YES else None


class _Pattern(msgspec.Struct, frozen=True):
    kind: FlagKind
    text: re.Pattern[str]


def _pattern(kind: FlagKind, *alternatives: str) -> _Pattern:
    return _Pattern(kind, re.compile("|".join(rf"\b(?:{text})" for text in alternatives)))


_PATTERNS = (
    _pattern(
        FlagKind.ATTORNEY,
        r"(?:tiene|con|contrato|designo|su|por|mediante|a traves de(?: su)?|"
        r"contactar al?) abogad[oa]",
        r"abogad[oa]s? (?:del? |de la )?(?:cliente|deudor|titular)",
        r"represent(?:ad[oa]|acion) (?:por|legal)",
        r"(?:has|have|got|retained|hired|with|his|her|their) (?:an? |a new )?(?:attorney|"
        r"lawyer|counsel)",
        r"represented by",
        r"(?:attorney|atty)\.? (?:on file|rep|represented|retained)",
        r"call (?:the |his |her |their )?(?:attorney|lawyer)",
    ),
    _pattern(
        FlagKind.NO_WORK_CALLS,
        r"no (?:volver a )?(?:llam(?:ar|e|en)|contactar|telefonear|molestar)"
        r"(?:l[eoa]s?)? (?:a|al|en|en el|en su|a su|a la|en la|por) ?(?:telefono )?(?:del? )?"
        r"(?:trabajo|oficina|empleo|laboral|empresa)",
        r"(?:no|not|never|stop) (?:to )?(?:call(?:s|ing)?|contact(?:ing)?) (?:me |him |her |them )?"
        r"(?:at|to) (?:the |my |his |her |their )?(?:work|workplace|job|office|employer)",
        r"no work calls?",
        r"(?:employer|jefe|empleador) (?:prohibits|does not allow|doesn't allow|prohibe|"
        r"no permite)",
    ),
    _pattern(
        FlagKind.CEASE,
        r"cease (?:and|&) desist",
        r"cease (?:contact|communication|all|letter|calls)",
        r"no (?:se debe |volver a |desea (?:ser )?)?contact(?:ar(?:l[eoa]s?)?|ad[oa])\b"
        r"(?! (?:a|al|en|por|con|referencia|familia))",
        r"(?:do not|don't|dont|stop) contact(?:ing)?\b(?! (?:at|by|through|before|after))",
        r"stop all (?:contact|communication)",
        r"(?:solicita|pide|exige) (?:el )?(?:cese|que no (?:le|lo|la) contact)",
        r"cese de (?:contacto|comunicacion|cobranza|gestion)",
    ),
    _pattern(
        FlagKind.DECEASED,
        r"(?:cliente |titular |deudor )?(?:fallecid[oa]|fallecio|difunt[oa]|murio|muert[oa]|"
        r"occis[oa])\b",
        r"finad[oa]\b",
        r"q\.?e\.?p\.?d\b",
        r"(?:is |has |)(?:deceased|passed away|dead|died)\b",
        r"defuncion\b",
        r"acta de defuncion",
    ),
    _pattern(
        FlagKind.BANKRUPTCY,
        r"(?:en )?(?:quiebra|concurso mercantil|concurso preventivo|insolvencia)\b",
        r"liquidacion (?:concursal|voluntaria|patrimonial)",
        r"(?:filed |in |declared )?bankrupt(?:cy)?\b",
        r"chapter (?:7|11|13)\b",
        r"ley (?:de )?(?:insolvencia|20\.?720)",
    ),
    _pattern(
        FlagKind.FRAUD,
        r"(?:identity theft|stolen identity|fraud victim|fraudulent account)",
        r"(?:robo|suplantacion|usurpacion) de identidad",
        r"(?:victima de |por |es un |alega )fraude",
        r"suplantad[oa]\b",
    ),
    _pattern(
        FlagKind.DISPUTE,
        r"disput(?:a|ed?|es|ing)\b",
        r"(?:desconoce|no reconoce|rechaza|objeta|impugna) (?:la |esta |el |su |los )?"
        r"(?:deuda|credito|cargo|monto|saldo|compra|cuenta)",
        r"(?:not my|not mine|isn't my|never opened|no es mi|no es su) (?:debt|account|deuda|"
        r"cuenta)",
        r"(?:deuda|cuenta|monto) no (?:es suy[oa]|corresponde|reconocid[oa])",
        r"(?:does not|doesn't) recogni[sz]e (?:the |this )?(?:debt|account)",
    ),
    _pattern(
        FlagKind.SAYS_PAID,
        r"(?:dice|indica|informa|senala|manifiesta|afirma|refiere|asegura|alega)"
        r"(?: que)?(?: ya)?(?: ha)? (?:pago|pagad[oa]|cancelo|cancel[oó]|abono|deposito)",
        r"(?:dice|indica|informa|afirma|manifiesta)(?: que)?(?: la)?(?: deuda)?(?: ya)? "
        r"(?:esta|haber|fue) (?:pagad[oa]|cancelad[oa]|al dia)",
        r"ya (?:pago|cancelo|esta pagad[oa]|pagad[oa])\b",
        r"(?:says|claims|states|stated|said)(?: that)?(?: (?:he|she|they|it|debt|account))?"
        r"(?: (?:has|have|was|is|already|been))* paid",
        r"already paid",
        r"(?:envio|envia|presenta|adjunta) comprobante",
    ),
    _pattern(
        FlagKind.WRONG_NUMBER,
        r"(?:numero|telefono|fono) (?:equivocado|errado|incorrecto|no corresponde)",
        r"no es (?:su|el|mi) (?:numero|telefono|celular)",
        r"(?:equivocad[oa]|no lo conocen?|no la conocen?|no vive (?:ahi|aqui|alli|ya))\b",
        r"(?:numero|telefono) no (?:es|pertenece|corresponde)",
        r"wrong (?:number|party|person)",
        r"not (?:his|her|their|the right) (?:number|phone)",
    ),
    _pattern(
        FlagKind.LITIGATION,
        r"(?:en juicio|en litigio|demanda(?:do|da)?\b|juicio ejecutivo|medida cautelar)",
        r"(?:lawsuit|litigation|sued|suing|summons|subpoena)\b",
        r"(?:embargo|embargad[oa]|orden judicial|amparo|tutela)\b",
    ),
    _pattern(
        FlagKind.COMPLAINT,
        r"(?:sernac|profeco|condusef|indecopi|cfpb|procuraduria|superintendencia|"
        r"superfinanciera)\b",
        r"(?:attorney general|better business bureau|bbb complaint)",
        r"(?:presento|interpuso|ingreso|puso|hizo|con) (?:una? )?(?:reclamo|queja|denuncia)",
        r"reclamo (?:abierto|pendiente|en curso|formal)",
        r"(?:filed|opened|made) (?:a )?complaint",
    ),
    _pattern(
        FlagKind.NO_SMS,
        r"no (?:enviar|mandar|desea|quiere|mas)(?: recibir| mas)? (?:sms|mensajes? de texto|"
        r"textos?)",
        r"(?:no|stop|opted out of) (?:more )?(?:sms|text(?:s|ing| messages)?)\b",
    ),
    _pattern(
        FlagKind.NO_WHATSAPP,
        r"no (?:enviar|mandar|desea|quiere|contactar por|escribir (?:por|al)) ?(?:mas )?whats?app",
        r"(?:no|stop) whats?app\b",
    ),
    _pattern(
        FlagKind.NO_EMAIL,
        r"no (?:enviar|mandar|desea|quiere)(?: recibir| mas)? (?:correos?|e-?mails?)",
        r"(?:no|stop|unsubscribed? from) e-?mails?\b",
    ),
    _pattern(
        FlagKind.NO_CALLS,
        r"no (?:volver a )?(?:llam(?:ar(?:l[eoa]s?)?|e|en)|telefonear|molestar|insistir)\b"
        r"(?! (?:a|al|en|por|antes|despues|hasta|los|las|de|entre|referencia|familia))",
        r"no (?:desea|quiere|acepta|autoriza)(?: mas| recibir)* (?:llamadas?|llamados?|"
        r"ser llamad[oa])",
        r"(?:do not|don't|dont|stop) call(?:ing|s)?\b"
        r"(?! (?:at|before|after|on|until|between|his|her|their|the|my))",
        r"(?:do not call|dnc) (?:list|request)",
        r"no mas llamadas",
    ),
    _pattern(
        FlagKind.TIME_PREFERENCE,
        r"(?:llamar|contactar|ubicar|disponible|atiende|contesta)(?:l[eoa])? "
        r"(?:solo|solamente|unicamente|siempre|despues|antes|desde|a partir|entre|en|por|hasta|"
        r"los|las|de)(?: (?:despues|antes|desde|a partir|entre|en|por))? (?:de |la |el |las |los )*"
        r"(?:\d{1,2}(?::\d{2})? ?(?:hrs?|horas|am|pm|h|a|y|-)|manana|tarde|noche|lunes|martes|"
        r"miercoles|jueves|viernes|sabados?|domingos?|fines? de semana|mediodia)",
        r"(?:call|contact|available|reach)(?: (?:him|her|them|me))?(?: only)?"
        r" (?:after|before|between|on|in the|at) (?:the )?"
        r"(?:\d{1,2}|morning|afternoon|evening|night|noon|mon|tue|wed|thu|fri|sat|sun|week)",
        r"(?:inconvenient|works nights|night shift|trabaja de noche|turno (?:de )?noche)",
    ),
    _pattern(
        FlagKind.INCARCERATED,
        r"(?:pres[oa]|recluid[oa]|encarcelad[oa]|privad[oa] de libertad|en prision|en la carcel)\b",
        r"(?:incarcerated|in (?:jail|prison)|inmate)\b",
    ),
    _pattern(
        FlagKind.MINOR,
        r"(?:es |titular )?menor de edad\b",
        r"(?:is |a )minor\b",
        r"under (?:age|18)\b",
    ),
    _pattern(
        FlagKind.VULNERABLE,
        r"(?:enfermedad (?:grave|terminal|catastrofica)|cancer|hospitalizad[oa]|discapacidad)\b",
        r"(?:discapacitad[oa]|suicid\w+|depresion severa|violencia (?:intra)?familiar|hospice)\b",
        r"(?:terminal(?:ly)? ill(?:ness)?|in (?:the )?hospital|hospitali[sz]ed|disabled|"
        r"disability)\b",
        r"vulnerable\b",
    ),
    _pattern(
        FlagKind.THIRD_PARTY_CONTACT,
        r"no (?:llamar|contactar|molestar)(?: a)?(?: l[ao]s?| su)? (?:referencias?|"
        r"familia\w*|vecin\w+|"
        r"padres?|madre|hij\w+|espos\w+|conyuge|hermano?s?)",
        r"(?:do not|don't|dont|stop) call(?:ing)? (?:his|her|their|the|my) "
        r"(?:family|relatives?|references?|mother|father|wife|husband|neighbou?rs?)",
    ),
    _pattern(FlagKind.ELDERLY, r"(?:adulto mayor|tercera edad|elderly|anciano|anciana)\b"),
)

_UNDERSTOOD_BY_REVIEW_ONLY = frozenset(
    {FlagKind.VULNERABLE, FlagKind.ELDERLY, FlagKind.MINOR, FlagKind.FRAUD, FlagKind.LITIGATION}
)
"""Kinds whose prose is too loose to act on without a person (`embargo`, `cancer`)."""

_DOUBT = re.compile(
    r"\b(?:no tiene|sin|ya no|no esta|no es|no fue|not|isn't|hasn't|has no|no longer|never|quizas?|"
    r"posible|posiblemente|presunt[oa]|supuest[oa]|al parecer|aparentemente|confirmar|verificar|"
    r"averiguar|maybe|possibl[ey]|alleged(?:ly)?|verify|confirm|levantad[oa]|retirad[oa]|"
    r"dismissed|withdrawn|resolved|resuelt[oa]|espos[oa]|conyuge|padre|madre|herman[oa]|hij[oa]|"
    r"abuel[oa]|wife|husband|father|mother|brother|sister|son|daughter)\b|\?"
)
"""Words that turn a statement around, soften it, or say it of somebody else."""

_NEGATED = re.compile(r"\b(?:no|sin|nunca|not|never|non)\s*$")

_LEGAL_SMELL = re.compile(
    r"\b(?:abogad|attorney|lawyer|juzgad|juez|judge|court|tribunal|corte\b|demand[aeo]|"
    r"denunci|querell|"
    r"legal|ley(?:es)?\b|law\b|reclam|queja|complain|prohib|derecho|rights?\b|habeas|tutela|notari|"
    r"no (?:llam|contact|molest|insist|enviar|escrib|visit|autoriz|acept)|dejar? de|deje[n]? de|"
    r"stop\b|cease|desist|harass|acos|hostig|amenaz|threat|sue\b|suing|baja\b|revoc|"
    r"(?:do not|don't|dont|never) |unsubscrib|opt.?out|"
    r"prescri|caducad|statute|fraud|estaf|suplant|identity|robo\b|"
    r"falleci|muert|died|death|dead\b|bankrupt|quiebra|insolv|carcel|jail|"
    r"menor\b|minor\b|incapa|interdic|tutor\b|guardian|arco\b|gdpr|fdcpa|tcpa|fcra)"
)


def flags_in_note(text: str, column: str) -> tuple[Flag, ...]:
    """Flags that a free text contains; the text itself stays a note whatever comes out."""
    return tuple(
        Flag(kind=kind, action=action, column=column, text=text)
        for kind, action in _read_note(" ".join(fold(text).split()))
    )


@lru_cache(maxsize=16384)
def _read_note(folded: str) -> tuple[tuple[FlagKind, FlagAction], ...]:
    if not folded:
        return ()
    found: dict[FlagKind, FlagAction] = {}
    for pattern in _PATTERNS:
        match = pattern.text.search(folded)
        if match is None:
            continue
        before, after = folded[: match.start()], folded[match.end() :]
        certain = (
            pattern.kind in FLAG_EFFECTS
            and pattern.kind not in _UNDERSTOOD_BY_REVIEW_ONLY
            and not _DOUBT.search(f"{before} {after}")
            and not _NEGATED.search(before)
        )
        found[pattern.kind] = FlagAction.SUPPRESS if certain else FlagAction.REVIEW
    if not found and _LEGAL_SMELL.search(folded):
        found[FlagKind.LEGAL_UNCLEAR] = FlagAction.REVIEW
    return tuple(found.items())


def flags_in_cell(text: str, kind: FlagKind, column: str) -> tuple[Flag, ...]:
    """Flags of a column that stands for one kind: yes, no, a date, or something to look at."""
    answer = True if looks_like_date(text) else read_bool(text)
    if answer is False:
        return ()
    if answer is True:
        action = FlagAction.SUPPRESS if kind in FLAG_EFFECTS else FlagAction.REVIEW
        return (Flag(kind=kind, action=action, column=column, text=text),)
    also = [flag for flag in flags_in_note(text, column) if flag.kind is not kind]
    also = [flag for flag in also if flag.kind is not FlagKind.LEGAL_UNCLEAR]
    return (Flag(kind=kind, action=FlagAction.REVIEW, column=column, text=text), *also)
