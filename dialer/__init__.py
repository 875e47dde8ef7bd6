"""The engine and the ways in: the only room that does things."""
