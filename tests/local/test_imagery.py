"""The sample images are real, small, repeatable and different."""

import warnings

import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.io import MemoryFile

from asyncload.local.imagery import corrupt_image, make_images

pytestmark = pytest.mark.quick


def opened(name, content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with MemoryFile(content, filename=name) as memory, memory.open() as image:
            return image.driver, image.height, image.width, image.count, image.read()


def test_eight_images_are_a_mix_of_formats_sizes_and_bands():
    images = [opened(name, content) for name, content in make_images(None, seed=3)]
    assert len(images) == 8
    assert {driver for driver, *_ in images} == {"GTiff", "NITF", "PNG", "JPEG"}
    assert {bands for _, _, _, bands, _ in images} == {1, 3}
    sizes = {(height, width) for _, height, width, _, _ in images}
    assert len(sizes) >= 6
    assert (96, 128) in sizes
    assert (384, 512) in sizes
    for *_, pixels in images:
        assert pixels.std() > 5  # something is to be seen


def test_the_suffix_of_an_image_says_its_format():
    drivers = {"tif": "GTiff", "ntf": "NITF", "png": "PNG", "jpg": "JPEG"}
    for name, content in make_images(None, seed=0):
        assert opened(name, content)[0] == drivers[name.rpartition(".")[2]]


def test_the_same_seed_gives_the_same_bytes():
    assert make_images(None, seed=5, count=10) == make_images(None, seed=5, count=10)


def test_another_seed_gives_other_content_under_the_same_names():
    first, second = make_images(None, seed=1), make_images(None, seed=2)
    assert [name for name, _ in first] == [name for name, _ in second]
    assert all(one != other for (_, one), (_, other) in zip(first, second, strict=True))


def test_names_stay_unique_when_there_are_many():
    names = [name for name, _ in make_images(None, seed=0, count=20)]
    assert len(set(names)) == 20


def test_images_are_written_into_a_directory(tmp_path):
    images = make_images(tmp_path, seed=0, count=3)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == dict(images)
    with rasterio.open(tmp_path / images[0][0]) as image:
        assert image.crs.to_epsg() == 4326


def test_a_corrupt_image_cannot_be_opened():
    with pytest.raises(RasterioIOError), MemoryFile(corrupt_image()) as memory:
        memory.open()
