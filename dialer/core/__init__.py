"""The engine's pure part: state machines, pacing, the shape of what is recorded."""
