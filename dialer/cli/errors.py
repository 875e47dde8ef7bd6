"""Every known error in words: what happened, where, how to mend it."""

from __future__ import annotations

import difflib
import errno
import re
from typing import Final, get_args, get_origin

import msgspec

from campaigns.campaign import CampaignSettingsError, ImpossibleAction
from campaigns.content.source import ContentError
from campaigns.portfolio.errors import PortfolioError
from compliance.packs import PackError
from dialer.bootstrap import DataFolderUnusable
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.spanish import in_spanish
from dialer.cli.texts import Texts
from dialer.config import Config, ConfigError, Section
from dialer.console.server import CannotListen, PortTaken
from dialer.runtime.importing import ImportFailed, ProfileUnusable
from dialer.runtime.safety import UnsafeDialing
from dialer.runtime.speech import SpeechUnavailable
from dialer.stores.key_files import KeyUnusable
from dialer.stores.ledger.campaigns import CampaignExists
from dialer.stores.ledger.database import LedgerUnavailable, Trouble
from dialer.stores.ledger.portfolios import PortfolioExists
from dialer.stores.ledger.users import UserError
from dialer.stores.redis.errors import RedisUnavailable
from telephony_adapters.errors import CarrierUnavailable


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as people and programs read it."""

    exit_code: int
    kind: str
    """Stable name of the error."""
    what: str
    mend: str = ""


_MENDING: Final[dict[Trouble, str]] = {
    Trouble.BAD_URL: "escriba sqlite+aiosqlite:///RUTA o postgresql+asyncpg://USUARIO@HOST/BASE",
    Trouble.UNREACHABLE: "compruebe que la ruta o el servidor existe y que este usuario lo abre",
    Trouble.WRONG_VERSION: "instale una versión más nueva de la base de datos",
    Trouble.NEWER_SCHEMA: "use el Marcador que lo creó, o uno más nuevo",
    Trouble.FULL: "libere espacio donde está el libro; nada quedó a medias",
    Trouble.LOCKED: "cierre el otro programa que tiene el libro, o espere",
    Trouble.READ_ONLY: "dé a este usuario permiso de escritura",
    Trouble.DAMAGED: "ejecute `marcador verify-ledger` y restaure el libro de una copia",
    Trouble.IO: "revise el disco y el registro del sistema",
}
_BAD_NAMES: Final = (
    UserError,
    PortfolioExists,
    CampaignExists,
    ImpossibleAction,
    CampaignSettingsError,
    KeyUnusable,
)
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def told(error: BaseException, texts: Texts) -> Told | None:
    """A known error in words; None for one that nobody foresaw."""
    if isinstance(error, CliError):
        return _told(error.code, "usage", error.what, error.mend)
    if isinstance(error, ConfigError):
        return _config(error, texts)
    if isinstance(error, UnsafeDialing):
        what, _, mend = texts.say(error.es, error.en).partition("; ")
        head = texts.say("No se puede hacer", "That cannot be done")
        return _told(ExitCode.BAD_INPUT, _kind(error), f"{head}: {what}", mend)
    if isinstance(error, LedgerUnavailable | RedisUnavailable | CarrierUnavailable):
        return _unavailable(error, texts)
    if isinstance(error, CannotListen):
        return _listen(error, texts)
    if isinstance(error, DataFolderUnusable):
        what, mend = _parts(error, texts)
        return _told(
            ExitCode.UNAVAILABLE,
            "data_folder",
            texts.say(f"La carpeta de datos no sirve: {what}", f"The data folder: {what}"),
            mend
            or texts.say(
                "elija con --data-dir una carpeta en la que este usuario escriba",
                "choose a folder with --data-dir that this user may write to",
            ),
        )
    if isinstance(error, PackError):
        shown = "" if error.value is None else f" = {error.value!r}"
        head = texts.say("Un paquete de reglas no sirve", "A rule pack cannot be used")
        what = f"{head}: {error.file}: {error.key}{shown}: {error.reason}"
        return _told(ExitCode.BAD_INPUT, "rule_pack", what, error.mend)
    return _input(error, texts) or _system(error, texts)


def _input(error: BaseException, texts: Texts) -> Told | None:
    if isinstance(error, ProfileUnusable):
        found = _told_by(error.error, texts)
        if error.profile_path is None:
            return found
        where = texts.say(
            f"Perfil propuesto, para corregir y pasar con --profile: {error.profile_path}",
            f"Proposed profile, to correct and give with --profile: {error.profile_path}",
        )
        return msgspec.structs.replace(found, mend=f"{found.mend} {where}")
    if isinstance(error, PortfolioError):
        return _told_by(error, texts)
    if isinstance(error, ContentError):
        line = "" if error.line is None else texts.say(f"línea {error.line}", f"line {error.line}")
        where = ", ".join(part for part in (error.key, line) if part)
        what = ": ".join(part for part in (where, texts.say(error.es, error.en)) if part)
        mend = texts.say(error.mend_es, error.mend_en)
        return _told(ExitCode.BAD_INPUT, "content", what, mend)
    if isinstance(error, SpeechUnavailable):
        what, _, mend = texts.say(error.es, error.en).partition("; ")
        return _told(ExitCode.UNAVAILABLE, "speech", what, mend)
    if isinstance(error, ImportFailed):
        what, mend = _parts(error, texts)
        head = texts.say("No se pudo importar", "The import failed")
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return _told(ExitCode.UNAVAILABLE, "disk_full", f"{head}: {what}", mend)
        return _told(ExitCode.BAD_INPUT, "import", f"{head}: {what}", mend)
    if _names_something_bad(error):
        what, mend = _parts(error, texts)
        head = texts.say("No se puede hacer", "That cannot be done")
        return _told(ExitCode.BAD_INPUT, _kind(error), f"{head}: {what}", mend)
    return None


def _names_something_bad(error: BaseException) -> bool:
    # The module of `marcador run` pulls in everything: only an error may need it.
    from dialer.cli.run import NothingToRun

    # A KeyError, though a LookupError, is a fault of ours.
    return isinstance(error, (*_BAD_NAMES, NothingToRun)) or type(error) is LookupError


def _told_by(error: PortfolioError, texts: Texts) -> Told:
    what = texts.say(error.message.es, error.message.en)
    return _told(ExitCode.BAD_INPUT, error.code, what, texts.say(error.mend.es, error.mend.en))


def _unavailable(
    error: LedgerUnavailable | RedisUnavailable | CarrierUnavailable, texts: Texts
) -> Told:
    if isinstance(error, LedgerUnavailable):
        bad = error.trouble is Trouble.BAD_URL
        head = texts.say("El libro no está disponible", "The ledger is not available")
        return _told(
            ExitCode.BAD_INPUT if bad else ExitCode.UNAVAILABLE,
            f"ledger_{error.trouble}",
            f"{head} ({error.where}): {error.what}",
            texts.say(_MENDING[error.trouble], error.mend),
        )
    if isinstance(error, RedisUnavailable):
        head = texts.say("Redis no está disponible", "Redis is not available")
        what = f"{head} ({_in(texts, error.where)}): {_in(texts, error.what)}"
        return _told(ExitCode.UNAVAILABLE, "redis", what, _in(texts, error.mend))
    head = texts.say("El operador telefónico no está disponible", "The carrier is not available")
    mend = texts.say("`marcador doctor` dice qué falta", "`marcador doctor` says what is missing")
    return _told(ExitCode.UNAVAILABLE, "carrier", f"{head}: {error}", mend)


def _listen(error: CannotListen, texts: Texts) -> Told:
    head = texts.say("No se puede escuchar", "Cannot listen")
    kind = "port_taken" if isinstance(error, PortTaken) else "cannot_listen"
    what = f"{head}: {error.where}: {_in(texts, error.what)}"
    return _told(ExitCode.UNAVAILABLE, kind, what, _in(texts, error.mend))


def _parts(error: BaseException, texts: Texts) -> tuple[str, str]:
    """What went wrong and how to mend it, where the message says both."""
    what, _, mend = _in(texts, str(error)).partition("; ")
    return what, mend


def _in(texts: Texts, english: str) -> str:
    """A sentence of a layer that knows no language, in the user's."""
    return texts.say(in_spanish(english), english)


