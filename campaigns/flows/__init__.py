"""Telephone flows as data: the graph, its proof, and the one interpreter. Pure."""
