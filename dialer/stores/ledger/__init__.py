"""The ledger: people and debts, and everything that happened to them, in SQL."""
