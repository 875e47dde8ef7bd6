"""What people write back: what they ask for, and what follows from it. Pure."""
