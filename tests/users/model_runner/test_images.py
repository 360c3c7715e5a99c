"""Images are found once, before the clock starts, in a real S3, from their headers alone."""

import io
import random
import socket
import warnings

import anyio
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.errors import NotGeoreferencedWarning

from asyncload.errors import ConfigError, TargetError
from asyncload.local.imagery import make_images
from asyncload.local.settings import LocalSettings
from asyncload.local.stack.stack import LocalStack
from asyncload.transport.aws.session import Aws
from asyncload.users.model_runner.images import (
    BLOCK,
    LARGEST_READ,
    SUFFIXES,
    TIFF_AND_NITF,
    Image,
    _RemoteFile,
    check_bucket,
    find_images,
    look_at_images,
    parse_s3_url,
)
from tests.users.desk import Desk

REGION = "eu-central-1"


# -- places -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://bucket", ("bucket", "")),
        ("s3://bucket/", ("bucket", "")),
        ("s3://bucket/a/b", ("bucket", "a/b")),
        ("s3://bucket//a", ("bucket", "a")),
        ("s3://bucket/a b#c?d", ("bucket", "a b#c?d")),
        ("s3://my.bucket-1/x", ("my.bucket-1", "x")),
        ("s3://arn:aws:s3:us-west-2:123456789012:accesspoint/x",
         ("arn:aws:s3:us-west-2:123456789012:accesspoint", "x")),
    ],
)  # fmt: skip
def test_a_place_in_s3_is_a_bucket_and_a_folder(url, place):
    assert parse_s3_url(url, key="x") == place


@pytest.mark.parametrize(
    "url",
    ["", "bucket", "s3:/bucket", "s3://", "s3:///a", "http://bucket", "/tmp", "s3://[x", "S3"],
)
def test_what_is_no_place_in_s3_is_refused(url):
    with pytest.raises(ConfigError) as caught:
        parse_s3_url(url, key="scenarios.0.user.images")
    assert str(caught.value) == (
        f"scenarios.0.user.images: {url!r} is not a place in S3; "
        "write s3://bucket or s3://bucket/folder"
    )


# -- reading headers over the network -----------------------------------------------

steps = st.lists(
    st.tuples(st.sampled_from([0, 1, 2]), st.integers(-200_000, 300_000), st.integers(0, 200_000)),
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 3 * BLOCK + 5), steps)
def test_a_remote_file_reads_like_a_local_one(size, steps):
    content = random.Random(size).randbytes(size)
    local = io.BytesIO(content)
    fetched = []

    def fetch(first, last):
        fetched.append((first, last))
        return content[first : last + 1]

    remote = _RemoteFile(size, fetch)
    for whence, offset, amount in steps:
        base = {0: 0, 1: local.tell(), 2: size}[whence]
        position = max(0, base + offset)
        assert remote.seek(offset, whence) == local.seek(position)
        assert remote.read(amount) == local.read(amount)
        assert remote.tell() == local.tell()
    assert len(set(fetched)) == len(fetched), "no block is fetched twice"
    assert all(0 <= first <= last < size for first, last in fetched)


def test_a_read_of_the_whole_image_gets_nothing():
    remote = _RemoteFile(10 * LARGEST_READ, lambda _first, _last: pytest.fail("fetched"))
    assert remote.read(LARGEST_READ + 1) == b""


# -- finding them -------------------------------------------------------------------


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def stack(anyio_backend):
    async with LocalStack(LocalSettings(images=8), region=REGION) as stack:
        yield stack


@pytest.fixture
async def aws(stack):
    keys = (stack.access_key, stack.secret_key)
    async with Aws(endpoint_url=stack.endpoint_url, region=REGION, credentials=keys) as aws:
        yield aws


async def find(desk, url):
    return await find_images(desk, url, key="scenarios.0.user.images")


@pytest.fixture
def desk(aws):
    return Desk(aws)


async def put(aws, bucket, **files):
    s3 = await aws.client("s3", retries=True)
    await s3.create_bucket(Bucket=bucket)
    limit = anyio.CapacityLimiter(16)

    async def upload(name, content):
        async with limit:
            await s3.put_object(Bucket=bucket, Key=name, Body=content)

    async with anyio.create_task_group() as group:
        for name, content in files.items():
            group.start_soon(upload, name, content)


