"""A limit on the memory of the suite's processes, so that a test that eats the machine fails.

A pytest plugin. What the tests start inherits the limit. On macOS, which does not limit the
address space, it does nothing.
"""

from __future__ import annotations

import contextlib
import os
import resource

LIMIT = int(os.environ.get("TESTS_MEMORY_LIMIT", str(8 << 30)))
"""Bytes of address space of a process; the whole suite passes with half of it."""


def pytest_configure() -> None:
    """Limit this process and what it starts, before a test runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    known = [limit for limit in (soft, hard, LIMIT) if limit != resource.RLIM_INFINITY]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (min(known), hard))
