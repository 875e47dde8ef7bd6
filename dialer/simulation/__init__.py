"""The digital twin: virtual time, worlds as data, and the same core that runs in production."""
