"""What the Twilio adapter must be told, and what is wrong with it if it cannot work."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

import msgspec

from compliance.types import Channel
from telephony_adapters.settings import SettingsProblem, is_loopback_host

TWILIO_API: Final = "https://api.twilio.com"
_ACCOUNT: Final = re.compile(r"AC[0-9a-f]{32}")
_SERVICE: Final = re.compile(r"MG[0-9a-f]{32}")
_SHORT: Final = re.compile(r"[0-9]{3,8}")
_NAME: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
_AGENT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


class TwilioSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All that the adapter knows of the account and of its own address. Never shows the token."""

    account_sid: str
    auth_token: str
    """Signs Twilio's webhooks and opens its API."""
    public_url: str
    """Where Twilio reaches `listen_host:listen_port`; signatures are computed over it."""
    caller_ids: tuple[str, ...]
    """E.164 numbers of the account; a command without a caller id gets one of them."""
    api_url: str = TWILIO_API
    listen_host: str = "127.0.0.1"
    listen_port: int = 0
    """0: the system chooses."""
    agent_address: str = "client:{agent}"
    """Where an agent is rung: `client:`, `sip:` or a number, `{agent}` is the user's name."""
    prompts_url: str | None = None
    """Address of the recordings on the web; without it Twilio's own voice says every prompt."""
    hold_music_url: str | None = None
    """Address of the music on hold, an MP3 or WAV file; without it Twilio plays its own."""
    request_timeout_s: float = 10.0
    """Longest wait for an answer of the REST API (real time)."""
    retry_limit_s: float = 4.0
    """How long a request that Twilio turned away with 429 is tried again."""
    queued_call_expiry_s: float = 10.0
    """A call that waits longer than this in Twilio's own queue is cancelled."""
    amd_timeout_s: int = 5
    """Longest machine detection; without a verdict the call counts as unsure."""
    probe_s: float = 15.0
    """Time between two looks at whether the API is there."""
    calls_per_s: float = 1.0
    """What Twilio allows the account; it queues what is above."""
    sms_from: str | None = None
    """Number, short code or alphanumeric sender of SMS."""
    messaging_service_sid: str | None = None
    """Twilio chooses the sender of SMS from this service; wins over `sms_from`."""
    whatsapp_from: str | None = None
    """E.164 number of the WhatsApp sender."""
    messages_per_s: float = 1.0
    """What is sent at most; Twilio queues what is above its own limit."""
    message_validity_s: int = 600
    """A message that waits longer than this in Twilio's queue is not sent any more."""
    catch_up_s: float = 300.0
    """Time between two looks for messages from people whose webhook never came."""

    def __repr__(self) -> str:
        return f"TwilioSettings({self.account_sid}, {self.api_url}, ***)"

    @property
    def is_loopback(self) -> bool:
        """The API is on this machine: the fake, never Twilio."""
        return is_loopback(self.api_url)


def is_loopback(url: str) -> bool:
    """The URL names this machine by a loopback address."""
    return is_loopback_host(urlsplit(url).hostname or "")


def check(settings: TwilioSettings) -> TwilioSettings:
    """The settings as given, for calls. Raises `SettingsProblem` for the first that cannot work."""
    _check_account(settings)
    _check_numbers(settings)
    return settings


def check_messages(settings: TwilioSettings, channels: Collection[Channel]) -> TwilioSettings:
    """The settings as given, for messages of these channels. Raises `SettingsProblem`."""
    _check_account(settings)
    service, sender = settings.messaging_service_sid, settings.sms_from
    if service is not None and not _SERVICE.fullmatch(service):
        raise SettingsProblem(
            "messaging_service_sid",
            "MG and 32 hexadecimal digits are due",
            "copy it from Messaging, Services in the Twilio console, or use twilio.sms_from",
        )
    if sender is not None and not is_sms_sender(sender):
        raise SettingsProblem(
            "sms_from",
            f"{sender!r} can send no SMS",
            "write a number of the account as +12025550123, a short code, or 11 letters and digits",
        )
    if Channel.SMS in channels and not (service or sender):
        raise SettingsProblem(
            "sms_from",
            "missing",
            "give the number that SMS come from, or twilio.messaging_service_sid",
        )
    if Channel.WHATSAPP in channels and not _E164.fullmatch(settings.whatsapp_from or ""):
        raise SettingsProblem(
            "whatsapp_from",
            f"{settings.whatsapp_from!r} is no WhatsApp sender",
            "write the number of Messaging, Senders, WhatsApp senders, as +12025550123",
        )
    return settings


def is_sms_sender(sender: str) -> bool:
    """A number, a short code or an alphanumeric sender."""
    return bool(_E164.fullmatch(sender) or _SHORT.fullmatch(sender) or _NAME.fullmatch(sender))


def can_be_answered(sender: str) -> bool:
    """People can write back to it: an alphanumeric sender hears no STOP."""
    return _NAME.fullmatch(sender) is None


def _check_account(settings: TwilioSettings) -> None:
    if not _ACCOUNT.fullmatch(settings.account_sid):
        raise SettingsProblem(
            "account_sid",
            "AC and 32 hexadecimal digits are due",
            "copy it from the first page of the Twilio console",
        )
    if not settings.auth_token:
        raise SettingsProblem(
            "auth_token",
            "missing",
            "copy it from the Twilio console; better given as MARCADOR_TWILIO__AUTH_TOKEN",
        )
    _check_url("api_url", settings.api_url)
    _check_url("public_url", settings.public_url)
    for key in ("prompts_url", "hold_music_url"):
        url = getattr(settings, key)
        if url is not None:
            _check_url(key, url)
    if is_loopback(settings.public_url) and not settings.is_loopback:
        raise SettingsProblem(
            "public_url",
            "Twilio cannot reach a loopback address",
            "give the https:// address under which the internet reaches twilio.listen_port",
        )


def _check_url(key: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise SettingsProblem(
            key, f"{url!r} is no base URL", "write https://host or https://host/path"
        )
    if parts.scheme == "http" and not is_loopback(url):
        raise SettingsProblem(
            key, "http:// would carry secrets in the open", "use https:// (loopback may use http)"
        )


def _check_numbers(settings: TwilioSettings) -> None:
    if not settings.caller_ids:
        raise SettingsProblem(
            "caller_ids",
            "missing",
            "give the account's numbers, separated by commas, such as +12025550123",
        )
    for number in settings.caller_ids:
        if not _E164.fullmatch(number):
            raise SettingsProblem(
                "caller_ids", f"{number!r} is not E.164", "write + and digits, as +12025550123"
            )
    address = settings.agent_address
    if not address.startswith(("client:", "sip:", "sips:", "+")):
        raise SettingsProblem(
            "agent_address",
            f"{address!r} is no address that Twilio can ring",
            "write client:{agent}, sip:{agent}@yourdomain.sip.twilio.com or a number",
        )


def leg_address(settings: TwilioSettings, endpoint: str) -> str | None:
    """What Twilio rings for a leg: `agent:NAME` by the settings, or somebody outside by an E.164
    number. None for what cannot be rung."""
    if endpoint.startswith("+"):
        return endpoint if _E164.fullmatch(endpoint) else None
    kind, _, name = endpoint.partition(":")
    if kind != "agent" or not _AGENT.fullmatch(name):
        return None
    return settings.agent_address.replace("{agent}", name)
