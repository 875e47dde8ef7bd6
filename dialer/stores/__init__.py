"""Where things are kept: the ledger (truth) and Redis (speed)."""
