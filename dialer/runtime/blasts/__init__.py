"""Written messages in a running engine: campaigns that send, and people who write back."""
