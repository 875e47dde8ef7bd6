"""The pacing benchmark: our pacer beside the peers' published laws and a solved optimum."""
