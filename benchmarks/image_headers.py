"""CPU of finding images: list a bucket and read every header, as a run does before it starts.

    python benchmarks/image_headers.py [--images 2500] [--rounds 3] [-o FILE.json]

The embedded stack runs in processes of its own, whose CPU is not counted; that of the worker
processes that read headers is. boto3 counts because rasterio makes a session of it where it can:
run once in an environment with boto3 and once without, each with and without keys in the
environment, which this program sees to itself.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio

from asyncload.local.imagery import make_images
from asyncload.local.settings import LocalSettings
from asyncload.local.stack.stack import LocalStack
from asyncload.transport.aws.session import Aws
from asyncload.users.model_runner.images import find_images

REGION = "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class Desk:
    """What `find_images` needs of a set-up."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.notes: list[str] = []

    def note(self, _level: str, text: str) -> None:
        self.notes.append(text)

    def progress(self, _text: str) -> None:
        pass


def cpu() -> float:
    """Seconds of this process and of the children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


async def measure(url: str, keys: tuple[str, str], images: int) -> dict[str, float]:
    """Find the images of the bucket once."""
    async with Aws(endpoint_url=url, region=REGION, credentials=keys) as aws:
        await aws.client("s3", retries=True)
        desk, before, start = Desk(aws), cpu(), time.perf_counter()
        found = await find_images(desk, "s3://many", key="images")  # type: ignore[arg-type]
        seconds, used = time.perf_counter() - start, cpu() - before
    assert len(found) == images, desk.notes[:3]
    return {"cpu_ms_an_image": used / images * 1000, "images_a_second": images / seconds}


async def serve_and_measure(images: int, rounds: int) -> dict[str, Any]:
    """Fill a bucket; then each round in a process of its own, keys and no keys in turn."""
    async with LocalStack(LocalSettings(images=1), region=REGION) as stack:
        keys = (stack.access_key, stack.secret_key)
        async with Aws(endpoint_url=stack.endpoint_url, region=REGION, credentials=keys) as aws:
            s3 = await aws.client("s3", retries=True)
            await s3.create_bucket(Bucket="many")
            samples = make_images(None, 1)
            for number in range(images):
                name, content = samples[number % len(samples)]
                await s3.put_object(Bucket="many", Key=f"{number:05}-{name}", Body=content)
        results: dict[str, list[dict[str, float]]] = {"without keys": [], "with keys": []}
        for _ in range(rounds):
            for case, extra in (("without keys", {}), ("with keys", KEYS)):
                clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
                child = await anyio.run_process(
                    [sys.executable, __file__, "--images", str(images), "--measure",
                     stack.endpoint_url, *keys],
                    env=clean | extra | {"AWS_EC2_METADATA_DISABLED": "true"},
                    stderr=subprocess.STDOUT,
                    check=False,
                )  # fmt: skip
                assert child.returncode == 0, child.stdout.decode()
                results[case].append(json.loads(child.stdout.splitlines()[-1]))
    return {
        case: {
            "median_cpu_ms_an_image": statistics.median(r["cpu_ms_an_image"] for r in measured),
            "rounds": measured,
        }
        for case, measured in results.items()
    }


def main() -> None:
    """Measure and write or print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=3, metavar=("URL", "KEY", "SECRET"))
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    if arguments.measure:
        url, key, secret = arguments.measure
        on = {"use_uvloop": True}  # as the command line does
        print(
            json.dumps(anyio.run(measure, url, (key, secret), arguments.images, backend_options=on))
        )
        return
    result = {
        "command": " ".join(["python", "benchmarks/image_headers.py", *sys.argv[1:]]),
        "python": platform.python_version(),
        "rasterio": importlib.metadata.version("rasterio"),
        "boto3": importlib.util.find_spec("boto3") is not None,
        "images": arguments.images,
    } | anyio.run(serve_and_measure, arguments.images, arguments.rounds)
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.output:
        with contextlib.suppress(FileNotFoundError):
            previous = json.loads(arguments.output.read_text())
            text = json.dumps([*previous, result], indent=1)
            arguments.output.write_text(text + "\n")
            return
        arguments.output.write_text(json.dumps([result], indent=1) + "\n")


if __name__ == "__main__":
    main()
