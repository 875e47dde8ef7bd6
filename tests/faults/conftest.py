"""Prepared ledgers, made once a run, and scenes over copies of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.prepared import copy_of, prepare
from tests.faults.scene import Scene
from tests.support.redis_server import redis_client, redis_folder, redis_server

__all__ = ["redis_client", "redis_folder", "redis_server"]

ACCOUNTS = 2500

OpenScene = Callable[[str, int], Awaitable[Scene]]
"""Country and seed to a scene whose Redis runs."""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Country to the folder of a campaign that is ready to run."""
    made: dict[str, Path] = {}

    def of(country: str) -> Path:
        if country not in made:
            folder = tmp_path_factory.mktemp(f"prepared-{country}")
            made[country] = prepare(folder, country, accounts=ACCOUNTS)
        return made[country]

    return of


@pytest_asyncio.fixture
async def open_scene(
    prepared: Callable[[str], Path], tmp_path: Path, redis_folder: Path
) -> AsyncIterator[OpenScene]:
    scenes: list[Scene] = []

    async def opened(country: str, seed: int) -> Scene:
        source = await asyncio.to_thread(prepared, country)
        folder = copy_of(source, tmp_path / "data")
        scene = Scene(folder, redis_folder, country, seed)
        scenes.append(scene)
        await scene.redis.start()
        return scene

    yield opened
    for scene in scenes:
        await scene.close()
