"""Generator of synthetic portfolios: files in the dialects, and with the dirt, of real ones.

Nobody in them exists. They are for simulated and loopback carriers only.
"""
