"""The page behind the opt-out link of an e-mail. Anybody may ask; the signed token is the right.

Only POST opts out (RFC 8058): programs that look at links on the way must not.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Final

from aiohttp import web

from dialer.console.table import PUBLIC, Call, Nothing, Route, stream
from dialer.core.opt_out_links import PATH
from dialer.stores.ledger.users import Language

HTML: Final = "text/html"
_STYLE: Final = (
    "body{font:18px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;margin:0}"
    "main{max-width:32rem;margin:12vh auto 0;padding:0 1.5rem}h1{font-size:1.5rem}"
    "button{font:inherit;padding:.7rem 1.2rem;border:0;border-radius:.4rem;background:#14507a;"
    "color:#fff;cursor:pointer}button:focus-visible{outline:3px solid #f0a500}"
)
_POLICY: Final = (
    "default-src 'none'; form-action 'self'; style-src 'sha256-"
    f"{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
)
_PAGE: Final = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<style>{style}</style></head>
<body><main><h1>{title}</h1><p>{text}</p>{form}</main></body></html>
"""
_FORM: Final = '<form method="post"><button type="submit">{label}</button></form>'
_ASK: Final = {
    Language.ES: (
        "Dejar de recibir mensajes",
        "¿Quiere dejar de recibir mensajes nuestros en esta dirección?",
        "Sí, dejar de recibirlos",
    ),
    Language.EN: (
        "Stop these messages",
        "Do you want to get no more messages from us at this address?",
        "Yes, stop them",
    ),
}
_DONE: Final = {
    Language.ES: ("Listo", "No recibirá más mensajes nuestros en esta dirección."),
    Language.EN: ("Done", "You will get no more messages from us at this address."),
}
_BAD: Final = {
    Language.ES: (
        "El enlace no sirve",
        "Cópielo completo del mensaje, o responda BAJA al mensaje.",
    ),
    Language.EN: (
        "The link does not work",
        "Copy all of it from the message, or reply STOP to the message.",
    ),
}


async def ask_to_unsubscribe(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    if not call.services.messages.knows_link(call.param("token")):
        return _bad(call)
    title, text, label = _ASK[call.language]
    return _page(call.language, title, text, _FORM.format(label=label), status=200)


async def unsubscribe(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    if not await call.services.messages.unsubscribe(call.param("token")):
        return _bad(call)
    return _page(call.language, *_DONE[call.language], "", status=200)


def _bad(call: Call[Nothing, Nothing]) -> web.Response:
    return _page(call.language, *_BAD[call.language], "", status=404)


def _page(language: Language, title: str, text: str, form: str, *, status: int) -> web.Response:
    body = _PAGE.format(lang=language.value, title=title, style=_STYLE, text=text, form=form)
    response = web.Response(text=body, status=status, content_type=HTML)
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


ROUTES: tuple[Route, ...] = (
    stream(
        "GET",
        f"{PATH}{{token}}",
        ask_to_unsubscribe,
        query=Nothing,
        media_type=HTML,
        roles=PUBLIC,
        tag="messages",
        en="A page that asks whether to stop these messages; changes nothing",
        es="Una página que pregunta si dejar de recibir mensajes; no cambia nada",
    ),
    stream(
        "POST",
        f"{PATH}{{token}}",
        unsubscribe,
        query=Nothing,
        media_type=HTML,
        roles=PUBLIC,
        tag="messages",
        en="Stop these messages at once (one click, RFC 8058); again it changes nothing",
        es="Dejar de recibir mensajes de inmediato (un clic, RFC 8058); repetirlo no cambia nada",
    ),
)
