"""Configuration: one frozen, typed tree; unknown keys stop the start and are named.

Values come from defaults, then a TOML file, then `MARCADOR_SECTION__KEY` in the environment.
`docs/configuration.md` is generated from these definitions.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]
PositiveFloat = Annotated[float, Meta(gt=0)]
_ENDPOINT = re.compile(r"\+[1-9][0-9]{6,14}|agent:[^\s,=]+")
Port = Annotated[int, Meta(ge=0, le=65535)]


class ConfigError(Exception):
    """A configuration that cannot be used: names the key, the value's fault and the source."""


class Section(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False
):
    """Base of every part of the configuration."""


class Secret(Section, frozen=True, kw_only=True):
    """Base of sections whose values must not appear in logs."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class LedgerConfig(Secret, frozen=True, kw_only=True):
    """The ledger, where everything that happened is kept."""

    url: str | None = None
    """SQLAlchemy URL (`sqlite+aiosqlite:///...`, `postgresql+asyncpg://...`); default: SQLite in
    the data folder."""


class RedisConfig(Secret, frozen=True, kw_only=True):
    """Redis, where queues and presence live."""

    url: str | None = None
    """`redis://`, `rediss://` or `unix://`; default: an embedded server in the data folder."""


class HttpConfig(Section, frozen=True, kw_only=True):
    """HTTP API and agents' WebSocket."""

    host: str = "127.0.0.1"
    """Address to listen on. Leave it on loopback unless a TLS proxy stands before it."""
    port: Port = 8460
    """TCP port; 0 lets the system choose."""
    public_url: str = ""
    """Address under which people reach this server, such as `https://portal.example.com`: opt-out
    links in e-mails begin with it. Empty: e-mails carry no such link."""
    session_hours: Positive = 12
    """How long a login lasts."""
    max_body_bytes: Positive = 262_144
    """Largest request body; uploads of portfolios have their own limit."""
    max_upload_bytes: Positive = 2_147_483_648
    """Largest portfolio that may be uploaded."""


class TelephonyConfig(Section, frozen=True, kw_only=True):
    """How calls leave."""

    adapter: Literal["simulator", "asterisk", "twilio"] = "simulator"
    """Carrier adapter; each but the simulator has a section of its own."""
    allow_real_dialing: bool = False
    """The safety catch: without it only simulated or loopback carriers may be used."""
    trunk: str = "main"
    """Name of the trunk whose rate all workers share."""
    originates_per_s: PositiveFloat = 30.0
    """Calls per second on the trunk, over all workers."""
    max_lines: Positive = 500
    """Calls in progress at the same time, at most."""


class AsteriskNodeConfig(Secret, frozen=True, kw_only=True):
    """One Asterisk of several, by a name of its own. What is not set is as in `[asterisk]`."""

    url: str = ""
    """Its HTTP server; ARI is below `/ari`."""
    user: str | None = None
    """Its ARI user."""
    password: str | None = None
    """Its password."""
    dial: str | None = None
    """Its dial string of a person."""
    agent_dial: str | None = None
    """Its dial string of an agent's device."""
    link_dial: str = ""
    """How the other nodes call this one, e.g. `PJSIP/{token}@south`; `{token}` is a one-time
    word. Needed where there are two nodes or more."""
    max_originates_per_s: PositiveFloat = 30.0
    """Calls that may begin on it in a second."""
    max_lines: Annotated[int, Meta(ge=0)] = 200
    """Calls with people on it at the same time; agents' telephones and links do not count."""
    max_legs: Annotated[int, Meta(ge=0)] | None = None
    """Agents' telephones that it rings, at most; default: no limit."""
    trunks: str = ""
    """The trunks that it has, separated by commas; empty: every one."""
    drain: bool = False
    """Nothing new begins on it; what it has goes on. SIGHUP makes a running Marcador read it."""


