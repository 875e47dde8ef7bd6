"""SIPp scenarios: what a called number does, written as the XML that SIPp runs.

One scenario serves every number: regular expressions on the called user choose the behaviour.
Every answered call writes the keys that it is sent (SIP INFO) into its log, and obeys one order
from the laboratory: `#` makes it hang up.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

import msgspec

FOREVER_MS: Final = 3_600_000
CANCEL_TIMEOUT_MS: Final = 120_000


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to an INVITE."""

    name: str
    users: str
    """Extended regular expression of the called users that behave so."""
    trying: bool = True
    """Say 100 at least; otherwise not a byte comes back."""
    ring_ms: int | None = 500
    """Rings this long, then answers or refuses; None: no ringing is told."""
    refusal: str | None = None
    """Status line of a refusal, e.g. `486 Busy Here`."""
    answers: bool = True
    audio: Path | None = None
    """Raw mu-law that is heard after the answer."""
    repeats: bool = False
    """Again and again."""
    keys: str = ""
    """Pressed one after the other, half a second apart, after the answer."""
    talk_ms: int = FOREVER_MS
    """Hangs up by itself this long after the answer."""


_IN_DIALOG_REPLY: Final = """\
      [last_Via:]
      [last_From:]
      [last_To:]{tag}
      [last_Call-ID:]
      [last_CSeq:]
"""
_OWN_REQUEST: Final = """\
      {method} [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: [$to];tag=[pid]s[call_number]
      To: [$from]
      [last_Call-ID:]
      CSeq: {sequence} {method}
      Max-Forwards: 70
      Contact: <sip:lab@[local_ip]:[local_port]>
"""
_SDP: Final = """\
      v=0
      o=lab 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [{port}] RTP/AVP 0
      a=rtpmap:0 PCMU/8000
      a=sendrecv
"""


KEY_READER: Final = (
    '<ereg regexp="Signal= *(.)" search_in="body" check_it="false" assign_to="signal,key"/>'
    '<ereg regexp="Signal= *#" search_in="body" check_it="false" assign_to="order"/>'
)
"""Takes the key out of an INFO; `order` is set for `#`."""


