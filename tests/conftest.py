"""Every test runs in a monkey-patched process, as the programs do."""

from gevent import monkey

monkey.patch_all()

import os

from hypothesis import settings

from tests.databases import _database_servers, database_url, mariadb, postgresql

settings.register_profile("default", deadline=None, max_examples=100)
settings.register_profile("ci", deadline=None, max_examples=200, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

__all__ = ["_database_servers", "database_url", "mariadb", "postgresql"]