class AsteriskConfig(Secret, frozen=True, kw_only=True):
    """An Asterisk of one's own; docs/telephony-asterisk.md tells what it must be told."""

    url: str = "http://127.0.0.1:8088"
    """Its HTTP server; ARI is below `/ari`."""
    user: str = "marcador"
    """User of ari.conf that may write (`read_only` is off)."""
    password: str = ""
    """Secret of that user; better given as MARCADOR_ASTERISK__PASSWORD."""
    app: str = "marcador"
    """Stasis application; one for each engine on this Asterisk."""
    dial: str = "PJSIP/{number}@trunk"
    """Dial string of a person. `{number}` is E.164, `{digits}` without its `+`, `{trunk}` is
    telephony.trunk."""
    agent_dial: str = "PJSIP/{agent}"
    """Dial string of an agent's device; `{agent}` is the user name."""
    caller_id: str | None = None
    """Shown when a campaign names no number of its own."""
    amd_context: str | None = None
    """Dialplan context that detects answering machines; default: no detection."""
    hold_music: str = "default"
    """Class of musiconhold.conf that a person hears who holds."""
    prompts_media: str | None = None
    """ARI media URI of a prompt's recording, `{audio}` is its name without `.wav`; default:
    `sound:` and `prompts.folder`, for an Asterisk that can read it."""
    laboratory: bool = False
    """Nobody real is behind the trunk. Believed only when `url` and the target in `dial` are
    loopback addresses."""
    agent_ring_timeout_s: Positive = 30
    """How long an agent's device may ring."""
    command_timeout_s: PositiveFloat = 5.0
    """Longest wait for Asterisk's reply; after it the outcome of a call is unknown."""
    node_down_s: PositiveFloat = 5.0
    """Of several nodes, one that is away this long has lost its agents' telephones: others ring
    them."""
    node_lost_s: PositiveFloat = 30.0
    """And after this long its calls: their outcome is unknown, and they count."""
    nodes: dict[str, AsteriskNodeConfig] = {}
    """Several Asterisks, by name; default: one, which this section tells of."""


class TransfersConfig(Section, frozen=True, kw_only=True):
    """Where agents may transfer calls outside the house, and whom they may consult there."""

    destinations: str = ""
    """Names and whom they reach, `legal=+56221234567, ombudsman=agent:omb`: a number in E.164, or a
    device of the house. Agents choose a name and cannot type a number; nothing is shown there."""

    def endpoints(self) -> dict[str, str]:
        """Endpoint by name. Raises `ConfigError`."""
        found: dict[str, str] = {}
        for item in filter(None, (part.strip() for part in self.destinations.split(","))):
            name, equals, endpoint = (part.strip() for part in item.partition("="))
            good = name and equals and _ENDPOINT.fullmatch(endpoint) and name not in found
            if not good:
                raise ConfigError(
                    f"`transfers.destinations`: {item!r} must be NAME=+NUMBER (E.164) or "
                    "NAME=agent:DEVICE, each name once"
                )
            found[name] = endpoint
        return found


class RecordingConfig(Section, frozen=True, kw_only=True):
    """Where recorded conversations are kept. Campaigns say which are recorded."""

    folder: str | None = None
    """Folder of the sound files, by hash; default: `call-recordings` in the data folder."""
    keep_days: Positive = 1096
    """Days after the conversation: three years (12 CFR 1006.100(b)), and never less than what the
    packs ask for. A legal hold outlasts it."""


class InboundConfig(Section, frozen=True, kw_only=True):
    """People who call us, where the carrier's adapter brings their calls."""

    wait_s: Positive = 60
    """How long a caller may wait for an agent."""
    max_waiting: Positive = 20
    """Callers in line at the same time; whoever comes then is not answered, or goes on in the
    flow."""
    max_in_flow: Positive = 100
    """Callers who hear a campaign's `inbound_flow` at the same time; whoever comes then is not
    answered."""
    campaign: str = ""
    """Name of the campaign whose agents take callers whom no campaign works; empty: the running
    one with most agents."""
    sticky: bool = True
    """First try the agent who last spoke with the person."""
    busy_prompt: str | None = None
    """What whoever has waited too long is told, in a few neutral words in the house's `language`;
    default: nothing, they are hung up on."""
    callback: bool = True
    """Call a person back whose call nobody took, as far as the rules allow."""


