"""Image headers are read with GDAL, and nothing that GDAL does with one can hurt the run."""

import asyncio
import io
import itertools
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import psutil
import pytest
import rasterio
import rasterio.shutil
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from asyncload.local.imagery import make_images
from asyncload.users.model_runner import header_worker, headers
from asyncload.users.model_runner.header_worker import Missing, PartialImage
from asyncload.users.model_runner.headers import (
    FIRST_PIECE,
    HeaderReader,
    ReaderUnavailableError,
    UnreadableImageError,
)

pytestmark = [pytest.mark.every_python, pytest.mark.anyio, pytest.mark.slow]


def encoded(driver, width=300, height=200, count=1, dtype="uint8", **options):
    """An image as bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with MemoryFile() as memory:
            with memory.open(driver=driver, width=width, height=height, count=count,
                             dtype=dtype, **options) as image:  # fmt: skip
                image.write(np.zeros((count, height, width), dtype))
            return memory.read()


def png_with_megabytes_before_its_pixels():
    png = encoded("PNG")
    kind, content = b"zTXt", b"c\0\0" + random.Random(1).randbytes(3_000_000)
    chunk = struct.pack(">I", len(content)) + kind + content
    return png[:33] + chunk + struct.pack(">I", zlib.crc32(kind + content)) + png[33:]


def tiff_with_its_directory_at_the_end():
    """As programs write that learn the size of an image last."""
    pixels = bytes(300 * 200)
    entries = [(256, 3, 300), (257, 3, 200), (258, 3, 8), (259, 3, 1), (262, 3, 1),
               (273, 4, 8 + 500_000), (277, 3, 1), (278, 3, 200), (279, 4, len(pixels))]  # fmt: skip
    directory = struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        directory += struct.pack("<HHII", tag, kind, 1, value)
    body = bytes(500_000) + pixels
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory + bytes(4)


def nitf_with_two_segments():
    """The second image is appended, and counted in the file's header."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with MemoryFile(ext=".ntf") as memory:
            with memory.open(driver="NITF", width=300, height=200, count=1, dtype="uint8",
                             NUMI=2, WRITE_ONLY_FIRST_IMAGE="NO"):  # fmt: skip
                pass
            return memory.read()


def compressed_nitf(compression):
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        source, target = Path(folder) / "plain.tif", Path(folder) / "compressed.ntf"
        source.write_bytes(encoded("GTiff"))
        rasterio.shutil.copy(source, target, driver="NITF", IC=compression)
        return target.read_bytes()


def many_pages():
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        path = Path(folder) / "pages.tif"
        for options in ({}, {"APPEND_SUBDATASET": "YES"}, {"APPEND_SUBDATASET": "YES"}):
            with rasterio.open(path, "w", driver="GTiff", width=300, height=200, count=1,
                               dtype="uint8", **options) as image:  # fmt: skip
                image.write(np.zeros((1, 200, 300), "uint8"))
        return path.read_bytes()


KINDS = {
    "TIFF": lambda: encoded("GTiff"),
    "TIFF of three bands of 16 bits": lambda: encoded("GTiff", count=3, dtype="uint16"),
    "BigTIFF": lambda: encoded("GTiff", BIGTIFF="YES"),
    "big-endian TIFF": lambda: encoded("GTiff", ENDIANNESS="BIG"),
    "tiled, compressed TIFF": lambda: encoded("GTiff", tiled=True, compress="LZW"),
    "TIFF of many pages": many_pages,
    "TIFF with its directory at the end": tiff_with_its_directory_at_the_end,
    "NITF": lambda: encoded("NITF"),
    "NITF with JPEG 2000": lambda: compressed_nitf("C8"),
    "NITF with JPEG": lambda: compressed_nitf("C3"),
    "NITF of two segments": nitf_with_two_segments,
    "PNG": lambda: encoded("PNG"),
    "PNG with megabytes before its pixels": png_with_megabytes_before_its_pixels,
    "JPEG": lambda: encoded("JPEG", count=3),
}


