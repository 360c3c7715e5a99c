"""Images are found once, before the clock starts, in a real S3, from their headers alone."""

import socket
import warnings

import anyio
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from asyncload.errors import ConfigError, TargetError, own_error
from asyncload.local.imagery import make_images
from asyncload.local.settings import LocalSettings
from asyncload.local.stack.stack import LocalStack
from asyncload.transport.aws.session import Aws
from asyncload.users.model_runner import headers, images
from asyncload.users.model_runner.images import (
    SUFFIXES,
    TIFF_AND_NITF,
    Image,
    check_bucket,
    find_images,
    look_at_images,
    parse_s3_url,
)
from tests.transport.servers import answering, serve
from tests.users.desk import Desk
from tests.users.model_runner.test_headers import tiff_with_its_directory_at_the_end
from tests.users.model_runner.troubled_s3 import TroubledS3

pytestmark = pytest.mark.slow

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
    assert {level for level, _ in desk.notes} == {"warning"}
    texts = sorted(text for _, text in desk.notes)
    assert [text for text in texts if "cut.ntf" not in text] == [
        "skipped 1 of 5 images: its header cannot be read, it is empty: s3://mixed/empty.png",
        (
            "skipped 1 of 5 images: its header cannot be read, it is not a TIFF, NITF, PNG or JPEG "
            "image: s3://mixed/text.tif"
        ),
    ]
    [cut] = [text for text in texts if "cut.ntf" in text]
    assert cut.startswith("skipped 1 of 5 images: its header cannot be read, ")
    assert cut.endswith(": s3://mixed/cut.ntf")


