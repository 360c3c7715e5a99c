"""A test that eats the machine fails by its name, and the others go on."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.memory_limit import LIMIT

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit memory")


def test_this_process_and_what_it_starts_are_limited():
    assert 0 < resource.getrlimit(resource.RLIMIT_AS)[0] <= LIMIT
    said = subprocess.run(
        [sys.executable, "-c", "import resource; print(resource.getrlimit(resource.RLIMIT_AS)[0])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 0 < int(said.stdout) <= LIMIT


def test_a_test_that_eats_memory_without_end_fails_by_its_name(tmp_path):
    (tmp_path / "test_hungry.py").write_text(
        "def test_eats():\n"
        "    eaten = []\n"
        "    while True: eaten.append(bytearray(16 << 20))\n"
        "def test_goes_on(): pass\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.memory_limit", "-p", "no:randomly",
         "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        env=os.environ
        | {"TESTS_MEMORY_LIMIT": str(1 << 30), "PYTHONPATH": str(Path(__file__).parent.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    assert "FAILED test_hungry.py::test_eats - MemoryError" in ended.stdout
    assert "1 failed, 1 passed" in ended.stdout