class Remote:
    """An image that is fetched in pieces; ``fetched`` says which."""

    def __init__(self, content):
        self.content = content
        self.fetched = []

    async def fetch(self, first, last):
        assert 0 <= first <= last < len(self.content)
        self.fetched.append((first, last))
        return self.content[first : last + 1]

    async def read_by(self, reader):
        return await reader.read(len(self.content), self.fetch)


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def reader(anyio_backend):
    async with HeaderReader(1) as reader:
        yield reader


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_image_has_its_size_after_a_few_reads(reader, kind):
    remote = Remote(KINDS[kind]())
    assert await remote.read_by(reader) == (300, 200)
    assert len(remote.fetched) <= 4
    assert remote.fetched[0][0] == 0


async def test_the_sample_images_are_read_from_their_first_piece(reader):
    for name, content in make_images(None, 0):
        remote = Remote(content)
        with MemoryFile(content) as memory, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with memory.open() as image:
                assert await remote.read_by(reader) == (image.width, image.height), name
        assert remote.fetched == [(0, min(FIRST_PIECE, len(content)) - 1)]


VRT = (
    b"<VRTDataset rasterXSize='1' rasterYSize='1'><VRTRasterBand dataType='Byte' band='1'>"
    b"<SimpleSource><SourceFilename>/etc/passwd</SourceFilename></SimpleSource>"
    b"</VRTRasterBand></VRTDataset>"
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"x", "it is not a TIFF, NITF, PNG or JPEG image"),
        (b"this is no image at all", "it is not a TIFF, NITF, PNG or JPEG image"),
        (VRT, "it is not a TIFF, NITF, PNG or JPEG image"),
        (bytes(200_000), "it is not a TIFF, NITF, PNG or JPEG image"),
        (b"II*\0", None),
        (b"II*\0" + b"\xff" * 400, None),
        (b"NITF02.10" + b"9" * 5_000, None),
        (encoded("NITF")[:200], None),
        (encoded("PNG")[:20], None),
        (encoded("JPEG", count=3)[:10], None),
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**31 - 1) + b"IHDR", None),
    ],
)
async def test_a_broken_image_is_refused_with_a_reason_and_the_reader_goes_on(
    reader, content, reason
):
    with pytest.raises(UnreadableImageError) as caught:
        await Remote(content).read_by(reader)
    said = str(caught.value)
    assert said == reason if reason else 0 < len(said) <= 300
    assert "vsi" not in said
    assert await Remote(encoded("PNG")).read_by(reader) == (300, 200)


async def test_mutated_headers_give_a_size_or_a_reason(reader):
    rng = random.Random(11)
    samples = [KINDS[kind]() for kind in ("TIFF", "NITF", "PNG", "JPEG", "NITF with JPEG 2000")]
    readable, reasons = 0, set()
    for _ in range(400):
        content = bytearray(rng.choice(samples))
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(min(len(content), 1200))] = rng.randrange(256)
        try:
            width, height = await Remote(bytes(content)).read_by(reader)
        except UnreadableImageError as problem:
            reasons.add(str(problem))
        else:
            assert width > 0
            assert height > 0
            readable += 1
    assert 0 < readable < 400
    assert "" not in reasons


async def test_what_the_service_answers_too_short_is_not_asked_for_ever(reader):
    remote = Remote(png_with_megabytes_before_its_pixels())

    async def fetch(first, last):
        return (await remote.fetch(first, last))[:1000]

    with pytest.raises(UnreadableImageError, match=r"its size is not in the [\d,]+ bytes"):
        await reader.read(len(remote.content), fetch)
    assert len(remote.fetched) == headers.MOST_PIECES


async def test_what_fetching_raises_comes_out_as_it_is_and_the_reader_goes_on(reader):
    remote = Remote(tiff_with_its_directory_at_the_end())

    async def fetch(first, last):
        if first:
            raise ConnectionResetError("gone")
        return await remote.fetch(first, last)

    with pytest.raises(ConnectionResetError, match="gone"):
        await reader.read(len(remote.content), fetch)
    assert await remote.read_by(reader) == (300, 200)