class ScenarioWriter:
    """Writes the scenario of a list of behaviours; the last one is for every other user."""

    def __init__(self, behaviours: Sequence[Behaviour]) -> None:
        self._behaviours = behaviours
        self._lines: list[str] = []
        self._labels: dict[str, int] = {}

    def xml(self) -> str:
        self._lines = ['<?xml version="1.0" encoding="ISO-8859-1" ?>', '<scenario name="lab">']
        self._invite()
        for behaviour in self._behaviours:
            self._label(behaviour.name)
            self._play(behaviour)
        self._endings()
        self._add("</scenario>")
        return "\n".join(self._lines)

    # --- the skeleton -------------------------------------------------------------------------

    def _invite(self) -> None:
        *chosen, other = self._behaviours
        self._add('<recv request="INVITE" crlf="true" rrs="true"><action>')
        headers = (("via", "Via:"), ("from", "From:"), ("to", "To:"), ("cseq", "CSeq:"))
        for variable, header in headers:
            self._add(_ereg(".*", header, variable))
        for index, behaviour in enumerate(chosen):
            self._add(_ereg(f"sip:({behaviour.users})@", "To:", f"b{index}"))
        self._add('<log message="INVITE [$to]"/>')
        self._add("</action></recv>")
        names = [name for name, _ in headers]
        names += [f"b{index}" for index in range(len(chosen))]
        self._add(f'<Reference variables="{",".join(names)}"/>')
        for index, behaviour in enumerate(chosen):
            self._add(f'<nop test="b{index}" next="{self._id(behaviour.name)}"/>')
        self._goto(other.name)

    def _play(self, behaviour: Behaviour) -> None:
        if not behaviour.trying:
            self._add(f'<pause milliseconds="{CANCEL_TIMEOUT_MS}"/>')
            self._goto("end")
            return
        self._reply("100 Trying", tag="")
        if behaviour.ring_ms is not None:
            self._reply("180 Ringing", contact=True)
        for_good = behaviour.refusal is None and not behaviour.answers
        wait_ms = CANCEL_TIMEOUT_MS if for_good else behaviour.ring_ms
        if wait_ms is not None:
            after = "end" if for_good else f"{behaviour.name}-final"
            self._add(
                f'<recv request="CANCEL" timeout="{wait_ms}" ontimeout="{self._id(after)}" '
                f'next="{self._id("cancelled")}"/>'
            )
        if for_good:
            return
        self._label(f"{behaviour.name}-final")
        if behaviour.refusal is not None:
            self._reply(behaviour.refusal, retransmitted=True)
            self._add(f'<recv request="ACK" next="{self._id("end")}"/>')
        else:
            self._answer(behaviour)

    def _answer(self, behaviour: Behaviour) -> None:
        port = "rtpstream_audio_port" if behaviour.audio is not None else "auto_media_port"
        self._reply("200 OK", retransmitted=True, contact=True, sdp=_SDP.format(port=port))
        self._add('<recv request="ACK" crlf="true"/>')
        if behaviour.audio is not None:
            times = -1 if behaviour.repeats else 1
            stream = quoteattr(f"{behaviour.audio},{times},0,PCMU/8000")
            self._add(f"<nop><action><exec rtp_stream={stream}/></action></nop>")
        for sequence, key in enumerate(behaviour.keys, 1):
            self._add('<pause milliseconds="500"/>')
            self._press(sequence, key)
        # An optional message and the one after it are one wait: both carry its limit.
        limit = f'timeout="{behaviour.talk_ms}" ontimeout="{self._id("bye")}"'
        self._hear_keys(limit)

    def _hear_keys(self, limit: str = "") -> None:
        self._add(f'<recv request="INFO" optional="true" {limit} next="{self._id("pressed")}">')
        self._add("<action>")
        self._add(KEY_READER)
        self._add("</action></recv>")
        self._add(f'<recv request="BYE" {limit} next="{self._id("bye-received")}"/>')

    def _endings(self) -> None:
        self._label("pressed")
        self._add('<nop><action><log message="KEY [call_id] [$key]"/></action></nop>')
        self._reply("200 OK", tag="")
        self._add(f'<nop test="order" next="{self._id("bye")}"/>')
        self._hear_keys()
        self._label("bye")
        self._request("BYE", 100)
        self._add(f'<recv response="200" next="{self._id("end")}"/>')
        self._label("bye-received")
        self._reply("200 OK", tag="")
        self._goto("end")
        self._label("cancelled")
        self._reply("200 OK")
        self._send(
            "      SIP/2.0 487 Request Terminated\n"
            "      Via:[$via]\n      From:[$from]\n      To:[$to];tag=[pid]s[call_number]\n"
            "      [last_Call-ID:]\n      CSeq:[$cseq]\n      Content-Length: 0\n",
            retransmitted=True,
        )
        self._add('<recv request="ACK"/>')
        self._label("end")
        self._add('<timewait milliseconds="1000"/>')
        self._add('<Reference variables="signal"/>')

    # --- messages -----------------------------------------------------------------------------

    def _reply(
        self,
        status: str,
        *,
        tag: str = ";tag=[pid]s[call_number]",
        retransmitted: bool = False,
        contact: bool = False,
        sdp: str = "",
    ) -> None:
        text = f"      SIP/2.0 {status}\n{_IN_DIALOG_REPLY.format(tag=tag)}"
        if contact:
            text += "      Contact: <sip:lab@[local_ip]:[local_port]>\n"
        self._send(text + _body("application/sdp", sdp), retransmitted=retransmitted)

    def _request(self, method: str, sequence: int, kind: str = "", body: str = "") -> None:
        head = _OWN_REQUEST.format(method=method, sequence=sequence)
        self._send(head + _body(kind, body), retransmitted=True)

    def _press(self, sequence: int, key: str) -> None:
        self._request(
            "INFO", sequence, "application/dtmf-relay", f"      Signal={key}\n      Duration=160\n"
        )
        self._add('<recv response="200"/>')

    def _send(self, text: str, *, retransmitted: bool) -> None:
        again = ' retrans="500"' if retransmitted else ""
        self._add(f"<send{again}><![CDATA[\n{text}\n]]></send>")

    # --- flow ---------------------------------------------------------------------------------

    def _id(self, name: str) -> int:
        return self._labels.setdefault(name, len(self._labels) + 1)

    def _label(self, name: str) -> None:
        self._add(f'<label id="{self._id(name)}"/>')

    def _goto(self, name: str) -> None:
        self._add(f'<nop next="{self._id(name)}"/>')

    def _add(self, line: str) -> None:
        self._lines.append(line)


def _ereg(pattern: str, header: str, variable: str) -> str:
    return (
        f'<ereg regexp={quoteattr(pattern)} search_in="hdr" header="{header}" check_it="false" '
        f'assign_to="{variable}"/>'
    )


def _body(kind: str, body: str) -> str:
    if not body:
        return "      Content-Length: 0\n"
    return f"      Content-Type: {kind}\n      Content-Length: [len]\n\n{body}"