class SupervisionConfig(Section, frozen=True, kw_only=True):
    """Supervisors who listen, whisper to the agent, or barge in. The audit shows all of it."""

    tell_agents: bool = False
    """Tell an agent's client that a supervisor is on the call."""


class EngineConfig(Section, frozen=True, kw_only=True):
    """The dialing engine. Times of people are simulated when the clock is."""

    batch_size: Positive = 256
    """Contacts decided and recorded together, at most."""
    tick_ms: Positive = 250
    """Time between two pacing decisions (real time)."""
    lease_s: Positive = 900
    """How long a claimed account may stay with a worker that gives no sign of life."""
    sweep_s: PositiveFloat = 5.0
    """Time between two rounds of the healing sweeps (real time)."""
    unknown_grace_s: Positive = 20
    """How long an attempt whose outcome is unknown waits for the carrier before it is closed."""
    presence_s: Positive = 30
    """An agent who is silent this long is paused (real time)."""
    drain_s: Positive = 60
    """On SIGTERM: how long calls in progress may go on (real time)."""
    checkpoint_s: Positive = 300
    """Time between signed checkpoints of the ledger (real time)."""
    replay_sample: Annotated[int, msgspec.Meta(ge=0)] = 500
    """Recorded decisions that are made again each time, to prove that they come out the same; 0
    replays none."""
    replay_every_h: Positive = 24
    """Hours between two such samples."""


class PromptsConfig(Section, frozen=True, kw_only=True):
    """What is said by machine: recordings, and text to speech where the carrier has no voice."""

    folder: str | None = None
    """Folder of the audio files; Asterisk must be able to read it. Default: `prompts` in the data
    folder."""
    engine: Literal["espeak", "none"] = "espeak"
    """Text to speech: espeak-ng, or none (then every text of a flow needs a recording)."""
    command: str = "espeak-ng"
    """Program of the engine."""
    voice_es: str = "es-419"
    """Voice for Spanish, as the engine names it."""
    voice_en: str = "en-us"
    """Voice for English."""
    words_per_minute: Annotated[int, Meta(ge=80, le=260)] = 150
    """How fast it speaks."""


class RetentionConfig(Section, frozen=True, kw_only=True):
    """How long people's data is kept."""

    keep_days: Positive = 1096
    """Days after the last activity about a person: three years (12 CFR 1006.100), and never less
    than what the packs' countries ask for."""


class SimulatorConfig(Section, frozen=True, kw_only=True):
    """The simulated carrier and its people."""

    seed: int = 1
    """Same seed, same people."""
    speed: PositiveFloat = 1.0
    """Simulated seconds in one real second."""


