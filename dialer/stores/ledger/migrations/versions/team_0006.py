"""Agents belong to a team."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column(
        "app_user", sa.Column("team", sa.String(length=100), nullable=False, server_default="")
    )
