"""Fixtures of the engine's tests."""

from tests.support.redis_server import redis_client, redis_folder, redis_server

__all__ = ["redis_client", "redis_folder", "redis_server"]
