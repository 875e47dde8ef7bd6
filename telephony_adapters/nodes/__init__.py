"""Several carriers of one kind as one: the port over nodes that speak the port themselves."""
