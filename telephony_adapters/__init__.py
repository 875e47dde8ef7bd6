"""How a contact leaves the building: one port, one conformance suite, an adapter a folder."""
