"""A look at an Asterisk without changing anything: for `marcador doctor`."""

from __future__ import annotations

import msgspec

from telephony_adapters.asterisk.client import AriClient, AriSilent, AriUnreachable, Reply
from telephony_adapters.asterisk.codec import MalformedFrame, parse_attributes
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.errors import CarrierUnavailable

DETECTION_MODULE = "app_amd.so"
CONVERSATION_MODULES = (
    "bridge_softmix.so",
    "bridge_holding.so",
    "res_musiconhold.so",
    "res_stasis_snoop.so",
    "res_stasis_recording.so",
    "format_wav.so",
)
"""What three who talk, hold, supervision and recordings need."""


class CheckUp(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    version: str
    trunk: str | None
    """The endpoint that calls leave by; None where the dial string does not name one."""
    trunk_state: str | None
    """As Asterisk has it; None: it has no such endpoint."""
    inbound_context: str | None
    """Dialplan context of calls that come in by the trunk's endpoint; None: not known."""
    missing_modules: tuple[str, ...]
    """Of `CONVERSATION_MODULES`, those that are not loaded."""
    recordings_folder: bool
    """Asterisk can read its folder of recordings."""
    app_in_use: bool
    """An engine serves our application now (or did, and its calls live on)."""
    detection: bool | None
    """Answering-machine detection is loaded; None: it is not asked for."""


class _System(msgspec.Struct, frozen=True):
    version: str


class _Info(msgspec.Struct, frozen=True):
    system: _System


class _Status(msgspec.Struct, frozen=True):
    state: str = ""
    status: str = ""


async def check_up(settings: AsteriskSettings) -> CheckUp:
    """Ask an Asterisk what an adapter will need of it. Raises `CarrierUnavailable`."""
    client = AriClient(settings)
    try:
        return await _check_up(client, settings)
    except (AriUnreachable, AriSilent) as error:
        raise CarrierUnavailable(f"{settings.url} does not answer: {error}") from error
    except msgspec.MsgspecError as error:
        raise CarrierUnavailable(f"{settings.url} is no ARI: {error}") from error
    finally:
        await client.close()


async def _check_up(client: AriClient, settings: AsteriskSettings) -> CheckUp:
    info = await client.request("GET", "/asterisk/info")
    if info.status in (401, 403):
        raise CarrierUnavailable(
            f"Asterisk does not know user `{settings.user}` or its password (HTTP {info.status})",
            provider_code=f"http:{info.status}",
        )
    if not info.ok:
        raise CarrierUnavailable(f"{settings.url}/ari: {info.message}")
    trunk = settings.trunk_endpoint
    app = await client.request("GET", f"/applications/{settings.app}")
    return CheckUp(
        version=msgspec.json.decode(info.body, type=_Info).system.version,
        trunk=trunk,
        trunk_state=None if trunk is None else await _trunk_state(client, trunk),
        inbound_context=None if trunk is None else await _context(client, trunk),
        missing_modules=tuple(
            [name for name in CONVERSATION_MODULES if not await _runs(client, name)]
        ),
        recordings_folder=(await client.request("GET", "/recordings/stored")).ok,
        app_in_use=app.ok,
        detection=None if settings.amd_context is None else await _runs(client, DETECTION_MODULE),
    )


async def _trunk_state(client: AriClient, trunk: str) -> str | None:
    reply = await client.request("GET", f"/endpoints/PJSIP/{trunk}")
    return _status(reply).state if reply.ok else None


async def _context(client: AriClient, endpoint: str) -> str | None:
    path = f"/asterisk/config/dynamic/res_pjsip/endpoint/{endpoint}"
    reply = await client.request("GET", path)
    if not reply.ok:
        return None
    try:
        return parse_attributes(reply.body).get("context") or None
    except MalformedFrame:
        return None


async def _runs(client: AriClient, module: str) -> bool:
    reply = await client.request("GET", f"/asterisk/modules/{module}")
    return reply.ok and _status(reply).status == "Running"


def _status(reply: Reply) -> _Status:
    return msgspec.json.decode(reply.body, type=_Status)
