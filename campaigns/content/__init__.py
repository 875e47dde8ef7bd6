"""What is said in writing and on voicemail: merge fields, templates, the lint, rendering. Pure."""
