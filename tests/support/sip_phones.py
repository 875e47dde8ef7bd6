"""Telephones in this process: they answer by themselves, sound a tone, press keys, call, and keep
what they hear.

As much SIP (RFC 3261), RTP (RFC 3550) and telephone events (RFC 4733) as one Asterisk on loopback
needs. What arrives here is what a person or an agent really hears; inside Asterisk a spy does not
hear a whisper.
"""

from __future__ import annotations

import asyncio
import io
import re
import struct
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

from telephony_adapters.lab.tones import RATE_HZ, tone

FRAME_S: Final = 0.02
FRAME_BYTES: Final = 160
RTP_HEADER: Final = struct.Struct("!BBHII")
HEADERS_COPIED: Final = ("Via", "From", "Call-ID", "CSeq")
EVENT: Final = struct.Struct("!BBH")
"""A telephone event: which, end bit and volume, duration so far (RFC 4733, 2.3)."""
EVENT_TYPE: Final = 101
"""Payload type of telephone events, as we offer and answer it."""
KEYS: Final = "0123456789*#"
KEY_FRAMES: Final = 4
"""Frames that a key is held down."""
ENDS: Final = 3
"""The end of an event is sent so many times: a packet may be lost."""
GAP_S: Final = 0.08
"""Between two keys."""
MARKER: Final = 0x80
Address = tuple[str, int]


