"""Bodies and queries into typed values; what does not fit is told in the user's language."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from dialer.console.errors import (
    BAD_CONTENT_TYPE,
    BAD_FIELD,
    BAD_JSON,
    BAD_QUERY,
    BAD_REQUEST,
    BODY_TOO_LARGE,
    TOO_SLOW,
    ApiError,
    Problem,
)

T = TypeVar("T")

JSON_TYPE: Final = "application/json"
BODY_TIMEOUT_S: Final = 30.0

_PATH: Final = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_FIELD: Final = re.compile(r"Object (?:missing required|contains unknown) field `(.*)`")

# What msgspec, and the checks of our own settings, say; the same in Spanish.
_SPANISH: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(english, re.DOTALL | re.IGNORECASE), spanish)
    for english, spanish in (
        (r"Object missing required field `(.*)`", r"falta el campo `\1`"),
        (r"Object contains unknown field `(.*)`", r"no existe el campo `\1`"),
        (r"Invalid enum value (.*)", r"\1 no es un valor posible"),
        (r"Invalid value (.*)", r"\1 no es un valor posible"),
        (r"Expected `(.*)` of length (>=|<=) (.*)", r"se esperaba `\1` de longitud \2 \3"),
        (r"Expected `(.*)` (>=|<=|>|<) (.*)", r"se esperaba `\1` \2 \3"),
        (r"Expected `(.*)` matching regex (.*)", r"se esperaba `\1` con la forma \2"),
        (r"Expected `(.*)`, got `(.*)`", r"se esperaba `\1` y llegó `\2`"),
        (r"Invalid RFC3339 encoded datetime", "no es fecha y hora RFC 3339"),
        (r"Invalid RFC3339 encoded date", "no es una fecha RFC 3339"),
        (
            r"Expected `datetime` with a timezone component",
            "se esperaba fecha y hora con su zona",
        ),
        (r"`(\w+)` must be one of (.*), not (.*)", r"`\1` debe ser uno de \2, no \3"),
        (
            r"`(\w+)` must be E\.164 numbers such as (.*), not (.*)",
            r"`\1` deben ser números E.164 como \2, no \3",
        ),
        (
            r"`(\w+)` must be an E\.164 number such as (.*), not (.*)",
            r"`\1` debe ser un número E.164 como \2, no \3",
        ),
        (
            r"`(\w+)` must be given in the mode ivr, and in no other",
            r"`\1` debe darse en el modo ivr, y en ningún otro",
        ),
        (
            r"`(\w+)` must be given to a campaign of calls",
            r"`\1` es para campañas de llamadas",
        ),
        (
            r"`(\w+)` must be before closes (.*), not (.*)",
            r"`\1` debe ser antes de closes \2, no \3",
        ),
        (r"`(\w+)` must come with mode ivr and amd", r"`\1` debe ir con modo ivr y amd"),
        (r"`(\w+)` must come with mode preview", r"`\1` debe ir con modo preview"),
        (r"`(\w+)` must come with mode progressive", r"`\1` debe ir con modo progressive"),
        (
            r"`(\w+)` must be names of teams in small letters, not (.*)",
            r"`\1` deben ser nombres de equipos en minúsculas, no \2",
        ),
        (r"`(\w+)` must be blast for channel (.*)", r"`\1` debe ser blast para el canal \2"),
        (
            r"`(\w+)` must be given for mode blast, with its `templates`",
            r"`\1` debe darse en el modo blast, con sus `templates`",
        ),
        (
            r"`(\w+)` must be names of rule packs, not (.*)",
            r"`\1` deben ser nombres de paquetes de reglas, no \2",
        ),
        (
            r"`(\w+)` must be an IANA zone such as (.*), not (.*)",
            r"`\1` debe ser una zona IANA como \2, no \3",
        ),
        (r"give its offset from UTC, as in (.*)", r"falta el desfase respecto de UTC, como en \1"),
        (r"must lie between the years (.*) and (.*)", r"debe estar entre los años \1 y \2"),
        (r"there is no pack (.*); there are: (.*)", r"no hay paquete \1; hay: \2"),
        (r"not valid JSON: (.*)", r"no es JSON válido: \1"),
        (r"`(\w+)` must not be above (.*)", r"`\1` no debe pasar de \2"),
    )
)


def spanish(message: str) -> str:
    """A sentence of the decoder in Spanish; an unknown one as it is."""
    for pattern, replacement in _SPANISH:
        if found := pattern.fullmatch(message):
            return found.expand(replacement)
    return message


def parted(error: msgspec.DecodeError | UnicodeError | RecursionError) -> tuple[str, str]:
    """JSON path and sentence of what a decoder says; no path where the text is no JSON."""
    message, where = str(error), ""
    if found := _PATH.search(message):
        where = found["path"]
        message = message[: found.start()]
    if named := _FIELD.fullmatch(message):
        where = ".".join(part for part in (where, named[1]) if part)
    return where, message


def bad_value(problem: Problem, error: msgspec.ValidationError) -> ApiError:
    """The error for a value that does not fit its type, with its JSON path."""
    where, message = parted(error)
    return ApiError(problem, where=where, es=spanish(message), en=message)


async def read_json(request: web.Request, limit: int) -> bytes:
    """The body of a JSON request. Raises `ApiError`."""
    if request.content_type != JSON_TYPE:
        raise ApiError(BAD_CONTENT_TYPE, where="Content-Type", expected=JSON_TYPE)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError as error:
        raise ApiError(TOO_SLOW) from error
    except web.HTTPRequestEntityTooLarge as error:
        raise ApiError(BODY_TOO_LARGE, limit=limit) from error
    except web.RequestPayloadError as error:
        raise ApiError(BAD_REQUEST) from error


def decode(decoder: Callable[[bytes], T], raw: bytes) -> T:
    """Raises `ApiError` with the field that is wrong."""
    try:
        return decoder(raw)
    except msgspec.ValidationError as error:
        raise bad_value(BAD_FIELD, error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(BAD_JSON, es=str(error), en=str(error)) from error


def read_query(request: web.Request, kind: type[T]) -> T:
    """The query's parameters as a struct. Raises `ApiError`; each may be given once."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise ApiError(BAD_QUERY, where=name, es="repetido", en="given twice")
        given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise bad_value(BAD_QUERY, error) from error
