"""`marcador doctor`: whether each Asterisk of several can call each other one."""

from __future__ import annotations

from dialer.cli.findings import Finding, State, problem
from dialer.cli.texts import Texts
from telephony_adapters.asterisk.link_check import PROBE, LinkState, check_link
from telephony_adapters.asterisk.settings import AsteriskSettings


async def link_finding(name: str, settings: AsteriskSettings, other: str, texts: Texts) -> Finding:
    """Of a call from the node of `settings` to another one."""
    check = f"asterisk_link[{name}>{other}]"
    try:
        state = await check_link(settings, other)
    except Exception as error:
        return problem(check, error, texts)
    match state:
        case LinkState.ANSWERED:
            return Finding(check=check, state=State.OK, found=texts.say("contesta", "answers"))
        case LinkState.REFUSED:
            return Finding(
                check=check,
                state=State.PROBLEM,
                found=texts.say(
                    f"{other} rechaza la llamada a `{PROBE}`",
                    f"{other} refuses the call to `{PROBE}`",
                ),
                mend=texts.say(
                    f"en {other}, el endpoint de los nodos necesita el contexto con "
                    f"`exten => {PROBE}` y `_marcador.`: docs/telephony-asterisk.md",
                    f"on {other} the endpoint of the nodes needs the context with "
                    f"`exten => {PROBE}` and `_marcador.`: docs/telephony-asterisk.md",
                ),
            )
        case LinkState.SILENT:
            return Finding(
                check=check,
                state=State.PROBLEM,
                found=texts.say(
                    f"nada responde por asterisk.nodes.{other}.link_dial",
                    f"nothing comes back by asterisk.nodes.{other}.link_dial",
                ),
                mend=texts.say(
                    "revise dirección, puerto y cortafuegos entre los nodos (SIP y RTP)",
                    "check address, port and firewall between the nodes (SIP and RTP)",
                ),
            )