@pytest.mark.anyio
async def test_sample_images_have_the_size_and_pixels_that_their_files_have(stack, desk):
    truth = {}
    for name, content in make_images(None, 0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.MemoryFile(content) as memory, memory.open() as dataset:
                truth[name] = (len(content), dataset.width * dataset.height)
    bucket = stack.resources.image_bucket
    found = await find(desk, f"s3://{bucket}")
    assert {one.file_name: (one.size, one.pixels) for one in found} == truth
    assert [one.url for one in found] == sorted(f"s3://{bucket}/{name}" for name in truth)
    assert desk.notes == []
    assert desk.told[0] == f"listing s3://{bucket}"
    assert desk.told[-1] == "read the headers of 8 of 8 images"


@pytest.fixture(scope="module")
def sample():
    """One small image of each kind."""
    return {name.rpartition(".")[2]: content for name, content in make_images(None, 0)}


@pytest.mark.anyio
async def test_only_images_in_the_folder_itself_are_found_whatever_the_case_of_their_names(
    aws, desk, sample
):
    tif = sample["tif"]
    await put(aws, "folders", **{
        "a/1.tif": tif, "a/2.TIFF": tif, "a/deep/er/3.TiF": tif, "a/readme.txt": b"x",
        "a/4.tif.aux.xml": b"x", "ab/5.tif": tif, "a.tif": tif, "b/6.tif": tif,
    })  # fmt: skip
    for url in ("s3://folders/a", "s3://folders/a/"):
        found = await find(desk, url)
        assert [one.url for one in found] == [
            "s3://folders/a/1.tif", "s3://folders/a/2.TIFF", "s3://folders/a/deep/er/3.TiF",
        ]  # fmt: skip
    assert len(await find(desk, "s3://folders")) == 6
    assert [one.url for one in await find(desk, "s3://folders/a.tif")] == ["s3://folders/a.tif"]


@pytest.mark.anyio
async def test_names_with_odd_characters_are_found(aws, desk, sample):
    names = ["a b.png", "ü#?&+%20.png", "x=1.png"]
    await put(aws, "odd", **dict.fromkeys(names, sample["png"]))
    found = await find(desk, "s3://odd")
    assert sorted(one.file_name for one in found) == sorted(names)
    assert len({one.pixels for one in found}) == 1


@pytest.mark.anyio
async def test_a_corrupt_image_is_skipped_and_named_and_the_others_are_used(aws, desk, sample):
    await put(aws, "mixed", **{
        "good.tif": sample["tif"], "text.tif": b"this is no image", "empty.png": b"",
        "cut.ntf": sample["ntf"][:50], "good.jpg": sample["jpg"],
    })  # fmt: skip
    found = await find(desk, "s3://mixed")
    assert [one.file_name for one in found] == ["good.jpg", "good.tif"]
    assert sorted(level for level, _ in desk.notes) == ["warning"] * 3
    for name in ("text.tif", "empty.png", "cut.ntf"):
        assert any(
            text.startswith(f"skipped s3://mixed/{name}: its header cannot be read (")
            for _, text in desk.notes
        )


@pytest.mark.anyio
async def test_without_a_good_image_there_is_nothing_to_send(aws, desk):
    await put(aws, "broken", **{"1.tif": b"x", "2.png": b"y"})
    with pytest.raises(TargetError) as caught:
        await find(desk, "s3://broken")
    assert str(caught.value) == (
        "scenarios.0.user.images: none of the 2 images under s3://broken can be read; "
        "mend them, or point scenarios.0.user.images elsewhere"
    )


@pytest.mark.anyio
async def test_a_place_without_images_and_a_missing_bucket_are_named(stack, aws, desk):
    await put(aws, "bare", **{"readme.txt": b"x"})
    with pytest.raises(TargetError) as caught:
        await find(desk, "s3://bare")
    assert str(caught.value) == (
        "scenarios.0.user.images: there is no image under s3://bare; put files ending in "
        f"{' '.join(SUFFIXES)} there, or point scenarios.0.user.images elsewhere"
    )
    missing = (
        f"scenarios.0.user.images: there is no bucket 'nowhere' at {stack.endpoint_url}; "
        "create it or set scenarios.0.user.images to one that exists"
    )
    with pytest.raises(TargetError) as caught:
        await find(desk, "s3://nowhere/x")
    assert str(caught.value) == missing
    with pytest.raises(TargetError) as caught:
        await check_bucket(aws, "s3://nowhere", key="scenarios.0.user.images")
    assert str(caught.value) == missing
    assert await check_bucket(aws, "s3://bare/out", key="x") == ("bare", "out")


@pytest.mark.anyio
async def test_images_on_the_second_page_of_the_listing_are_found(aws, desk, sample):
    others = {f"{number:04}.txt": b"" for number in range(1_000)}
    await put(aws, "many", **others, **{"1000.png": sample["png"], "1001.png": sample["png"]})
    found = await find(desk, "s3://many")
    assert [one.file_name for one in found] == ["1000.png", "1001.png"]


@pytest.mark.anyio
async def test_other_kinds_of_images_are_passed_over_where_they_are_not_wanted(aws, desk, sample):
    await put(aws, "kinds", **{f"a.{kind}": content for kind, content in sample.items()})
    found = await find_images(desk, "s3://kinds", key="x", suffixes=TIFF_AND_NITF)
    assert [one.file_name for one in found] == ["a.ntf", "a.tif"]


@pytest.mark.anyio
async def test_single_images_are_looked_at_and_those_that_cannot_be_read_are_noted_together(
    stack, aws, desk, sample
):
    await put(aws, "single", **{"good.tif": sample["tif"], "bad.tif": b"x"})
    good, bad, gone = (f"s3://single/{name}.tif" for name in ("good", "bad", "gone"))
    known = await look_at_images(desk, [good, bad, gone, "http://images/a.tif", "s3://single/"])
    assert known.keys() == {good}
    assert (known[good].size, known[good].file_name) == (len(sample["tif"]), "good.tif")
    [(level, text)] = desk.notes
    assert level == "warning"
    assert text.startswith("size and pixels of 4 of 5 images are not known, such as those of ")
    assert await look_at_images(desk, [good]) == known
    assert len(desk.notes) == 1


def test_where_nobody_can_be_asked_the_first_image_tells_of_all():
    async def look():
        with socket.socket() as closed:  # bound, so that nobody else takes it, but not listening
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
            async with Aws(endpoint_url=url, region=REGION, credentials=("a", "b")) as aws:
                desk = Desk(aws)
                urls = [f"s3://images/{number}.tif" for number in range(500)]
                assert await look_at_images(desk, urls) == {}
        return desk.notes

    [(_, text)] = anyio.run(look)
    assert text.startswith("size and pixels of 500 of 500 images are not known, such as those of ")
    assert "Could not connect to the endpoint URL" in text


def test_the_name_of_an_image_is_the_last_part_of_its_url():
    assert Image("s3://b/a/c.tif", 1, 2).file_name == "c.tif"
