"""Calls over SIP through an Asterisk of one's own, driven by ARI."""
