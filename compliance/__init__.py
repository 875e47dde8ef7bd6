"""What is allowed, and why. Pure: imports nobody else in this project and awaits nothing."""