class TwilioConfig(Secret, frozen=True, kw_only=True):
    """The Twilio account and our own address towards it; see docs/telephony-twilio.md."""

    account_sid: str = ""
    """Account SID, from the first page of the Twilio console."""
    auth_token: str = ""
    """Auth token of the account; better in the environment than in a file."""
    caller_ids: str = ""
    """Numbers of the account to call from (E.164), separated by commas; a campaign's own caller
    ids win."""
    public_url: str = ""
    """Address under which Twilio reaches `twilio.listen_port`, such as
    `https://calls.example.com`."""
    listen_host: str = "127.0.0.1"
    """Address on which webhooks are taken; the TLS proxy stands before it."""
    listen_port: Port = 8470
    """TCP port on which webhooks are taken. Nothing but signed webhooks is served there."""
    agent_address: str = "client:{agent}"
    """Where agents are rung: `client:`, `sip:` or a number; `{agent}` is the user's name."""
    prompts_url: str | None = None
    """Address under which `prompts.folder` is on the web, for recordings; without it Twilio's own
    voice says every prompt."""
    hold_music_url: str | None = None
    """Address of the music on hold, an MP3 or WAV file on the web; without it Twilio plays its
    own."""
    calls_per_s: PositiveFloat = 1.0
    """Calls per second that Twilio allows the account; more wait in Twilio's own queue."""
    queued_call_expiry_s: PositiveFloat = 10.0
    """A call that waits longer than this in Twilio's queue is cancelled."""
    amd_timeout_s: Annotated[int, Meta(ge=3, le=59)] = 5
    """Longest machine detection; without a verdict the call counts as a person's."""
    request_timeout_s: PositiveFloat = 10.0
    """Longest wait for an answer of Twilio; a call without one counts, and is never repeated."""
    retry_limit_s: PositiveFloat = 4.0
    """How long a request that Twilio turned away as one too many is tried again."""
    probe_s: PositiveFloat = 15.0
    """Time between two looks at whether Twilio is there."""
    sms_from: str | None = None
    """Sender of SMS that name none: a number, a short code, or an alphanumeric sender, to which
    nobody can answer STOP."""
    messaging_service_sid: str | None = None
    """Messaging service that chooses the sender of SMS; wins over `twilio.sms_from`."""
    whatsapp_from: str | None = None
    """Number of the WhatsApp sender (E.164)."""
    messages_per_s: PositiveFloat = 1.0
    """Messages per second, at most; what is above Twilio's own limit waits in its queue."""
    message_validity_s: Annotated[int, Meta(ge=1, le=36_000)] = 600
    """A message that waits longer than this in Twilio's queue is not sent any more."""
    catch_up_s: PositiveFloat = 300.0
    """Time between two looks for messages from people whose webhook never came."""
    api_url: str = "https://api.twilio.com"
    """Address of the REST API. A loopback address is the fake, which calls nobody."""


class MessagesConfig(Section, frozen=True, kw_only=True):
    """How written messages leave; see docs/messages-providers.md."""

    sms: Literal["simulator", "twilio", "none"] = "simulator"
    """Provider of SMS; each but the simulator has a section of its own."""
    whatsapp: Literal["simulator", "twilio", "none"] = "simulator"
    """Provider of WhatsApp messages."""
    email: Literal["simulator", "smtp", "none"] = "simulator"
    """Provider of e-mail."""
    allow_real_sending: bool = False
    """The safety catch: without it only simulated or loopback providers may be used."""


class SmtpConfig(Secret, frozen=True, kw_only=True):
    """The outgoing mail server and the inbox of bounces and replies."""

    host: str = ""
    """Name of the server that takes our mail."""
    port: Port = 0
    """TCP port; 0 is the usual one: 587 (starttls), 465 (tls), 25 (plain)."""
    security: Literal["starttls", "tls", "plain"] = "starttls"
    """How the connection is encrypted. `plain` is for this machine."""
    allow_plain: bool = False
    """Permits `plain` to another machine, in a network of one's own."""
    user: str = ""
    """Login; empty where the server asks for none."""
    password: str = ""
    """Password of that login; better given as MARCADOR_SMTP__PASSWORD."""
    ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's."""
    helo_name: str | None = None
    """How we introduce ourselves; default: the domain of `smtp.from_address`."""
    from_address: str = ""
    """Sender of messages that name none; its domain is that of our Message-IDs."""
    from_name: str = ""
    """Name shown beside it."""
    reply_to: str | None = None
    """Where replies go; default: the sender."""
    return_path: str | None = None
    """Where bounces go; `{id}` in it becomes the message's id, as in
    `bounces+{id}@example.com`, so that every bounce tells its message."""
    laboratory: bool = False
    """Nobody real is behind the server. Believed only when `host` is a loopback address."""
    connections: Positive = 2
    """Connections at the same time, at most."""
    messages_per_connection: Positive = 100
    """Messages after which a connection is made anew."""
    max_per_s: Annotated[float, Meta(ge=0)] = 5.0
    """Messages per second, at most; 0: no limit of ours."""
    timeout_s: PositiveFloat = 30.0
    """Longest wait for each reply of the server; a message without one is in doubt and is never
    repeated."""
    inbox_dir: str | None = None
    """Maildir into which bounces and replies are delivered; without it neither is known."""
    inbox_poll_s: PositiveFloat = 5.0
    """Time between two looks into it."""


