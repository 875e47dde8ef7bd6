"""Every error that the API can answer, with its status and its words in both languages.

A client acts on `code`; people read `message` and `mend`. No answer ever holds a traceback, a
secret, or what a store said about itself.
"""

from __future__ import annotations

from typing import Final

import msgspec

from dialer.stores.ledger.users import Language


class Problem(msgspec.Struct, frozen=True):
    """One kind of error. The sentences may have placeholders, filled when it is raised."""

    code: str
    status: int
    es: str
    en: str
    mend_es: str
    mend_en: str


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    """Stable; for programs."""
    message: str
    where: str
    """The field, header or path that is meant; empty when it is the whole request."""
    mend: str
    """What to do about it."""


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    error: ErrorDetail


class ApiError(Exception):
    """Ends a request with one of the problems below."""

    def __init__(
        self,
        problem: Problem,
        *,
        where: str = "",
        retry_after_s: int | None = None,
        es: str = "",
        en: str = "",
        **values: str | int,
    ) -> None:
        """`es` and `en` fill the placeholder `{what}`, each in its own language."""
        super().__init__(problem.code)
        self.problem = problem
        self.where = where
        self.retry_after_s = retry_after_s
        self._what = {Language.ES: es, Language.EN: en}
        self._values = values

    def answer(self, language: Language) -> ErrorAnswer:
        values = {"what": self._what[language], **self._values}
        spanish = language is Language.ES
        problem = self.problem
        return ErrorAnswer(
            error=ErrorDetail(
                code=problem.code,
                message=(problem.es if spanish else problem.en).format_map(values),
                where=self.where,
                mend=(problem.mend_es if spanish else problem.mend_en).format_map(values),
            )
        )


PROBLEMS: Final[dict[str, Problem]] = {}


def _problem(code: str, status: int, es: str, en: str, mend_es: str, mend_en: str) -> Problem:
    made = Problem(code, status, es, en, mend_es, mend_en)
    PROBLEMS[code] = made
    return made


# --- reading a request -------------------------------------------------------------------------

BAD_JSON: Final = _problem(
    "bad_json",
    400,
    "El cuerpo no es JSON válido: {what}.",
    "The body is not valid JSON: {what}.",
    "Envíe un objeto JSON en UTF-8.",
    "Send a JSON object in UTF-8.",
)
BAD_FIELD: Final = _problem(
    "bad_field",
    422,
    "Un dato no es válido: {what}.",
    "A value is not valid: {what}.",
    "Corrija el campo que se indica; los campos posibles están en /api/v1/openapi.json.",
    "Mend the field that is named; /api/v1/openapi.json has the possible ones.",
)
BAD_QUERY: Final = _problem(
    "bad_query",
    400,
    "Un parámetro de la consulta no es válido: {what}.",
    "A query parameter is not valid: {what}.",
    "Corrija el parámetro que se indica; los posibles están en /api/v1/openapi.json.",
    "Mend the parameter that is named; /api/v1/openapi.json has the possible ones.",
)
BODY_TOO_LARGE: Final = _problem(
    "body_too_large",
    413,
    "El cuerpo pasa de {limit} bytes.",
    "The body is larger than {limit} bytes.",
    "Envíe menos, o pida al administrador que suba el límite.",
    "Send less, or ask the administrator to raise the limit.",
)
BAD_CONTENT_TYPE: Final = _problem(
    "unsupported_media_type",
    415,
    "Se espera el tipo de contenido {expected}.",
    "The content type must be {expected}.",
    "Ponga la cabecera Content-Type.",
    "Set the Content-Type header.",
)
TOO_SLOW: Final = _problem(
    "request_timeout",
    408,
    "El cuerpo no llegó a tiempo.",
    "The body did not arrive in time.",
    "Envíelo de nuevo.",
    "Send it again.",
)
BAD_REQUEST: Final = _problem(
    "bad_request",
    400,
    "La petición no se entiende.",
    "The request cannot be understood.",
    "Revise la petición; la descripción está en /api/v1/openapi.json.",
    "Check the request; /api/v1/openapi.json describes it.",
)
NO_SUCH_PATH: Final = _problem(
    "no_such_path",
    404,
    "Esa ruta no existe.",
    "There is no such path.",
    "Las rutas están en /api/v1/openapi.json.",
    "The paths are in /api/v1/openapi.json.",
)
METHOD_NOT_ALLOWED: Final = _problem(
    "method_not_allowed",
    405,
    "Esa ruta no admite el método.",
    "The path does not take this method.",
    "Métodos posibles: {allowed}.",
    "Possible methods: {allowed}.",
)