@pytest.mark.anyio
async def test_without_a_good_image_there_is_nothing_to_send(aws, desk):
    await put(aws, "broken", **{"1.tif": b"x", "2.png": b"y"})
    with pytest.raises(TargetError) as caught:
        await find(desk, "s3://broken")
    assert str(caught.value) == (
        "scenarios.0.user.images: none of the 2 images under s3://broken can be used: its header "
        "cannot be read, it is not a TIFF, NITF, PNG or JPEG image; mend that, or point "
        "scenarios.0.user.images elsewhere"
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
    unknown = "size and pixels are not known of"
    assert sorted(desk.notes) == [
        ("warning", f"{unknown} 1 of 5 images: it is not there (404): {gone}"),
        (
            "warning",
            (
                f"{unknown} 1 of 5 images: its header cannot be read, "
                f"it is not a TIFF, NITF, PNG or JPEG image: {bad}"
            ),
        ),
        (
            "warning",
            f"{unknown} 2 of 5 images: it is no image in S3: http://images/a.tif, s3://single/",
        ),
    ]
    desk.notes.clear()
    assert await look_at_images(desk, [good]) == known
    assert desk.notes == []


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
    assert text.startswith("size and pixels are not known of 500 of 500 images: ")
    assert ", such as s3://images/" in text
    assert "Could not connect to the endpoint URL" in text


# -- images that cannot be fetched --------------------------------------------------


@pytest.fixture
async def troubled(stack):
    """A proxy in front of S3, and a desk whose calls go through it."""
    proxy = TroubledS3(stack.endpoint_url)
    keys = (stack.access_key, stack.secret_key)
    async with (
        proxy.serving(),
        Aws(endpoint_url=proxy.url, region=REGION, credentials=keys) as aws,
    ):
        yield proxy, Desk(aws)


KMS = "User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt on this resource"
REFUSALS = {
    "deleted": ((404, "NoSuchKey", "The specified key does not exist."),
                "it is not there (NoSuchKey)"),
    "denied": ((403, "AccessDenied", "Access Denied"), "access denied (AccessDenied)"),
    "encrypted": ((403, "AccessDenied", KMS), "access denied (kms:Decrypt)"),
    "archived": ((403, "InvalidObjectState", "The operation is not valid for this storage class"),
                 ("it cannot be fetched, InvalidObjectState: The operation is not valid for this "
                 "storage class")),
    "throttled": ((503, "SlowDown", "Please reduce your request rate."),
                  "it cannot be fetched, SlowDown: Please reduce your request rate."),
}  # fmt: skip


@pytest.mark.anyio
async def test_images_that_cannot_be_fetched_are_told_with_the_reason_and_a_count(
    troubled, aws, sample
):
    proxy, desk = troubled
    bucket = "refusing"
    names = [f"{kind}-{number}.tif" for kind in REFUSALS for number in range(2)]
    names += [f"denied-{number}.tif" for number in range(2, 12)]
    await put(aws, bucket, **dict.fromkeys([*names, "good.tif"], sample["tif"]))

    async def refuse(name, _first):
        return REFUSALS.get(name.partition("-")[0], (None,))[0]

    proxy.refuse = refuse
    assert [one.file_name for one in await find(desk, f"s3://{bucket}")] == ["good.tif"]
    texts = {text for _, text in desk.notes}
    for kind, (_, reason) in REFUSALS.items():
        if kind == "denied":
            start = f"skipped 12 of 21 images: {reason}, such as s3://{bucket}/denied-"
            assert any(text.startswith(start) for text in texts)
        else:
            pair = {f"s3://{bucket}/{kind}-{number}.tif" for number in range(2)}
            [text] = [
                text for text in texts if text.startswith(f"skipped 2 of 21 images: {reason}: ")
            ]
            assert set(text.removeprefix(f"skipped 2 of 21 images: {reason}: ").split(", ")) == pair
    assert len(desk.notes) == len(REFUSALS)


@pytest.mark.anyio
async def test_where_all_images_are_refused_the_run_does_not_start_and_says_why(
    troubled, aws, sample
):
    proxy, desk = troubled
    await put(aws, "sealed", **dict.fromkeys(["a.tif", "b.tif"], sample["tif"]))

    async def refuse(_name, _first):
        return REFUSALS["encrypted"][0]

    proxy.refuse = refuse
    with pytest.raises(TargetError) as caught:
        await find(desk, "s3://sealed")
    assert str(caught.value) == (
        "scenarios.0.user.images: none of the 2 images under s3://sealed can be used: access "
        "denied (kms:Decrypt); mend that, or point scenarios.0.user.images elsewhere"
    )
    known = await look_at_images(desk, ["s3://sealed/a.tif"])
    assert known == {}
    assert desk.notes == [("warning", ("size and pixels are not known of 1 of 1 image: access "
                                      "denied (kms:Decrypt): s3://sealed/a.tif"))]  # fmt: skip


@pytest.mark.anyio
async def test_a_later_piece_that_is_refused_costs_that_image_alone(troubled, aws, sample):
    proxy, desk = troubled
    late = tiff_with_its_directory_at_the_end()
    await put(aws, "pieces", **{"late.tif": late, "later.tif": late, "good.tif": sample["tif"]})
    asked = []

    async def refuse(name, first):
        asked.append((name, first))
        return REFUSALS["denied"][0] if first and name == "late.tif" else None

    proxy.refuse = refuse
    found = await find(desk, "s3://pieces")
    assert [(one.file_name, one.pixels) for one in found if one.file_name != "good.tif"] == [
        ("later.tif", 300 * 200)
    ]
    assert len(found) == 2
    [(_, text)] = desk.notes
    assert text == "skipped 1 of 3 images: access denied (AccessDenied): s3://pieces/late.tif"
    assert len(asked) == 5


@pytest.mark.anyio
async def test_a_broken_reader_costs_its_image_and_a_missing_one_is_told(
    aws, desk, sample, monkeypatch, tmp_path
):
    program = tmp_path / "planted.py"
    program.write_text(
        "import os\nfrom asyncload.users.model_runner.header_worker import main\n"
        "def read(image):\n"
        "    if image.read(0, 4) == b'EVIL': os.abort()\n"
        "    return 20, 10\n"
        "main(read)\n"
    )
    monkeypatch.setattr(headers, "_WORKER", ("-P", str(program)))
    await put(aws, "evil", **{"a.tif": b"good", "b.tif": b"EVIL", "c.ntf": b"good"})
    found = await find(desk, "s3://evil")
    assert [(one.file_name, one.pixels) for one in found] == [("a.tif", 200), ("c.ntf", 200)]
    assert [text for _, text in desk.notes] == [
        (
            "skipped 1 of 3 images: its header cannot be read, the process that read it ended with "
            "signal SIGABRT: s3://evil/b.tif"
        )
    ]
    program.write_text("import sys; sys.exit('libgdal.so: no such file')")
    with pytest.raises(BaseExceptionGroup) as caught:
        await find(desk, "s3://evil")
    assert str(own_error(caught.value)) == (
        "scenarios.0.user.images: rasterio cannot be used here, the process that read it ended "
        "with exit code 1: libgdal.so: no such file, so images cannot be read; install it anew"
    )


@pytest.mark.anyio
async def test_who_stops_waiting_for_images_waits_no_longer(troubled, aws, sample):
    proxy, desk = troubled
    await put(aws, "slow", **{f"{number}.tif": sample["tif"] for number in range(40)})

    async def refuse(_name, _first):
        await anyio.sleep(30)

    proxy.refuse = refuse
    start = anyio.current_time()
    with anyio.move_on_after(1):
        await find(desk, "s3://slow")
    assert anyio.current_time() - start < 2


def test_reasons_that_differ_in_the_image_alone_are_one():
    from botocore.exceptions import EndpointConnectionError

    faults = images._Faults(2)
    for name in ("a.tif", "b.tif"):
        url = f"http://127.0.0.1:9/b/{name}?x=1"
        faults.add(f"s3://b/{name}", EndpointConnectionError(endpoint_url=url))
    assert list(faults.sentences()) == [
        (
            "2 of 2 images: it cannot be fetched, EndpointConnectionError: Could not connect to the "
            'endpoint URL: "http://127.0.0.1:9": s3://b/a.tif, s3://b/b.tif'
        )
    ]


def test_the_name_of_an_image_is_the_last_part_of_its_url():
    assert Image("s3://b/a/c.tif", 1, 2).file_name == "c.tif"


@pytest.mark.anyio
async def test_the_bucket_of_the_results_need_not_be_open_to_who_sends_the_jobs():
    notes = []
    denied = answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    async with (
        serve(denied) as server,
        Aws(endpoint_url=server.url, region=REGION, credentials=("a", "b")) as aws,
    ):
        aws.note = lambda *what: notes.append(what)
        assert await check_bucket(aws, "s3://theirs/out", key="results") == ("theirs", "out")
    ((level, text),) = notes
    assert level == "warning"
    assert "results: these credentials may not look at the bucket 'theirs'" in text
