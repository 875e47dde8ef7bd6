"""Twilio on this machine: the REST API, signed webhooks and people who answer. Loopback only.

`python -m telephony_adapters.twilio.fake` starts it. `server` is the API, `exchange` the calls,
`callers` who calls us, `documents` follows TwiML, `rooms` are conferences, `voices` who hears whom,
`recorder` records, `lines` says what a called number does, `faults` what goes wrong, `sender` signs
and sends. The people are those of the simulator.
"""
