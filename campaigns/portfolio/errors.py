"""The one error of the import: a whole file or profile that cannot be used."""

from __future__ import annotations

from campaigns.portfolio.model import Text


class PortfolioError(Exception):
    """A file or an import profile cannot be used at all; nothing has been imported from it.

    Single rows that cannot be used never raise: they become `RejectedRow`s.
    """

    def __init__(self, code: str, message: Text, mend: Text) -> None:
        super().__init__(f"{message.en} {mend.en}")
        self.code = code
        self.message = message
        self.mend = mend
