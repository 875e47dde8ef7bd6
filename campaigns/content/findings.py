"""What the checks say about a text or a flow: a stable code, the place, and words in es and en."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from compliance.messages import Message


class Severity(StrEnum):
    ERROR = "error"
    """It can be neither submitted nor approved nor sent."""
    WARNING = "warning"


class Finding(Message, frozen=True, kw_only=True):
    """One thing that is wrong, where, and how to mend it."""

    code: str
    severity: Severity = Severity.ERROR
    part: str = ""
    """`body`, `subject`, `sender_name`; in a flow the key of the node's text."""
    line: int | None = None
    """From 1, in the part."""
    column: int | None = None
    """From 1, in characters."""
    field: str | None = None
    """The merge field that is meant, or that the words came from."""
    found: str = ""
    """The characters that are meant."""
    es: str
    en: str
    mend_es: str
    mend_en: str

    def message(self, language: str) -> str:
        return self.es if language.startswith("es") else self.en

    def mend(self, language: str) -> str:
        return self.mend_es if language.startswith("es") else self.mend_en

    @property
    def place(self) -> str:
        """Part, line and column, as editors write them."""
        return ":".join(str(p) for p in (self.part, self.line, self.column) if p not in (None, ""))


class _Words(NamedTuple):
    es: str
    en: str
    mend_es: str
    mend_en: str
    severity: Severity = Severity.ERROR


