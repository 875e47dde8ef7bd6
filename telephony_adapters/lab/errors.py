"""What can be wrong with the laboratory."""

from __future__ import annotations


class LabError(Exception):
    """The laboratory cannot be brought up; the text says what is missing and how to get it."""