class LogConfig(Section, frozen=True, kw_only=True):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written."""
    format: Literal["console", "json"] = "console"
    """For people or for machines."""


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration."""

    data_dir: str = "var"
    """Folder of the embedded databases, keys, reports and reject files."""
    language: Literal["es", "en"] = "es"
    """Language of the command line and of messages to users who chose none."""
    house_packs: str | None = None
    """Folder with the house's own rule packs; they can only tighten."""
    production: bool = False
    """Refuse draft rule packs."""
    ledger: LedgerConfig = LedgerConfig()
    redis: RedisConfig = RedisConfig()
    http: HttpConfig = HttpConfig()
    telephony: TelephonyConfig = TelephonyConfig()
    asterisk: AsteriskConfig = AsteriskConfig()
    engine: EngineConfig = EngineConfig()
    transfers: TransfersConfig = TransfersConfig()
    inbound: InboundConfig = InboundConfig()
    recording: RecordingConfig = RecordingConfig()
    supervision: SupervisionConfig = SupervisionConfig()
    prompts: PromptsConfig = PromptsConfig()
    retention: RetentionConfig = RetentionConfig()
    simulator: SimulatorConfig = SimulatorConfig()
    twilio: TwilioConfig = TwilioConfig()
    messages: MessagesConfig = MessagesConfig()
    smtp: SmtpConfig = SmtpConfig()
    log: LogConfig = LogConfig()

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir).resolve()

    @property
    def recordings_path(self) -> Path:
        folder = self.recording.folder
        return Path(folder).resolve() if folder else self.data_path / "call-recordings"

    @property
    def prompts_path(self) -> Path:
        """Where audio files are, for the carrier too."""
        folder = self.prompts.folder
        return Path(folder).resolve() if folder is not None else self.data_path / "prompts"

    @property
    def ledger_url(self) -> str:
        return self.ledger.url or f"sqlite+aiosqlite:///{self.data_path / 'ledger.db'}"

    def sha256(self) -> str:
        """Hash of the whole configuration, as recorded with every start."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


def load_config(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Config:
    """Read the configuration. Raises `ConfigError` with the key's name and how to mend it.

    `overrides` are dotted keys from the command line; they win over file and environment.
    """
    tree: dict[str, object] = {}
    if path is not None:
        tree = _read_toml(path)
    for name, value in sorted((os.environ if environ is None else environ).items()):
        if name.startswith("MARCADOR_") and name != "MARCADOR_CONFIG":
            dotted = name.removeprefix("MARCADOR_").lower().replace("__", ".")
            _put(tree, dotted, value, source=f"environment variable {name}")
    for dotted, given in (overrides or {}).items():
        _put(tree, dotted, given, source="command line")
    try:
        return msgspec.convert(tree, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), path)) from error


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no such configuration file; `marcador init` writes one"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def _put(tree: dict[str, object], dotted: str, value: object, *, source: str) -> None:
    *parents, leaf = dotted.split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{source}: `{parent}` is a value, not a section")
        node = child
    node[leaf] = value


def _explain(message: str, path: Path | None) -> str:
    where = str(path) if path is not None else "configuration"
    return f"{where}: {message}. See docs/configuration.md for every key and its meaning"
