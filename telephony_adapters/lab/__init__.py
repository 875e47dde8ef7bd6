"""A telephone network on this machine: a real Asterisk, a SIPp carrier and SIPp agents' phones.

Nothing is installed and no root is needed: Debian packages are unpacked in a cache folder and
run from there. It serves tests, `make telephony`, `make telephony-run` and benchmarks.
"""
