"""Calls through Twilio: `codec` and `twiml` (pure), `client` (REST), `webhooks` (what Twilio
tells us), `switchboard` (what both mean), `adapter` (the port). `fake` plays Twilio on loopback.
"""