# --- who asks ----------------------------------------------------------------------------------

NO_CREDENTIALS: Final = _problem(
    "no_credentials",
    401,
    "Hay que iniciar sesión.",
    "You must log in.",
    "POST /api/v1/login y envíe el token como `Authorization: Bearer`.",
    "POST /api/v1/login and send the token as `Authorization: Bearer`.",
)
BAD_TOKEN: Final = _problem(
    "bad_token",
    401,
    "La sesión no existe, venció o fue cerrada.",
    "The session does not exist, has expired or was ended.",
    "Inicie sesión de nuevo.",
    "Log in again.",
)
BAD_LOGIN: Final = _problem(
    "bad_login",
    401,
    "El usuario o la contraseña no son correctos.",
    "The user name or the password is wrong.",
    "Revise ambos; un administrador puede poner una contraseña nueva.",
    "Check both; an administrator can set a new password.",
)
TOO_MANY_LOGINS: Final = _problem(
    "too_many_logins",
    429,
    "Demasiados intentos fallidos.",
    "Too many failed attempts.",
    "Espere {seconds} s antes de intentarlo otra vez.",
    "Wait {seconds} s before you try again.",
)
BUSY: Final = _problem(
    "busy",
    503,
    "Hay demasiadas peticiones de este tipo a la vez.",
    "Too many requests of this kind at once.",
    "Inténtelo de nuevo en unos segundos.",
    "Try again in some seconds.",
)
FORBIDDEN: Final = _problem(
    "forbidden",
    403,
    "El rol {role} no puede hacer esto.",
    "The role {role} may not do this.",
    "Lo pueden hacer: {roles}.",
    "These roles may: {roles}.",
)
CSRF: Final = _problem(
    "csrf",
    403,
    "Falta la cabecera X-CSRF-Token, o no es la de esta sesión.",
    "The X-CSRF-Token header is missing, or is not this session's.",
    "Envíe el valor `csrf` que dan /api/v1/login y /api/v1/me.",
    "Send the `csrf` value that /api/v1/login and /api/v1/me give.",
)
BAD_ORIGIN: Final = _problem(
    "bad_origin",
    403,
    "La conexión viene de una página de otro origen.",
    "The connection comes from a page of another origin.",
    "Abra la consola en la misma dirección que la API.",
    "Open the console at the same address as the API.",
)
LOGIN_NEEDED: Final = _problem(
    "login_needed",
    403,
    "Esto no se puede hacer con un token de API.",
    "This cannot be done with an API token.",
    "Inicie sesión con usuario y contraseña.",
    "Log in with user name and password.",
)

# --- what is asked for -------------------------------------------------------------------------

