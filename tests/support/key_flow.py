"""A flow of one menu: 1 for an agent, 9 to stop the calls; and the agent who takes them."""

from __future__ import annotations

from campaigns.flows.model import Flow, parse_flow
from dialer.core.desk_messages import (
    CallConnected,
    CallOver,
    CallView,
    Dispose,
    Disposed,
    HangUp,
)
from tests.support.house import DeskAgent

FLOW = """
name: key-for-agent
title: {es: Tecla, en: Key}
start: menu
nodes:
  menu:
    kind: gather
    text:
      es: >-
        Le llamamos de {{company}}, teléfono {{return_number}}. Para hablar con una persona,
        marque 1. Para no recibir más llamadas, marque 9.
      en: >-
        We are calling from {{company}}, telephone {{return_number}}. To talk to a person, press 1.
        To stop these calls, press 9.
    choices: {1: agent, 9: stop}
    on_no_input: bye
    on_invalid: bye
  agent:
    kind: transfer
    text: {es: Un momento., en: One moment.}
    on_no_agent: bye
  stop:
    kind: opt_out
    text: {es: No volveremos a llamar., en: We will not call again.}
    next: stopped
  stopped: {kind: hang_up, code: DG-OO}
  bye: {kind: hang_up, code: SY-CU}
"""


def key_flow() -> Flow:
    return parse_flow(FLOW)


async def serve(agent: DeskAgent, served: list[CallView]) -> None:
    """Take every call that comes, and end it."""
    while True:
        call = (await agent.hear(CallConnected)).call
        served.append(call)
        await agent.say(HangUp(call_id=call.call_id))
        await agent.hear(CallOver)
        await agent.say(Dispose(call_id=call.call_id, code="CD-NV"))
        await agent.hear(Disposed)
