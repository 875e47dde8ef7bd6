"""The digital twin: a campaign, its law and its team on a virtual clock, paced as in production."""
