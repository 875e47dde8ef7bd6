"""The laboratory's Asterisk: its configuration, its life."""

from __future__ import annotations

import base64
import random
import re
import secrets
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from telephony_adapters.lab.debian import Bundle, install
from telephony_adapters.lab.errors import LabError
from telephony_adapters.lab.ports import BETWEEN_NODES, LOOPBACK, free_tcp_port, free_udp_port
from telephony_adapters.lab.process import Child, hand_over
from telephony_adapters.lab.tones import tone

CONF: Final = Path(__file__).parent / "conf"
READY_TIMEOUT_S: Final = 30.0
USER: Final = "marcador"
RTP_PORTS: Final = 4_000
MUSIC_HZ: Final = 1_000
MUSIC_S: Final = 60
"""What a person hears who holds."""
SUITES: Final = {22: "sid", 16: "bullseye"}
"""Debian suites by the family of Asterisk that they carry."""
_LIBRARIES: Final = (
    "zlib1g|libicu67|lib(bsd0|c6|cap2|crypt1|edit2|gcc-s1|stdc[+][+]6|gsm1|jansson4|md0|opus0"
    "|sqlite3-0|srtp2-.*|ssl[0-9].*|systemd0|tinfo6|uriparser1|uuid1|xml2.*|xslt1.*|zstd1|popt0"
    "|lzma5|lz4-1|gcrypt20|gpg-error0)"
)


def bundle(family: int) -> Bundle:
    """The packages of one family of Asterisk. Raises `LabError`."""
    if family not in SUITES:
        raise LabError(f"no packages of Asterisk {family}: choose {' or '.join(map(str, SUITES))}")
    sounds = ("asterisk-core-sounds-en-gsm", "asterisk-core-sounds-es-gsm")
    loaded = "|".join(sorted(_modules()))
    return Bundle(
        name="asterisk",
        suite=SUITES[family],
        packages=("asterisk", "asterisk-modules", *sounds),
        keep=f"asterisk|asterisk-modules|{'|'.join(sounds)}|{_LIBRARIES}",
        binaries=(
            "usr/sbin/asterisk",
            *(f"usr/lib/**/asterisk/modules/{name}" for name in loaded.split("|")),
        ),
    )


def _modules() -> list[str]:
    return re.findall(r"^load=(\S+)", (CONF / "modules.conf").read_text(encoding="utf-8"), re.M)


class Pbx:
    """One Asterisk on loopback, with ARI and three endpoints: `trunk`, `phone`, and `node` for
    other Asterisks."""

    def __init__(self, folder: Path, family: int = 22) -> None:
        self.folder = folder
        self.family = family
        self.http_port = free_tcp_port()
        self.sip_port = free_udp_port()
        self.link_port = free_udp_port(BETWEEN_NODES)
        self.password = secrets.token_urlsafe(18)
        self._unpacked = install(bundle(family))
        self._child: Child | None = None
        self._configure()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def link_dial(self) -> str:
        """Dial string by which another Asterisk calls this one with a one-time word."""
        return f"PJSIP/node/sip:{{token}}@{BETWEEN_NODES}:{self.link_port}"

    @property
    def recordings(self) -> Path:
        """The folder of stored recordings."""
        return self.folder / "run/spool/recording"

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Run it until ARI answers. Raises `LabError`."""
        etc = self.folder / "etc"
        hand_over(self.folder)
        self._child = Child(
            [*self._unpacked.command("usr/sbin/asterisk"), "-f", "-C", str(etc / "asterisk.conf")],
            output=self.folder / "asterisk.out",
            cwd=Path("/"),
            environment={"MALLOC_ARENA_MAX": "4"},
        )
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not self._answers():
            if not self._child.running or time.monotonic() > deadline_s:
                log = self.folder / "log/messages.log"
                told = log.read_text(errors="replace")[-1_000:] if log.exists() else ""
                raise LabError(f"Asterisk did not start: {self._child.said()} {told}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        """End it as a crash would."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def console(self, command: str) -> list[str]:
        """The command line that runs a command of Asterisk's own console."""
        etc = self.folder / "etc/asterisk.conf"
        return [*self._unpacked.command("usr/sbin/asterisk"), "-C", str(etc), "-rx", command]

    def _answers(self) -> bool:
        request = urllib.request.Request(f"{self.url}/ari/asterisk/info")  # noqa: S310
        login = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        try:
            with urllib.request.urlopen(request, timeout=2):  # noqa: S310
                return True
        except (urllib.error.URLError, OSError):
            return False

    # --- configuration ------------------------------------------------------------------------

    def _configure(self) -> None:
        run = self.folder / "run"
        etc = self.folder / "etc"
        spool = run / "spool/recording"
        for place in (etc, run / "lib/keys", spool, run / "log", run / "data/sounds"):
            place.mkdir(parents=True)
        music = run / "data/moh"
        music.mkdir()
        (music / "tone.ulaw").write_bytes(tone(MUSIC_HZ, MUSIC_S))
        (self.folder / "log").symlink_to(run / "log")
        modules = self._module_folder()
        values = {
            "ETC": str(etc),
            "RUN": str(run),
            "MODULES": str(modules),
            "HTTP_PORT": str(self.http_port),
            "SIP_PORT": str(self.sip_port),
            "LINKS": f"{BETWEEN_NODES}:{self.link_port}",
            "BETWEEN_NODES": BETWEEN_NODES,
            "PASSWORD": self.password,
            **_rtp_ports(),
        }
        for source in CONF.glob("*.conf"):
            text = _rendered(source.read_text(encoding="utf-8"), values)
            if source.name == "modules.conf":
                text = _only_existing(text, modules)
            target = etc / source.name
            target.write_text(text, encoding="utf-8")
            target.chmod(0o600)
        share = self._unpacked.root / "usr/share/asterisk"
        for name in ("documentation", "rest-api"):
            (run / "data" / name).symlink_to(share / name)
        for language, name in (("en", "en_US_f_Allison"), ("es", "es_MX_f_Allison")):
            (run / "data/sounds" / language).symlink_to(share / "sounds" / name)

    def _module_folder(self) -> Path:
        for place in self._unpacked.libraries():
            if (place / "asterisk/modules").is_dir():
                return place / "asterisk/modules"
        raise LabError(f"{self._unpacked.root}: no modules of Asterisk in it; delete the folder")


def _rtp_ports() -> dict[str, str]:
    """A block of ports; several laboratories on one machine rarely meet."""
    first = random.SystemRandom().randrange(20_000, 28_000, 2)
    return {"RTP_FIRST": str(first), "RTP_LAST": str(first + RTP_PORTS)}


def _rendered(text: str, values: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        return values[match[1]]

    return re.sub(r"%([A-Z_]+)%", value, text)


def _only_existing(text: str, modules: Path) -> str:
    """Drop what this family of Asterisk has not got."""
    kept = [
        line
        for line in text.splitlines()
        if not line.startswith("load=") or (modules / line.removeprefix("load=")).exists()
    ]
    return "\n".join(kept) + "\n"
