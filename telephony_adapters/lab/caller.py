"""One person who calls us: a SIPp that places a single call."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from telephony_adapters.lab.far_end import run_sipp
from telephony_adapters.lab.process import Child
from telephony_adapters.lab.scenario import KEY_READER

REFUSALS: Final = (404, 480, 486, 503, 603)
_INVITE: Final = """\
      INVITE sip:{called}@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK[pid]i[call_number]
      From: {caller};tag=[pid]c[call_number]
      To: <sip:{called}@[remote_ip]:[remote_port]>
      Call-ID: [call_id]
      CSeq: 1 INVITE
      Contact: <sip:caller@[local_ip]:[local_port]>
      Max-Forwards: 70
{privacy}      Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o=lab 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [auto_media_port] RTP/AVP 0
      a=rtpmap:0 PCMU/8000
      a=sendrecv
"""
_LATER: Final = """\
      {method} sip:{called}@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}
      From: {caller};tag=[pid]c[call_number]
      To: <sip:{called}@[remote_ip]:[remote_port]>{tag}
      Call-ID: [call_id]
      CSeq: {sequence} {method}
      Max-Forwards: 70
      Content-Length: 0
"""
_REPLY: Final = """\
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0
"""
(_CANCEL, _REFUSED, _PRESSED, _BYE_RECEIVED, _BYE, _END) = range(1, 7)


class Caller:
    """Calls once, and stays until `#` is sent to it or we hang up. Gives up after a while."""

    def __init__(
        self,
        name: str,
        folder: Path,
        sip_port: int,
        caller: str | None,
        called: str,
        patience_s: float,
    ) -> None:
        self._name = name
        self._folder = folder
        self._target = sip_port
        self._scenario = folder / f"{name}.xml"
        self._scenario.write_text(_xml(caller, called, patience_s), encoding="utf-8")
        self._child: Child | None = None

    def start(self) -> None:
        """Dial. Raises `LabError`."""
        options = ("-m", "1", "-l", "1", f"127.0.0.1:{self._target}")
        self._child = run_sipp(self._name, self._folder, self._scenario, options)

    @property
    def gone(self) -> bool:
        """The call is over, or was refused."""
        return self._child is None or not self._child.running

    def stop(self) -> None:
        """Be gone without a word."""
        if self._child is not None:
            self._child.kill()
            self._child = None


def _xml(caller: str | None, called: str, patience_s: float) -> str:
    privacy = "" if caller is not None else "      Privacy: id\n"
    address = (
        f"<sip:{caller}@[local_ip]:[local_port]>"
        if caller is not None
        else '"Anonymous" <sip:anonymous@anonymous.invalid>'
    )

    def later(method: str, sequence: int, *, tag: bool, same: bool = False) -> str:
        text = _LATER.format(
            method=method,
            sequence=sequence,
            called=called,
            caller=address,
            tag="[peer_tag_param]" if tag else "",
            branch="z9hG4bK[pid]i[call_number]" if same else "[branch]",
        )
        return _send(text)

    limit = f'timeout="{round(patience_s * 1000)}" ontimeout="{_CANCEL}"'
    refusals = "".join(
        f'<recv response="{status}" optional="true" {limit} next="{_REFUSED}"/>'
        for status in REFUSALS
    )
    hear = (
        f'<recv request="INFO" optional="true" next="{_PRESSED}">'
        f"<action>{KEY_READER}</action></recv>"
        f'<recv request="BYE" next="{_BYE_RECEIVED}"/>'
    )
    lines = (
        '<?xml version="1.0" encoding="ISO-8859-1" ?><scenario name="caller">',
        _send(_INVITE.format(called=called, caller=address, privacy=privacy)),
        *(f'<recv response="{s}" optional="true" {limit}/>' for s in (100, 180, 183)),
        refusals,
        f'<recv response="200" {limit}/>',
        later("ACK", 1, tag=True),
        hear,
        f'<label id="{_PRESSED}"/>',
        _send(_REPLY),
        f'<nop test="order" next="{_BYE}"/>',
        hear,
        f'<label id="{_BYE}"/>',
        later("BYE", 2, tag=True),
        f'<recv response="200" next="{_END}"/>',
        f'<label id="{_BYE_RECEIVED}"/>',
        _send(_REPLY),
        f'<nop next="{_END}"/>',
        f'<label id="{_CANCEL}"/>',
        later("CANCEL", 1, tag=False, same=True),
        '<recv response="200"/><recv response="487"/>',
        f'<label id="{_REFUSED}"/>',
        later("ACK", 1, tag=True, same=True),
        f'<label id="{_END}"/><timewait milliseconds="100"/>',
        '<Reference variables="signal,key"/></scenario>',
    )
    return "\n".join(lines)


def _send(text: str) -> str:
    return f"<send><![CDATA[\n{text}\n]]></send>"