NOT_FOUND: Final = _problem(
    "not_found",
    404,
    "No se encontró {what}.",
    "{what} was not found.",
    "Revise el identificador.",
    "Check the id.",
)
NAME_TAKEN: Final = _problem(
    "name_taken",
    409,
    "Ya existe otro con el nombre {name}.",
    "There is another one with the name {name}.",
    "Elija otro nombre.",
    "Choose another name.",
)
IMPOSSIBLE_ACTION: Final = _problem(
    "impossible_action",
    409,
    "Una campaña en estado {state} no admite {action}.",
    "A campaign that is {state} cannot {action}.",
    "Admite: {possible}.",
    "It can: {possible}.",
)
UNSAFE_DIALING: Final = _problem(
    "unsafe_dialing",
    409,
    "El seguro contra marcación real lo impide: {what}.",
    "The safety catch against real dialing prevents it: {what}.",
    "Las carteras sintéticas solo se marcan con un operador simulado o local; marcar de verdad "
    "exige telephony.allow_real_dialing.",
    "Synthetic portfolios may only be dialed through a simulated or loopback carrier; real "
    "dialing needs telephony.allow_real_dialing.",
)
NOTHING_TO_SAY: Final = _problem(
    "nothing_to_say",
    409,
    "La campaña no puede decir lo que tendría que decir: {what}.",
    "The campaign cannot say what it would have to: {what}.",
    "docs/ivr.md dice qué necesita una campaña que habla por sí misma.",
    "docs/ivr.md tells what a campaign that speaks by itself needs.",
)
NOT_TALKING: Final = _problem(
    "not_talking",
    409,
    "Ese agente no tiene ahora una conversación en este proceso.",
    "That agent has no conversation on this worker now.",
    "Elija una de GET /api/v1/conversations.",
    "Choose one of GET /api/v1/conversations.",
)
NOT_SUPERVISING: Final = _problem(
    "not_supervising",
    409,
    "Usted no está en ninguna llamada.",
    "You are on no call.",
    "Comience con POST /api/v1/supervision.",
    "Begin with POST /api/v1/supervision.",
)
TELEPHONY_REFUSED: Final = _problem(
    "telephony_refused",
    503,
    "La central telefónica no lo hizo: {what}.",
    "The telephone system did not do it: {what}.",
    "Revise su teléfono y si el adaptador ofrece esto; inténtelo de nuevo.",
    "Check your telephone, and whether the adapter offers this; try again.",
)
RECORDING_GONE: Final = _problem(
    "recording_gone",
    404,
    "El archivo de la grabación falta, o no es el que se guardó.",
    "The recording's file is missing, or is not what was kept.",
    "Búsquelo en el respaldo de la carpeta de grabaciones; su nombre es la huella.",
    "Look for it in the backup of the recordings' folder; its name is the hash.",
)
CANNOT_SEND: Final = _problem(
    "cannot_send",
    409,
    "La campaña no puede enviar: {what}.",
    "The campaign cannot send: {what}.",
    "docs/messages.md dice qué necesita una campaña de mensajes.",
    "docs/messages.md tells what a campaign of messages needs.",
)
NOTHING_TO_ANSWER: Final = _problem(
    "nothing_to_answer",
    409,
    "En esa conversación no escribió nadie conocido: no hay qué responder.",
    "Nobody known has written in that thread: there is nothing to answer.",
    "Espere un mensaje de la persona, o atiéndala por otro medio.",
    "Wait for a message of the person, or serve them by another way.",
)
REPLY_TELLS_TOO_MUCH: Final = _problem(
    "reply_tells_too_much",
    422,
    "La respuesta dice lo que no se puede: {what}.",
    "The reply says what it may not: {what}.",
    "Escriba algo neutro; la deuda sólo se habla con la identidad verificada.",
    "Write something neutral; the debt is talked of only with a verified identity.",
)
REPLY_NOT_ALLOWED: Final = _problem(
    "reply_not_allowed",
    409,
    "La regla {rule} no permite responder ahora (primer momento permitido: {when}).",
    "The rule {rule} does not let you reply now (first allowed: {when}).",
    "`marcador explain` con el id de la persona dice por qué.",
    "`marcador explain` with the person's id tells why.",
)
REPLY_NOT_SENT: Final = _problem(
    "reply_not_sent",
    503,
    "El proveedor no tomó la respuesta, o no se sabe ({cause}).",
    "The provider did not take the reply, or it is not known ({cause}).",
    "Si la causa es `unknown`, espere: se averigua solo. Si no, inténtelo de nuevo.",
    "If the cause is `unknown`, wait: it is found out by itself. Otherwise try again.",
)
LAST_ADMIN: Final = _problem(
    "last_admin",
    409,
    "Debe quedar un administrador activo.",
    "One active administrator must be left.",
    "Cree otro administrador primero.",
    "Make another administrator first.",
)
BAD_PASSWORD: Final = _problem(
    "bad_password",
    422,
    "La contraseña debe tener entre {least} y {most} caracteres.",
    "A password needs {least} to {most} characters.",
    "Elija otra.",
    "Choose another one.",
)
WRONG_PASSWORD: Final = _problem(
    "wrong_password",
    403,
    "La contraseña actual no es correcta.",
    "The current password is wrong.",
    "Escríbala de nuevo.",
    "Enter it again.",
)
ALREADY_RESOLVED: Final = _problem(
    "already_resolved",
    409,
    "Esa revisión ya fue resuelta.",
    "That review has been resolved.",
    "Vea la resolución en la lista de revisiones resueltas.",
    "See the resolution in the list of resolved reviews.",
)
SAME_PERSON: Final = _problem(
    "same_person",
    409,
    "Quien lo pidió, escribió o presentó no puede aprobarlo.",
    "Who asked for it, wrote or submitted it cannot approve it.",
    "Pida la aprobación a otra persona de cumplimiento.",
    "Ask another person of compliance for the approval.",
)
NOT_OVERRIDABLE: Final = _problem(
    "not_overridable",
    422,
    "Esa regla no admite excepciones: {what}.",
    "That rule cannot be overridden: {what}.",
    "Sólo las reglas de la casa sobre horarios y conteos las admiten.",
    "Only rules of the house about hours and counts can be.",
)
ALREADY_DECIDED: Final = _problem(
    "already_decided",
    409,
    "Eso ya fue decidido, o ya terminó.",
    "That has been decided, or has ended.",
    "Vea su estado en la lista.",
    "See its state in the list.",
)
ON_HOLD: Final = _problem(
    "on_hold",
    409,
    "Hay una retención legal, o un contacto en curso.",
    "A legal hold stands, or a contact is being made.",
    "Libere la retención con su motivo, o espere a que termine el contacto.",
    "Release the hold with its reason, or wait for the contact to end.",
)
BAD_UPLOAD: Final = _problem(
    "bad_upload",
    422,
    "El archivo no se puede recibir: {what}.",
    "The file cannot be taken: {what}.",
    "Envíe el archivo CSV completo como cuerpo de la petición.",
    "Send the whole CSV file as the body of the request.",
)
BAD_RECORDING: Final = _problem(
    "bad_recording",
    422,
    "La grabación no sirve: {what}.",
    "The recording cannot be used: {what}.",
    "Envíe un WAV de PCM con el nombre, el idioma y las palabras que dice.",
    "Send a PCM WAV with its name, its language and the words it speaks.",
)
CONTENT_REFUSED: Final = _problem(
    "content_refused",
    422,
    "No pasa la revisión: {what}.",
    "It does not pass the check: {what}.",
    "Corrija el texto en otra versión; `lint` y `prove` dicen todo lo que falta.",
    "Mend the text in another version; `lint` and `prove` tell everything that is wrong.",
)
IMPOSSIBLE_CONTENT: Final = _problem(
    "impossible_content_action",
    409,
    "Una versión en estado {state} no admite {action}.",
    "A version that is {state} cannot {action}.",
    "Admite: {possible}.",
    "It can: {possible}.",
)
BAD_QUESTION: Final = _problem(
    "bad_question",
    422,
    "La pregunta de cumplimiento no se entiende: {what}.",
    "The compliance question cannot be understood: {what}.",
    "`marcador check --schema` muestra su forma.",
    "`marcador check --schema` shows its shape.",
)

# --- ourselves ---------------------------------------------------------------------------------

DISK_FULL: Final = _problem(
    "disk_full",
    507,
    "No queda espacio para guardar el archivo.",
    "There is no space left to keep the file.",
    "Libere espacio en la carpeta de datos y envíelo de nuevo.",
    "Free space in the data folder and send it again.",
)
STORE_AWAY: Final = _problem(
    "store_unavailable",
    503,
    "El almacén de datos no responde; no se cambió nada a medias.",
    "The data store does not answer; nothing was half changed.",
    "Inténtelo de nuevo; si sigue, `marcador doctor` dice qué falta.",
    "Try again; if it stays, `marcador doctor` says what is missing.",
)
SERVER_FAULT: Final = _problem(
    "server_fault",
    500,
    "Algo falló dentro de Marcador.",
    "Something failed inside Marcador.",
    "Inténtelo de nuevo; si sigue, dé a soporte el valor de X-Request-Id.",
    "Try again; if it stays, give support the value of X-Request-Id.",
)