# -- the file that GDAL reads ---------------------------------------------------------

steps = st.lists(
    st.tuples(st.sampled_from([0, 1, 2]), st.integers(-200_000, 300_000), st.integers(0, 200_000)),
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 300_000), st.lists(st.integers(0, 300_000), max_size=4), steps)
def test_a_file_in_pieces_reads_like_a_whole_one_up_to_what_is_missing(size, cuts, moves):
    content = random.Random(size).randbytes(size)
    bounds = [0, *sorted(cut % (size + 1) for cut in cuts), size]
    pieces = [(a, content[a:b]) for a, b in itertools.pairwise(bounds) if b > a]
    missing = range(*bounds[-2:]) if len(pieces) > 1 else range(0)
    image = PartialImage(size, pieces[:-1] if missing else pieces)
    local, partial = io.BytesIO(content), image.open()
    for whence, offset, amount in moves:
        position = max(0, {0: 0, 1: local.tell(), 2: size}[whence] + offset)
        assert partial.seek(offset, whence) == local.seek(position)
        expected = local.read(amount)
        got = partial.read(amount)
        touched = range(max(position, missing.start), min(position + len(expected), missing.stop))
        if missing and touched:
            assert got == b""
            assert image.missing == Missing(touched.start, position + len(expected) - touched.start)
            assert partial.read(1) == b"", "the file has ended"
            return
        assert got == expected
        assert partial.tell() == local.tell()
    assert image.missing is None


# -- readers that go wrong ------------------------------------------------------------

PLANTED = """
import os, sys, time
from asyncload.users.model_runner.header_worker import main, read_with_gdal

def read(image):
    if image.read(0, 4) == b"EVIL":
        {fault}
    return read_with_gdal(image)

{before}
main(read)
"""


@pytest.fixture
def plant(monkeypatch, tmp_path):
    """Have readers meet with a fault at an image that begins with EVIL."""

    def plant(fault, before=""):
        program = tmp_path / "planted.py"
        program.write_text(PLANTED.format(fault=fault, before=before))
        monkeypatch.setattr(headers, "_WORKER", ("-P", str(program)))

    return plant


async def assert_only_the_image_is_lost(reason):
    evil, good = Remote(b"EVIL" + bytes(100)), Remote(encoded("PNG"))
    async with HeaderReader(1) as reader:
        assert await good.read_by(reader) == (300, 200)
        for _ in range(2):
            with pytest.raises(UnreadableImageError) as caught:
                await evil.read_by(reader)
            assert str(caught.value) == reason
        assert await good.read_by(reader) == (300, 200)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("os.abort()", "the process that read it ended with signal SIGABRT"),
        ("os.kill(os.getpid(), 11)", "the process that read it ended with signal SIGSEGV"),
        ("os.write(2, b'terminate called\\nwhat():  basic_string\\n'); os.abort()",
         "the process that read it ended with signal SIGABRT: what(): basic_string"),
        ('os.write(2, b"what():  std::bad_alloc\\n"); os.abort()',
         "reading it takes more than 512 MiB of memory"),
        ("os._exit(3)", "the process that read it ended with exit code 3"),
        ("os.write(1, b'printed by a library'); raise ValueError('half a header')",
         "half a header"),
    ],
)  # fmt: skip
async def test_a_reader_that_ends_costs_one_image(plant, fault, reason):
    plant(fault)
    await assert_only_the_image_is_lost(reason)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit memory")
@pytest.mark.parametrize(
    "fault", ["x = bytearray(4 << 30)", "x = []\n        while True: x.append(bytes(1 << 20))"]
)
async def test_a_reader_that_eats_memory_costs_one_image(plant, fault):
    plant(fault)
    await assert_only_the_image_is_lost("reading it takes more than 512 MiB of memory")


