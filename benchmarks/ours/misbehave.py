"""Runs a config until so many requests are recorded, and looks for what it leaves behind.

    python -m benchmarks.ours.misbehave CONFIG LOG REQUESTS

Prints one line of JSON: file descriptors and tasks before and after, and the
most descriptors at any time.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from pathlib import Path

import uvloop

from asyncload.api import make_config
from asyncload.load_test import LoadTest


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def main() -> None:
    config, log, enough = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    # libuv opens a spare descriptor (/dev/null) with a loop's first socket, and keeps it.
    warm_up = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    warm_up.close()
    await warm_up.wait_closed()
    before = most = descriptors()
    test = LoadTest(make_config(config, log=log))
    running = asyncio.create_task(test.run())
    while not running.done():
        await asyncio.wait([running], timeout=0.5)
        most = max(most, descriptors())
        if sum(group.count for group in test.stats.fold.requests.values()) >= enough:
            test.stop()
    await running
    await asyncio.sleep(0.5)
    gc.collect()
    left = len(asyncio.all_tasks()) - 1
    print(json.dumps({"before": before, "after": descriptors(), "most": most, "tasks": left}))


if __name__ == "__main__":
    uvloop.run(main())
