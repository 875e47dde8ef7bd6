"""What the proof says when it fails: codes, places, the path, in es and en."""

from __future__ import annotations

from typing import Final, NamedTuple

from campaigns.content.findings import Finding, Severity
from compliance.messages import Message


class PathStep(Message, frozen=True, kw_only=True):
    """One node of a path, and the way out of it that was taken."""

    node: str
    kind: str
    out: str = ""
    """Key of the edge: `choices.1`, `on_verified`; empty at the last node."""
    es: str
    en: str


class FlowFinding(Finding, frozen=True, kw_only=True):
    """What is wrong with a flow, and the path that shows it."""

    node: str = ""
    path: tuple[PathStep, ...] = ()


class _Words(NamedTuple):
    es: str
    en: str
    mend_es: str
    mend_en: str
    severity: Severity = Severity.ERROR


WORDS: Final[dict[str, _Words]] = {
    "disclosure_before_verification": _Words(
        "El nodo {found} habla de la deuda y se llega a él sin verificar a la persona",
        "The node {found} tells of the debt and is reached without verifying the person",
        "ponga un nodo verify en ese camino, y llegue por su on_verified",
        "put a verify node on that path, and come by its on_verified",
    ),
    "endless_loop": _Words(
        "Desde el nodo {found} se vuelve a él sin límite",
        "From the node {found} one comes back to it without a bound",
        "haga pasar la vuelta por un nodo repeat",
        "let the way back go through a repeat node",
    ),
    "too_large": _Words(
        "El flujo tiene más de {found} estados y no se puede demostrar",
        "The flow has more than {found} states and cannot be proved",
        "divídalo, o use menos nodos repeat",
        "divide it, or use fewer repeat nodes",
    ),
    "code_before": _Words(
        "El código {found} dice que es el titular, y se llega sin verificarlo",
        "The code {found} says that it is the right party, and is reached without verification",
        "use un código que no lo afirme, como CD-NV o SY-CU",
        "use a code that does not claim it, such as CD-NV or SY-CU",
    ),
    "code_after": _Words(
        "El código {found} dice que no es el titular, y se llega después de verificarlo",
        "The code {found} says that it is not the right party, and is reached after verification",
        "use un código del titular, como CD-CO",
        "use a code of the right party, such as CD-CO",
    ),
    "opt_out_key": _Words(
        "El menú {found} no ofrece 9 para no recibir más llamadas",
        "The menu {found} does not offer 9 to stop calls",
        "lleve `9` de choices, u on_opt_out, a un nodo opt_out",
        "lead `9` of choices, or on_opt_out, to an opt_out node",
    ),
    "no_menu": _Words(
        "No hay ningún menú, así que nadie puede pedir que no le llamen",
        "There is no menu, so nobody can ask not to be called",
        "agregue un nodo gather con 9 hacia un nodo opt_out",
        "add a gather node with 9 to an opt_out node",
    ),
    "nobody_known": _Words(
        "El nodo {found} es para una persona y se llega a él sin saber quién llama",
        "The node {found} concerns one person and is reached without knowing who calls",
        "ponga antes un branch sobre person_known y llegue por su caso yes, o después de verify",
        "put a branch on person_known before it and come by its case yes, or come after verify",
    ),
    "names_caller": _Words(
        "El nodo {found} nombra a la persona a quien llama, antes de verificar quién es",
        "The node {found} names the person to whoever calls, before verifying who it is",
        "quite {{first_name}} y {{person_name}}, o llegue después de verify",
        "take out {{first_name}} and {{person_name}}, or come after verify",
    ),
    "link_without_text": _Words(
        "El nodo {found} no dice qué texto envía",
        "The node {found} does not say which text it sends",
        "ponga templates: {es: NOMBRE, en: NOMBRE}, dos textos aprobados del mismo canal",
        "put templates: {es: NAME, en: NAME}, two approved texts of the same channel",
    ),
    "unreached": _Words(
        "No se llega nunca al nodo {found}",
        "The node {found} is never reached",
        "quítelo, o lleve a él desde otro nodo",
        "take it out, or lead to it from another node",
        Severity.WARNING,
    ),
}

_KINDS: Final[dict[str, tuple[str, str]]] = {
    "say": ("dice", "says"),
    "gather": ("pregunta", "asks"),
    "language": ("pregunta el idioma", "asks for the language"),
    "verify": ("verifica la identidad", "verifies the identity"),
    "branch": ("se bifurca", "branches"),
    "disclose": ("habla de la deuda", "tells of the debt"),
    "promise": ("toma una promesa", "takes a promise"),
    "transfer": ("pasa a un agente", "transfers to an agent"),
    "link": ("envía un enlace", "sends a link"),
    "callback": ("ofrece devolver la llamada", "offers a callback"),
    "record": ("anota", "writes down"),
    "opt_out": ("da de baja", "stops calls"),
    "repeat": ("repite", "repeats"),
    "hang_up": ("termina", "hangs up"),
}
_OUTS: Final[dict[str, tuple[str, str]]] = {
    "next": ("sigue", "goes on"),
    "on_no_input": ("no se marca nada", "no key is pressed"),
    "on_invalid": ("se marca otra tecla", "another key is pressed"),
    "on_verified": ("verificado", "verified"),
    "on_failed": ("no verificado", "not verified"),
    "on_unavailable": ("faltan datos para verificar", "too little on file to verify"),
    "on_promised": ("promesa registrada", "promise recorded"),
    "on_declined": ("sin promesa", "no promise"),
    "on_opt_out": ("se marca 9", "9 is pressed"),
    "on_no_agent": ("no hay agente", "no agent"),
    "on_sent": ("enviado", "sent"),
    "again": ("otra vez", "again"),
    "done": ("no más veces", "no more times"),
    "otherwise": ("en otro caso", "otherwise"),
}


def step_words(kind: str, out: str) -> tuple[str, str]:
    """What a node does and what happens there, in es and en."""
    es, en = _KINDS[kind]
    if not out:
        return es, en
    group, _, key = out.partition(".")
    if group == "choices":
        return f"{es}; se marca {key}", f"{en}; {key} is pressed"
    if group == "cases":
        return f"{es}; {key}", f"{en}; {key}"
    said = _OUTS[out]
    return f"{es}; {said[0]}", f"{en}; {said[1]}"


def flow_finding(
    code: str,
    *,
    node: str = "",
    path: tuple[PathStep, ...] = (),
    part: str = "",
    found: str = "",
) -> FlowFinding:
    words = WORDS[code]
    return FlowFinding(
        code=code,
        severity=words.severity,
        part=part or (f"nodes.{node}" if node else ""),
        found=found,
        es=words.es.format(found=found),
        en=words.en.format(found=found),
        mend_es=words.mend_es,
        mend_en=words.mend_en,
        node=node,
        path=path,
    )


def path_lines(path: tuple[PathStep, ...], language: str) -> list[str]:
    """A path to be read by people, one node a line."""
    spanish = language.startswith("es")
    return [
        f"{number}. {step.node} ({step.es if spanish else step.en})"
        for number, step in enumerate(path, 1)
    ]