def linear(code: int) -> int:
    """A mu-law byte as a 16-bit sample (ITU-T G.711)."""
    code = ~code & 0xFF
    magnitude = ((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)
    return 0x84 - magnitude if code & 0x80 else magnitude - 0x84


_LINEAR: Final = [struct.pack("<h", linear(code)) for code in range(256)]


class Call(asyncio.DatagramProtocol):
    """The audio of one call."""

    def __init__(self, user: str, hz: int | None) -> None:
        self.user = user
        self.heard = bytearray()
        """Mu-law that has arrived so far."""
        self._tone = tone(hz) if hz is not None else None
        self._transport: asyncio.DatagramTransport | None = None
        self._sounding: asyncio.Task[None] | None = None
        self.answered = asyncio.Event()
        """Of a call that we placed."""
        self.event_type: int | None = None
        """Payload type of telephone events; None: the other side takes none."""
        self._sent = 0
        """Packets that carried keys."""
        self._to: Address | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if len(data) > RTP_HEADER.size and data[1] & 0x7F == 0:
            self.heard += data[RTP_HEADER.size :]

    async def press(self, keys: str) -> None:
        """Press keys as RFC 4733 events, on a call that sounds no tone."""
        assert self._tone is None
        assert self.event_type is not None, "Asterisk takes no telephone events here"
        for key in keys:
            began = self._sent * FRAME_BYTES
            for n in range(1, KEY_FRAMES + ENDS + 1):
                ends = n > KEY_FRAMES
                duration = min(n, KEY_FRAMES) * FRAME_BYTES
                event = EVENT.pack(KEYS.index(key), (0x80 if ends else 0) | 10, duration)
                kind = self.event_type | (MARKER if n == 1 else 0)
                self._send_packet(kind, began, event)
                if not ends:
                    await asyncio.sleep(FRAME_S)
            await asyncio.sleep(GAP_S)

    def _send_packet(self, kind: int, at: int, payload: bytes) -> None:
        assert self._transport is not None
        assert self._to is not None
        self._sent += 1
        header = RTP_HEADER.pack(0x80, kind, self._sent & 0xFFFF, at & 0xFFFFFFFF, 7)
        self._transport.sendto(header + payload, self._to)

    def speaks_with(self, sdp: str) -> None:
        """The other side told where its audio is, and what it takes."""
        media = re.search(r"^m=audio (\d+)", sdp, re.MULTILINE)
        assert media is not None
        events = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", sdp, re.MULTILINE)
        self.event_type = None if events is None else int(events[1])
        self._to = ("127.0.0.1", int(media[1]))
        self.sound(self._to)

    def sound(self, to: Address) -> None:
        if self._tone is not None:
            self._sounding = asyncio.create_task(self._send(to))

    def change(self, hz: int) -> None:
        """Sound another tone from now on, as if something else were said."""
        assert self._tone is not None
        self._tone = tone(hz)

    async def _send(self, to: Address) -> None:
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for n in range(1_000_000):
            assert self._tone is not None
            at = n * FRAME_BYTES % len(self._tone)
            header = RTP_HEADER.pack(0x80, 0, n & 0xFFFF, n * FRAME_BYTES & 0xFFFFFFFF, 7)
            self._transport.sendto(header + self._tone[at : at + FRAME_BYTES], to)
            await asyncio.sleep(max(0.0, began_s + (n + 1) * FRAME_S - loop.time()))

    def close(self) -> None:
        if self._sounding is not None:
            self._sounding.cancel()
        if self._transport is not None:
            self._transport.close()

    def wav(self, from_byte: int) -> bytes:
        """What was heard from there on."""
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(RATE_HZ)
            sound.writeframes(b"".join(_LINEAR[code] for code in self.heard[from_byte:]))
        return file.getvalue()


class SipPhones(asyncio.DatagramProtocol):
    """Any user that is called picks up; `tones` says who sounds what.

    `anybody` is the tone of every number that has none of its own. Users in `busy` refuse.
    """

    def __init__(self, tones: dict[str, int], anybody: int | None = None) -> None:
        self._tones = tones
        self._anybody = anybody
        self.busy: set[str] = set()
        self._calls: dict[str, Call] = {}
        self._dialogs: dict[str, tuple[str, Address]] = {}
        """The INVITE of every call, and who sent it."""
        self._transport: asyncio.DatagramTransport | None = None
        self._work: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._transport is not None
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def of(self, user: str) -> Call:
        """The call of a user."""
        return next(call for call in self._calls.values() if call.user == user)

    def hang_up(self, user: str) -> None:
        """End the call of a user from here."""
        call_id = next(c for c, call in self._calls.items() if call.user == user)
        invite, addr = self._dialogs[call_id]
        assert self._transport is not None
        contact = re.search(r"<(sip:[^>]+)>", _header(invite, "Contact"))
        assert contact is not None
        here = f"127.0.0.1:{self.port}"
        lines = [
            f"BYE {contact[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};branch=z9hG4bKbye{call_id}",
            f"From: {_header(invite, 'To')};tag=phone",
            f"To: {_header(invite, 'From')}",
            f"Call-ID: {call_id}",
            "CSeq: 1 BYE",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        self._transport.sendto(("\r\n".join(lines) + "\r\n\r\n").encode(), addr)
        self._drop(call_id)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        text = data.decode()
        method = text.split(" ", 1)[0]
        if method == "INVITE":
            task = asyncio.create_task(self._answer(text, addr))
            self._work.add(task)
            task.add_done_callback(self._work.discard)
        elif method in ("BYE", "INFO", "OPTIONS"):
            self._reply(text, addr)
            if method == "BYE":
                self._drop(_header(text, "Call-ID"))
        elif method == "SIP/2.0":
            self._told(text, addr)

    async def call(self, caller: str, called: str, sip_port: int) -> Call:
        """Dial a number at an Asterisk; returns before anybody answers."""
        call = Call(caller, self._tones.get(caller))
        port = await _open(call)
        call_id = f"out-{len(self._calls)}-{port}"
        self._calls[call_id] = call
        invite = "\r\n".join(
            [
                f"INVITE sip:{called}@127.0.0.1:{sip_port} SIP/2.0",
                f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{call_id}",
                f"From: <sip:{caller}@127.0.0.1:{self.port}>;tag={call_id}",
                f"To: <sip:{called}@127.0.0.1:{sip_port}>",
                f"Call-ID: {call_id}",
                "CSeq: 1 INVITE",
                f"Contact: <sip:phone@127.0.0.1:{self.port}>",
                "Max-Forwards: 70",
                "Content-Type: application/sdp",
            ]
        )
        self._send(invite, _sdp(port, EVENT_TYPE), ("127.0.0.1", sip_port))
        return call

    def _told(self, reply: str, addr: Address) -> None:
        """An answer to our INVITE; every final one is acknowledged, repeats too."""
        status = int(reply.split(" ", 2)[1])
        if status < 200 or not _header(reply, "CSeq").endswith("INVITE"):
            return
        target = _header(reply, "To")
        lines = [
            f"ACK {re.findall(r'<(.*?)>', target)[0]} SIP/2.0",
            *(f"{name}: {_header(reply, name)}" for name in ("Via", "From", "Call-ID")),
            f"To: {target}",
            "CSeq: 1 ACK",
            "Max-Forwards: 70",
        ]
        self._send("\r\n".join(lines), "", addr)
        call = self._calls[_header(reply, "Call-ID")]
        if status == 200 and not call.answered.is_set():
            call.speaks_with(reply)
            call.answered.set()

    def _send(self, head: str, body: str, to: Address) -> None:
        assert self._transport is not None
        self._transport.sendto(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode(), to)

    async def _answer(self, invite: str, addr: Address) -> None:
        call_id = _header(invite, "Call-ID")
        if call_id in self._calls:
            return  # a repeat
        found = re.match(r"INVITE sip:([^@;]*)@", invite)
        assert found is not None
        user = found[1]
        if user in self.busy:
            self._reply(invite, addr, status="486 Busy Here")
            return
        other = self._anybody if user.startswith("+") else None
        call = self._calls[call_id] = Call(user, self._tones.get(user, other))
        self._dialogs[call_id] = invite, addr
        port = await _open(call)
        call.speaks_with(invite)
        self._reply(invite, addr, _sdp(port, call.event_type))

    def _reply(self, request: str, addr: Address, sdp: str = "", *, status: str = "200 OK") -> None:
        to = _header(request, "To")
        lines = [
            f"SIP/2.0 {status}",
            *(f"{name}: {_header(request, name)}" for name in HEADERS_COPIED),
            f"To: {to if 'tag=' in to else to + ';tag=phone'}",
            f"Contact: <sip:phone@127.0.0.1:{self.port}>",
            *(["Content-Type: application/sdp"] if sdp else []),
        ]
        self._send("\r\n".join(lines), sdp, addr)

    def _drop(self, call_id: str) -> None:
        call = self._calls.pop(call_id, None)
        self._dialogs.pop(call_id, None)
        if call is not None:
            call.close()

    def close(self) -> None:
        for call_id in list(self._calls):
            self._drop(call_id)
        if self._transport is not None:
            self._transport.close()


async def _open(call: Call) -> int:
    """Bind the audio of a call; its port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: call, local_addr=("127.0.0.1", 0))
    port: int = transport.get_extra_info("sockname")[1]
    return port


def _sdp(port: int, event_type: int | None) -> str:
    lines = [
        "v=0", "o=phone 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
        f"m=audio {port} RTP/AVP 0" + ("" if event_type is None else f" {event_type}"),
        "a=rtpmap:0 PCMU/8000",
    ]  # fmt: skip
    if event_type is not None:
        lines += [f"a=rtpmap:{event_type} telephone-event/8000", f"a=fmtp:{event_type} 0-15"]
    return "\r\n".join([*lines, "a=sendrecv", ""])


def _header(message: str, name: str) -> str:
    found = re.search(rf"^{name}: *(.*?)\r?$", message, re.MULTILINE | re.IGNORECASE)
    assert found is not None, f"no {name} in {message}"
    return found[1]


@asynccontextmanager
async def sip_phones(tones: dict[str, int], anybody: int | None = None) -> AsyncIterator[SipPhones]:
    """Telephones on a free port of loopback."""
    phones = SipPhones(tones, anybody)
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: phones, local_addr=("127.0.0.1", 0)
    )
    try:
        yield phones
    finally:
        phones.close()
