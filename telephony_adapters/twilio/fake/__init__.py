"""Twilio on this machine: the REST API, signed webhooks and people who answer. Loopback only.

`python -m telephony_adapters.twilio.fake` starts it. `server` is the API, `exchange` the calls,
`documents` follows TwiML, `rooms` are conferences, `lines` says what a called number does, `faults`
what goes wrong, `sender` signs and sends. The people are those of the simulator.
"""
