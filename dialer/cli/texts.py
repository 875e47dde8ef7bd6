"""The command line's words, Spanish and English."""

from __future__ import annotations

from campaigns.dispositions import DispositionCode, disposition

_WORDS: dict[str, tuple[str, str]] = {
    "state": ("estado", "state"),
    "state_draft": ("borrador", "draft"),
    "state_running": ("en marcha", "running"),
    "state_paused": ("en pausa", "paused"),
    "state_draining": ("terminando", "draining"),
    "state_completed": ("terminada", "completed"),
    "state_aborted": ("cancelada", "aborted"),
    "calls": ("Llamadas", "Calls"),
    "dialed": ("marcadas", "dialed"),
    "ringing": ("timbrando", "ringing"),
    "answered": ("contestadas (persona)", "answered (live)"),
    "connected": ("conectadas", "connected"),
    "abandoned": ("abandonadas", "abandoned"),
    "connect_p99": ("espera de agente p99", "wait for agent p99"),
    "messages": ("Mensajes", "Messages"),
    "messages_started": ("mensajes decididos", "messages decided"),
    "replies": ("respuestas", "replies"),
    "opt_outs": ("bajas", "opt-outs"),
    "agents": ("Agentes", "Agents"),
    "agent_ready": ("disponibles", "ready"),
    "agent_reserved": ("reservados", "reserved"),
    "agent_on_call": ("en llamada", "on call"),
    "agent_wrap_up": ("tipificando", "wrap-up"),
    "agent_paused": ("en pausa", "paused"),
    "occupancy": ("ocupación", "occupancy"),
    "right_party": ("contactos con titular", "right-party contacts"),
    "promises": ("promesas de pago", "promises to pay"),
    "queue": ("Cola", "Queue"),
    "queue_ready": ("listas", "ready"),
    "queue_waiting": ("en espera", "waiting"),
    "queue_leased": ("en curso", "in hand"),
    "queue_done": ("terminadas", "done"),
    "pacing": ("marcar ahora", "place now"),
    "blocked": ("Bloqueadas por regla", "Blocked by rule"),
    "none": ("ninguna", "none"),
    "outcomes": ("Resultados", "Outcomes"),
    "summary": ("Resumen", "Summary"),
    "reports": ("Informes", "Reports"),
    "importing": ("Importando", "Importing"),
    "sample_made": ("Cartera sintética generada", "Synthetic portfolio generated"),
    "simulated_clock": (
        "Reloj simulado: {at:%Y-%m-%d %H:%M} ({zone}), x{speed:g}",
        "Simulated clock: {at:%Y-%m-%d %H:%M} ({zone}), x{speed:g}",
    ),
    "simulated": (
        "Operador simulado: no se llama a ninguna persona real.",
        "Simulated carrier: no real person is called.",
    ),
    "laboratory": (
        "Laboratorio en esta máquina: llamadas SIP de verdad, ninguna persona real.",
        "Laboratory on this machine: real SIP calls, no real person.",
    ),
    "shifted_clock": (
        "Reloj a velocidad real, puesto en {at:%Y-%m-%d %H:%M} ({zone})",
        "Clock at real speed, set to {at:%Y-%m-%d %H:%M} ({zone})",
    ),
    "real_dialing": (
        "MARCACIÓN REAL ACTIVADA: las llamadas llegan a personas.",
        "REAL DIALING IS ON: calls reach people.",
    ),
    "serving": (
        "El servidor sigue en {url}; Ctrl-C para terminar.",
        "The server stays up at {url}; Ctrl-C to end.",
    ),
    "draining": ("Terminando las llamadas en curso...", "Letting calls in progress end..."),
    "ledger_ok": (
        "Libro verificado: {events:,} eventos de {people:,} personas, sin diferencias",
        "Ledger verified: {events:,} events of {people:,} people, no difference",
    ),
    "ledger_bad": ("EL LIBRO NO VERIFICA: {problem}", "THE LEDGER DOES NOT VERIFY: {problem}"),
    "conserved": ("Cola conservada", "Queue conserved"),
    "not_conserved": ("LA COLA NO CUADRA", "THE QUEUE DOES NOT ADD UP"),
}


class Texts:
    """Words of one language; call it with a key, and with values to fill in."""

    def __init__(self, language: str) -> None:
        self.language = "es" if language.startswith("es") else "en"

    def __call__(self, key: str, **values: object) -> str:
        spanish, english = _WORDS[key]
        text = spanish if self.language == "es" else english
        return text.format(**values) if values else text

    def say(self, spanish: str, english: str) -> str:
        """The one of two sentences that is in this language."""
        return spanish if self.language == "es" else english

    def code(self, code: str) -> str:
        """A disposition code with its name."""
        return f"{code} {disposition(DispositionCode(code)).name(self.language)}"
