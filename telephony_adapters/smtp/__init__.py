"""E-mail through any SMTP server: sending, bounces and replies."""
