"""Small real images: GeoTIFF, NITF, PNG and JPEG made with rasterio, in memory.

They look a little like overhead imagery (gentle terrain, fields, roofs,
noise), differ by seed, and are the same bytes every time for one seed.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

Pixels = NDArray[np.uint8]

_KINDS: Final = (
    # suffix, height, width, bands; the first eight are a mixed handful
    ("tif", 384, 512, 3),
    ("ntf", 256, 256, 1),
    ("tif", 96, 128, 1),
    ("png", 200, 320, 3),
    ("ntf", 192, 384, 3),
    ("jpg", 256, 256, 3),
    ("tif", 300, 240, 1),
    ("jpg", 120, 160, 1),
)
_PLACES: Final = (
    "harbour",
    "airfield",
    "meadow",
    "river",
    "orchard",
    "quarry",
    "village",
    "coast",
)
_DRIVERS: Final = {"tif": "GTiff", "ntf": "NITF", "png": "PNG", "jpg": "JPEG"}


def make_images(directory: Path | None, seed: int, count: int = 8) -> list[tuple[str, bytes]]:
    """Make ``count`` images; returns (file name, content) pairs, names unique.

    Sizes run from 96×128 to 384×512 pixels with one or three 8-bit bands. With
    a ``directory`` (which must exist) each is also written there.
    """
    images = []
    for number in range(count):
        suffix, height, width, bands = _KINDS[number % len(_KINDS)]
        rng = np.random.default_rng([seed, number])
        name = f"{_PLACES[number % len(_PLACES)]}-{number + 1:02d}.{suffix}"
        images.append((name, _encode(suffix, _landscape(rng, height, width, bands), rng)))
    if directory is not None:
        for name, content in images:
            (directory / name).write_bytes(content)
    return images


def make_jpeg(width: int, height: int, seed: int) -> bytes:
    """Make one JPEG of three 8-bit bands; ``width`` and ``height`` are 32 pixels or more."""
    rng = np.random.default_rng([seed, width, height])
    return _encode("jpg", _landscape(rng, height, width, 3), rng)


def corrupt_image() -> bytes:
    """Make a file that starts like a TIFF and is none: opening it fails."""
    return b"II*\x00\x08\x00\x00\x00" + b"\xff\x00not an image\x00" * 32


def _landscape(rng: np.random.Generator, height: int, width: int, bands: int) -> Pixels:
    """Terrain, fields, roofs and noise; shape (bands, height, width)."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    terrain = np.zeros((height, width))
    for octave in range(1, 5):
        fx, fy, phase = rng.uniform(-3, 3) * octave, rng.uniform(-3, 3) * octave, rng.uniform(0, 7)
        terrain += np.sin(2 * np.pi * (fx * x + fy * y) + phase) / octave
    terrain = (terrain - terrain.min()) / np.ptp(terrain)
    low, high = rng.uniform(20, 90, bands), rng.uniform(140, 220, bands)
    pixels = low[:, None, None] + (high - low)[:, None, None] * terrain
    for _ in range(int(rng.integers(4, 12))):
        top, left = rng.integers(0, height - 8), rng.integers(0, width - 8)
        deep, wide = rng.integers(4, height // 4), rng.integers(4, width // 4)
        colour = rng.uniform(60, 250, bands)
        opacity = rng.choice([0.25, 0.9])  # a field, or a roof
        patch = pixels[:, top : top + deep, left : left + wide]
        patch += opacity * (colour[:, None, None] - patch)
    pixels += rng.normal(0, 4, pixels.shape)
    image: Pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    return image


def _encode(suffix: str, pixels: Pixels, rng: np.random.Generator) -> bytes:
    bands, height, width = pixels.shape
    options: dict[str, Any] = {
        "driver": _DRIVERS[suffix],
        "height": height,
        "width": width,
        "count": bands,
        "dtype": "uint8",
    }
    if suffix in ("tif", "ntf"):
        # A degree is about 111 km, so 1e-5 degrees make a pixel of about a metre.
        west, north = rng.uniform(-120, 120), rng.uniform(-60, 60)
        options["crs"] = CRS.from_epsg(4326)
        options["transform"] = Affine(1e-5, 0.0, west, 0.0, -1e-5, north)
    if suffix == "ntf":
        options["ICORDS"] = "D"  # corner coordinates in decimal degrees
    with warnings.catch_warnings():
        # PNG and JPEG carry no georeferencing, and need none.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with MemoryFile(ext=f".{suffix}") as memory:
            with memory.open(**options) as image:
                image.write(pixels)
            content: bytes = memory.read()
    return content