_W = _Words
WORDS: Final[dict[str, _Words]] = {
    "unknown_field": _W(
        "No existe el campo {found}",
        "There is no field {found}",
        "use uno del catálogo{what}",
        "use one of the catalogue{what}",
    ),
    "bad_braces": _W(
        "Llaves o código que no son un campo: {found}",
        "Braces or code that are no field: {found}",
        "un texto sólo tiene campos {{{{nombre}}}}, sin condiciones ni fórmulas",
        "a text has only fields {{{{name}}}}, no conditions and no formulas",
    ),
    "class_too_low": _W(
        "El campo {found} habla de la deuda y el texto dice ser {what}",
        "The field {found} tells of the debt and the text claims to be {what}",
        "quite el campo o declare la clase verified",
        "take the field out, or claim the class verified",
    ),
    "debt_word": _W(
        "Palabra de deuda en un texto {what}: {found}",
        "Debt word in a text that is {what}: {found}",
        "escríbalo de modo que un tercero no sepa de qué se trata",
        "write it so that somebody else cannot tell what it is about",
    ),
    "court_look": _W(
        "Parece un documento judicial o de una autoridad: {found}",
        "Looks like a paper of a court or an authority: {found}",
        "quítelo: ningún texto puede parecer judicial",
        "take it out: no text may look judicial",
    ),
    "threat": _W(
        "Presión o amenaza: {found}",
        "Pressure or a threat: {found}",
        "diga el hecho y las opciones, sin consecuencias ni prisa",
        "tell the fact and the options, without consequences or haste",
    ),
    "attorney_word": _W(
        "Palabra de abogado: {found}",
        "Attorney's word: {found}",
        "sólo puede usarla un remitente con el rol attorney, y nunca en un texto neutro",
        "only a sender with the role attorney may use it, and never in a neutral text",
    ),
    "money_in_neutral": _W(
        "Cantidad de dinero en un texto {what}: {found}",
        "Money in a text that is {what}: {found}",
        "quite la cantidad o declare la clase verified",
        "take the amount out, or claim the class verified",
    ),
    "exterior_debt": _W(
        "Se ve desde fuera que se trata de una deuda: {found}",
        "It can be seen from outside that this is about a debt: {found}",
        "remitente, asunto y los primeros {what} caracteres deben ser neutros",
        "sender, subject and the first {what} characters must be neutral",
    ),
    "capitals": _W(
        "Mayúsculas: {found}",
        "Capital letters: {found}",
        "escriba en minúsculas; las mayúsculas son gritos",
        "write in lower case; capitals are shouting",
    ),
    "shouting_marks": _W(
        "Signos de apremio: {found}",
        "Signs of pressure: {found}",
        "un signo de exclamación basta; quite símbolos de alarma o de justicia",
        "one exclamation mark is enough; take out signs of alarm or justice",
    ),
    "opt_out_missing": _W(
        "Falta decir cómo darse de baja",
        "It does not say how to opt out",
        "agregue una línea como {what}",
        "add a line such as {what}",
    ),
    "field_required": _W(
        "Falta el campo {found}, que este tipo de texto debe tener",
        "The field {found} is missing, which this kind of text must have",
        "agréguelo",
        "add it",
    ),
    "phrase_required": _W(
        "Falta {what}",
        "It lacks {what}",
        "agregue la frase",
        "add the sentence",
    ),
    "as_of_missing": _W(
        "Dice un saldo sin su fecha",
        "It tells a balance without its date",
        "agregue {{{{balance_as_of}}}}",
        "add {{{{balance_as_of}}}}",
    ),
    "field_not_for_channel": _W(
        "{what} no lleva {found}",
        "{what} has no {found}",
        "quítelo",
        "take it out",
    ),
    "part_missing": _W(
        "Falta {found}",
        "{found} is missing",
        "escríbalo",
        "write it",
    ),
    "class_not_for_channel": _W(
        "La clase {found} no puede salir por {what}",
        "The class {found} cannot go out by {what}",
        "elija otra clase u otro canal",
        "choose another class or channel",
    ),
    "class_not_for_kind": _W(
        "El tipo {what} no puede ser de clase {found}",
        "The kind {what} cannot be of class {found}",
        "declare la clase que corresponde al tipo",
        "claim the class that belongs to the kind",
    ),
    "limited_missing": _W(
        "Al mensaje de contenido limitado le falta: {what}",
        "The limited-content message lacks: {what}",
        "12 CFR 1006.2(j)(1): empresa, petición de responder, persona y teléfono",
        "12 CFR 1006.2(j)(1): business, request to reply, person and telephone number",
    ),
    "limited_other": _W(
        "El mensaje de contenido limitado dice algo más: {found}",
        "The limited-content message says something else: {found}",
        "12 CFR 1006.2(j) no admite nada más; use las frases de docs/content.md",
        "12 CFR 1006.2(j) admits nothing else; use the sentences of docs/content.md",
    ),
    "too_many_segments": _W(
        "El SMS sale en {found} partes",
        "The SMS goes out in {found} parts",
        "acórtelo a {what} o menos; á í ó ú hacen las partes más cortas",
        "shorten it to {what} or fewer; á í ó ú make the parts shorter",
        Severity.WARNING,
    ),
    "text_too_long": _W(
        "El texto tiene {found} caracteres",
        "The text has {found} characters",
        "no debe pasar de {what}",
        "it may have up to {what}",
    ),
    "link_not_https": _W(
        "El enlace no es https: {found}",
        "The link is not https: {found}",
        "use https",
        "use https",
    ),
    "link_hides": _W(
        "El enlace esconde adónde lleva, o lleva a un grupo público: {found}",
        "The link hides where it leads, or leads to a public group: {found}",
        "use el dominio propio de la empresa, sin acortadores",
        "use the firm's own domain, no shortener",
    ),
    "link_tells": _W(
        "El enlace deja ver de qué se trata: {found}",
        "The link tells what it is about: {found}",
        "use un dominio y una ruta neutros",
        "use a neutral domain and path",
    ),
    "invisible": _W(
        "Caracteres invisibles o de otro alfabeto: {found}",
        "Invisible characters, or of another alphabet: {found}",
        "escríbalo de nuevo a mano",
        "type it anew by hand",
    ),
    "value_bad": _W(
        "El valor de {found} no es lo que debe: {what}",
        "The value of {found} is not what it should be: {what}",
        "corrija el dato de la persona o de la campaña",
        "mend the value of the person or the campaign",
    ),
}
"""Every code that a check of a text can give."""


def finding(
    code: str,
    *,
    part: str = "",
    line: int | None = None,
    column: int | None = None,
    field: str | None = None,
    found: str = "",
    what: str = "",
    what_en: str | None = None,
) -> Finding:
    """A finding with its words filled in; `what` fills in the rest of the sentence."""
    words = WORDS[code]
    shown = found if len(found) <= 80 else f"{found[:77]}..."
    spanish = {"found": shown, "what": what}
    english = {"found": shown, "what": what if what_en is None else what_en}
    return Finding(
        code=code,
        severity=words.severity,
        part=part,
        line=line,
        column=column,
        field=field,
        found=shown,
        es=words.es.format_map(spanish),
        en=words.en.format_map(english),
        mend_es=words.mend_es.format_map(spanish),
        mend_en=words.mend_en.format_map(english),
    )


def line_and_column(text: str, place: int) -> tuple[int, int]:
    """Line and column, from 1, of a position."""
    before = text[:place]
    return before.count("\n") + 1, place - (before.rfind("\n") + 1) + 1