@pytest.mark.parametrize("fault", ["time.sleep(600)", "while True: pass"])
async def test_a_reader_that_hangs_costs_one_image(plant, monkeypatch, fault):
    monkeypatch.setattr(headers, "TIME_LIMIT", 2)
    monkeypatch.setattr(header_worker, "TIME_LIMIT", 2)
    plant(fault)
    await assert_only_the_image_is_lost("reading it took longer than 2 s")


async def test_a_reader_that_cannot_start_says_why(plant):
    for before, reason in (
        ("sys.exit('libgdal.so.36: cannot open shared object file')",
         "the process that read it ended with exit code 1: libgdal.so.36: cannot open"),
        ("sys.modules['rasterio'] = None; main()", "ModuleNotFoundError: "),
    ):  # fmt: skip
        plant("pass", before)
        async with HeaderReader(1) as reader:
            with pytest.raises(ReaderUnavailableError) as caught:
                await Remote(encoded("PNG")).read_by(reader)
        assert str(caught.value).startswith(reason)


async def test_no_reader_outlives_the_context_or_somebody_who_stops_waiting(plant, monkeypatch):
    plant("time.sleep(600)")
    before = {child.pid for child in psutil.Process().children()}
    async with HeaderReader(2) as reader:
        waiting = asyncio.ensure_future(Remote(b"EVIL").read_by(reader))
        await Remote(encoded("PNG")).read_by(reader)
        assert len({child.pid for child in psutil.Process().children()} - before) == 2
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert len({child.pid for child in psutil.Process().children()} - before) == 1
    assert {child.pid for child in psutil.Process().children()} <= before


def test_a_reader_ends_with_its_parent_even_in_the_middle_of_an_image(tmp_path):
    """SIGKILL for the parent: nobody is there to end the worker."""
    program = tmp_path / "planted.py"
    program.write_text(
        "import time\nfrom asyncload.users.model_runner import header_worker as worker\n"
        "worker.TIME_LIMIT = 1\nworker.main(lambda file: time.sleep(600))\n"
    )
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import asyncio\nfrom asyncload.users.model_runner import headers\n"
        f"headers._WORKER = ('-P', {str(program)!r})\n"
        "async def fetch(first, last): return b'x' * 100\n"
        "async def main():\n"
        "    async with headers.HeaderReader(1) as reader:\n"
        "        reading = asyncio.ensure_future(reader.read(100, fetch))\n"
        "        while not reader._all: await asyncio.sleep(0.05)\n"
        "        await asyncio.sleep(0.5)\n"
        "        print([worker._process.pid for worker in reader._all][0], flush=True)\n"
        "        await reading\n"
        "asyncio.run(main())\n"
    )
    path = {"PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)}
    with subprocess.Popen(
        [sys.executable, str(parent)], stdout=subprocess.PIPE, env=os.environ | path
    ) as running:
        assert running.stdout is not None
        worker = psutil.Process(int(running.stdout.readline()))
        running.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker lives on"
        time.sleep(0.05)


async def test_readers_get_no_keys_and_no_memory_of_threads(plant, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("GDAL_SKIP", "PNG")
    plant("raise ValueError(sorted(n for n in os.environ if n.startswith(('AWS', 'GDAL_SKIP'))))")
    async with HeaderReader(1) as reader:
        with pytest.raises(UnreadableImageError, match=r"^\[\]$"):
            await Remote(b"EVIL").read_by(reader)


SHORT_OF_DESCRIPTORS = """
import os, resource, uvloop
from asyncload.users.model_runner.headers import _Worker

async def main():
    open_ones = len(os.listdir("/dev/fd"))
    for more in range(9):
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_ones + more, 4096))
        try:
            await _Worker.start()
        except OSError as problem:
            print(problem.strerror)

uvloop.run(main())
"""


def test_a_worker_for_which_there_are_no_descriptors_is_refused_without_a_complaint():
    ended = subprocess.run(
        [sys.executable, "-c", SHORT_OF_DESCRIPTORS], capture_output=True, text=True, timeout=20
    )
    assert ended.stderr == ""
    assert set(ended.stdout.splitlines()) == {"Too many open files"}
