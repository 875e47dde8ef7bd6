"""`marcador doctor`: the carrier, and what is needed of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from dialer.bootstrap import asterisk_nodes, asterisk_settings
from dialer.cli.doctor_links import link_finding
from dialer.cli.doctor_twilio import twilio_findings
from dialer.cli.findings import Finding, State, problem
from dialer.cli.texts import Texts
from dialer.config import Config
from telephony_adapters.asterisk.checkup import CheckUp, check_up
from telephony_adapters.asterisk.nodes import linked
from telephony_adapters.asterisk.settings import AsteriskSettings

LEAST_FAMILY = 16


async def carrier_findings(config: Config, texts: Texts) -> AsyncIterator[Finding]:
    """Who may be called, and whether the carrier is ready."""
    if config.telephony.adapter == "simulator":
        yield _reach(config, texts("simulated"), texts)
        return
    if config.telephony.adapter == "twilio":
        yield _reach(config, texts.say("sin marcación real", "no real dialing"), texts)
        for finding in await twilio_findings(config, texts):
            yield finding
        return
    try:
        nodes = asterisk_nodes(config)
        several = {node.name: node.settings for node in linked(nodes)}
        each = several or {"": asterisk_settings(config)}
    except Exception as error:
        yield problem("carrier", error, texts)
        return
    nobody = (
        texts("laboratory")
        if all(settings.reaches_nobody for settings in each.values())
        else texts.say(
            "sin telephony.allow_real_dialing no se marca",
            "nothing is dialed without telephony.allow_real_dialing",
        )
    )
    yield _reach(config, nobody, texts)
    for name, settings in each.items():
        async for finding in _asterisk(settings, texts):
            check = f"{finding.check}[{name}]" if name else finding.check
            yield msgspec.structs.replace(finding, check=check)
    for name, settings in several.items():
        for other in settings.links:
            yield await link_finding(name, settings, other, texts)


async def _asterisk(settings: AsteriskSettings, texts: Texts) -> AsyncIterator[Finding]:
    try:
        found = await check_up(settings)
    except Exception as error:
        yield problem("asterisk", error, texts)
        return
    yield _version(found, settings, texts)
    yield _trunk(found, texts)
    yield _inbound(found, settings, texts)
    yield _modules(found, texts)
    yield _recordings(found, texts)
    yield _app(found, settings, texts)
    if found.detection is not None:
        yield _detection(found, settings, texts)


def _reach(config: Config, nobody: str, texts: Texts) -> Finding:
    telephony = config.telephony
    if not telephony.allow_real_dialing:
        return Finding(check="carrier", state=State.OK, found=f"{telephony.adapter}: {nobody}")
    return Finding(
        check="carrier",
        state=State.WARNING,
        found=f"{telephony.adapter}: {texts('real_dialing')}",
        mend=texts.say(
            "telephony.allow_real_dialing = false lo impide",
            "telephony.allow_real_dialing = false prevents it",
        ),
    )


def _version(found: CheckUp, settings: AsteriskSettings, texts: Texts) -> Finding:
    family = found.version.partition(".")[0]
    told = f"{settings.url}, Asterisk {found.version}"
    if not family.isdecimal() or int(family) >= LEAST_FAMILY:
        return Finding(check="asterisk", state=State.OK, found=told)
    mend = texts.say(
        f"instale Asterisk {LEAST_FAMILY} o más nuevo",
        f"install Asterisk {LEAST_FAMILY} or newer",
    )
    return Finding(check="asterisk", state=State.PROBLEM, found=told, mend=mend)


def _trunk(found: CheckUp, texts: Texts) -> Finding:
    if found.trunk is None:
        return Finding(
            check="asterisk_trunk",
            state=State.WARNING,
            found=texts.say(
                "asterisk.dial no nombra un endpoint PJSIP: no se puede comprobar",
                "asterisk.dial names no PJSIP endpoint: it cannot be checked",
            ),
        )
    if found.trunk_state is None:
        return Finding(
            check="asterisk_trunk",
            state=State.PROBLEM,
            found=texts.say(
                f"Asterisk no tiene el endpoint `{found.trunk}`",
                f"Asterisk has no endpoint `{found.trunk}`",
            ),
            mend=texts.say(
                "defínalo en pjsip.conf (y `pjsip reload`), o corrija asterisk.dial",
                "define it in pjsip.conf (and `pjsip reload`), or mend asterisk.dial",
            ),
        )
    return Finding(
        check="asterisk_trunk", state=State.OK, found=f"{found.trunk}: {found.trunk_state}"
    )


def _inbound(found: CheckUp, settings: AsteriskSettings, texts: Texts) -> Finding:
    """Whether the context has the line cannot be asked, so it is told."""
    if found.inbound_context is None:
        return Finding(
            check="asterisk_inbound",
            state=State.WARNING,
            found=texts.say(
                "no se sabe a qué contexto llegan las llamadas entrantes",
                "it is not known which context inbound calls come to",
            ),
        )
    line = f"Stasis({settings.app},inbound,${{CALLERID(num-pres)}})"
    return Finding(
        check="asterisk_inbound",
        state=State.OK,
        found=texts.say(
            f"contexto `{found.inbound_context}`; las que deban llegar a Marcador: {line}",
            f"context `{found.inbound_context}`; those that Marcador is to take: {line}",
        ),
    )


def _modules(found: CheckUp, texts: Texts) -> Finding:
    if not found.missing_modules:
        return Finding(
            check="asterisk_modules",
            state=State.OK,
            found=texts.say(
                "retención, conferencia, supervisión y grabación",
                "hold, conference, supervision and recording",
            ),
        )
    missing = ", ".join(found.missing_modules)
    return Finding(
        check="asterisk_modules",
        state=State.PROBLEM,
        found=texts.say(f"faltan módulos: {missing}", f"modules are missing: {missing}"),
        mend=texts.say(
            "cárguelos en modules.conf (`module load ...`)",
            "load them in modules.conf (`module load ...`)",
        ),
    )


def _recordings(found: CheckUp, texts: Texts) -> Finding:
    if found.recordings_folder:
        told = texts.say("la carpeta se puede leer", "the folder can be read")
        return Finding(check="asterisk_recordings", state=State.OK, found=told)
    return Finding(
        check="asterisk_recordings",
        state=State.PROBLEM,
        found=texts.say(
            "Asterisk no puede leer su carpeta de grabaciones",
            "Asterisk cannot read its folder of recordings",
        ),
        mend=texts.say(
            "cree la carpeta `recording` en astspooldir (asterisk.conf), con dueño asterisk",
            "make the folder `recording` in astspooldir (asterisk.conf), owned by asterisk",
        ),
    )


def _app(found: CheckUp, settings: AsteriskSettings, texts: Texts) -> Finding:
    if not found.app_in_use:
        free = texts.say("libre", "free")
        return Finding(check="asterisk_app", state=State.OK, found=f"{settings.app}: {free}")
    return Finding(
        check="asterisk_app",
        state=State.WARNING,
        found=texts.say(
            f"{settings.app}: otro motor la usa ahora", f"{settings.app}: an engine serves it now"
        ),
        mend=texts.say(
            "si no es este mismo Marcador, dé a cada motor su asterisk.app: dos con la misma se "
            "quitan las llamadas",
            "unless it is this very Marcador, give each engine its own asterisk.app: two with the "
            "same one take each other's calls",
        ),
    )


def _detection(found: CheckUp, settings: AsteriskSettings, texts: Texts) -> Finding:
    told = f"{settings.amd_context}"
    if found.detection:
        return Finding(check="asterisk_amd", state=State.OK, found=told)
    return Finding(
        check="asterisk_amd",
        state=State.PROBLEM,
        found=texts.say(f"{told}: app_amd no está cargado", f"{told}: app_amd is not loaded"),
        mend=texts.say(
            "cárguelo (`module load app_amd.so`), o quite asterisk.amd_context",
            "load it (`module load app_amd.so`), or remove asterisk.amd_context",
        ),
    )