def _system(error: BaseException, texts: Texts) -> Told | None:
    """Failures of the machine: files, disks, ports."""
    if not isinstance(error, OSError):
        return None
    where = f"{error.filename}: " if error.filename is not None else ""
    what = f"{where}{_in(texts, error.strerror or str(error))}"
    if error.errno in _FULL:
        return _told(
            ExitCode.UNAVAILABLE,
            "disk_full",
            texts.say(f"El disco está lleno: {what}", f"The disk is full: {what}"),
            texts.say("libere espacio y repita la orden", "free some space and run it again"),
        )
    if error.errno == errno.EADDRINUSE:
        return _told(
            ExitCode.UNAVAILABLE,
            "port_taken",
            texts.say(f"El puerto está ocupado: {what}", f"The port is taken: {what}"),
            texts.say(
                "cierre el otro programa, o elija otro puerto con --set http.port=8461",
                "end the other program, or choose another port with --set http.port=8461",
            ),
        )
    return _told(
        ExitCode.UNAVAILABLE,
        "system",
        texts.say(f"El sistema no lo permite: {what}", f"The system refuses: {what}"),
        texts.say("compruebe la ruta y los permisos", "check the path and its permissions"),
    )


# --- configuration ----------------------------------------------------------------------------

_UNKNOWN: Final = re.compile(
    r"Object contains unknown field `(?P<key>[^`]*)`(?: - at `\$\.?(?P<path>[^`]*)`)?"
)


def _config(error: ConfigError, texts: Texts) -> Told:
    whole, _, _ = str(error).partition(". See docs/")
    text = _in(texts, whole)
    mend = texts.say(
        "docs/configuration.md describe cada clave", "docs/configuration.md describes every key"
    )
    unknown = _UNKNOWN.search(whole)
    if unknown is not None:
        key = ".".join(part for part in (unknown["path"], unknown["key"]) if part)
        key = key.replace("[...]", ".NAME")
        where = whole[: unknown.start()].rstrip(": ")
        text = texts.say(
            f"{where}: no existe la clave `{key}`", f"{where}: there is no key `{key}`"
        )
        near = difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.5)
        if near:
            mend = texts.say(
                f"¿quiso decir `{near[0]}`? {mend}", f"did you mean `{near[0]}`? {mend}"
            )
    head = texts.say("La configuración no sirve", "The configuration cannot be used")
    return _told(ExitCode.BAD_INPUT, "configuration", f"{head}: {text}", mend)


def known_keys(section: type[Section] = Config, prefix: str = "") -> list[str]:
    """Every dotted key of the configuration."""
    keys: list[str] = []
    for field in msgspec.structs.fields(section):
        if isinstance(field.type, type) and issubclass(field.type, Section):
            keys += known_keys(field.type, f"{prefix}{field.name}.")
        elif get_origin(field.type) is dict:
            keys += known_keys(get_args(field.type)[1], f"{prefix}{field.name}.NAME.")
        else:
            keys.append(prefix + field.name)
    return keys


def _told(code: ExitCode, kind: str, what: str, mend: str) -> Told:
    return Told(exit_code=int(code), kind=kind, what=what, mend=mend)


def _kind(error: BaseException) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
