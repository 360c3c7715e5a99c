"""``kind: edge``: clients of Groundlight's edge endpoint, each at a fixed rate."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode

import anyio
import anyio.to_thread
import msgspec

from asyncload.errors import ConfigError
from asyncload.transport.http.failed_answer import failed_answer, status_line
from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http.response import Response
from asyncload.transport.http_client import HttpClient, PreparedRequest
from asyncload.users.base_url import LOCAL
from asyncload.users.edge.edge_options import EdgeOptions
from asyncload.users.local_server import generated_jpeg, start_simulated
from asyncload.users.templates.tables import read_bytes
from asyncload.users.user import Context, Setup, User, task
from asyncload.users.wait import rate

PATH: Final = "/device-api/v1/image-queries"
TOKEN: Final = "GROUNDLIGHT_API_TOKEN"  # noqa: S105 - the name of a variable
FRESH_IMAGES: Final = 16
"""Images made for ``fresh``, which requests send in turn."""
LONGEST_START: Final = 1.0
"""Seconds within which a new client sends its first request."""
_GOLDEN: Final = 0.6180339887498949  # (sqrt(5) - 1) / 2
_JPEG: Final = b"\xff\xd8\xff"


class Result(msgspec.Struct):
    """What an answer says; keys that do not matter here are passed over."""

    count: Any = None
    from_edge: Any = None


class Answer(msgspec.Struct):
    """The body of an answer."""

    result: Result | None = None


_ANSWER: Final = msgspec.json.Decoder(Answer)


class Queries(msgspec.Struct, frozen=True):
    """What all clients of a scenario share."""

    client: HttpClient
    prepared: list[PreparedRequest]
    """One for each detector."""
    image: Callable[[], bytes]
    """Gives what a request sends."""
    timeouts: Timeouts
    token_sent: bool
    spread: bool
    """Whether clients begin at different moments of their period."""


class EdgeUser(User):
    """A client: it sends the image to its detector, ``rate`` times a second.

    When an answer takes longer than the period, the next request follows at once.
    """

    Options: ClassVar[type[msgspec.Struct]] = EdgeOptions
    shared: Queries

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options: EdgeOptions = context.options
        self.wait = rate(options.rate)
        self._expected = options.expect_count
        self._from_edge = options.expect_from_edge
        which = self.id % len(options.detectors)
        self._detector = options.detectors[which]
        self._prepared = self.shared.prepared[which]

    @classmethod
    def describe_work(cls, options: EdgeOptions) -> Sequence[tuple[str, str]]:
        """Tell the endpoint and the detectors."""
        return [("endpoint", options.endpoint), ("detectors", ", ".join(options.detectors))]

    @classmethod
    def request_names(cls, options: EdgeOptions) -> Collection[str]:
        """Requests are called by their detectors."""
        return options.detectors

    @classmethod
    async def prepare(cls, setup: Setup, options: EdgeOptions) -> Queries:
        """Start the simulated endpoint where it is asked for, and make the image, once."""
        image = await anyio.to_thread.run_sync(_image, setup, options)
        endpoint = options.endpoint
        if endpoint == LOCAL:
            endpoint = await start_simulated(setup, options.local, what="edge endpoint")
        token = _token(setup, options)
        headers = {"Content-Type": "image/jpeg"}
        if token:
            headers["x-api-token"] = token
        url = f"{endpoint.rstrip('/')}{PATH}?"
        return Queries(
            client=setup.http,
            prepared=[
                setup.http.prepare(
                    "POST",
                    url + urlencode(options.parameters(detector), quote_via=quote),
                    headers,
                )
                for detector in options.detectors
            ],
            image=image,
            timeouts=Timeouts(
                connect=options.connect_timeout,
                first_byte=options.timeout,
                total=options.timeout,
                idle=options.timeout,
            ),
            token_sent=token != "",
            spread=setup.load.model == "closed",
        )

    async def on_start(self) -> None:
        """Wait for this client's moment within the period.

        Clients that join a step together would else send together for ever, and queue for
        each other. Multiples of the golden ratio, modulo 1, lie evenly however many there are.
        """
        if self.shared.spread:
            period = min(1 / self.options.rate, LONGEST_START)
            await anyio.sleep(period * (self.id * _GOLDEN % 1))

    @task()
    async def ask(self) -> None:
        """Send the image once."""
        queries = self.shared
        with self.recorder.measure(self._detector) as measurement:
            response = await queries.client.send(
                self._prepared, queries.image(), b"", queries.timeouts
            )
            measurement.answered(response)
            wrong = self._judge(response)
            if wrong is not None:
                measurement.fail(wrong)

    def _judge(self, response: Response) -> str | None:
        if not 200 <= response.status < 300:
            return _refusal(response, token_sent=self.shared.token_sent)
        try:
            result = _ANSWER.decode(response.body).result
        except msgspec.ValidationError:
            return "the answer is JSON of another form: its result is no object"
        except msgspec.DecodeError:
            return "the answer is no JSON"
        if result is None:
            return "the answer has no result"
        if self._from_edge and result.from_edge is not True:
            return "the result is not from the edge (from_edge is not true)"
        if self._expected is None or result.count == self._expected:
            return None
        if result.count is None:
            return f"the result has no count; expected {self._expected}"
        return f"the count is {str(result.count)[:40]}; expected {self._expected}"


def _refusal(response: Response, *, token_sent: bool) -> str:
    if response.status not in {401, 403}:
        return failed_answer(response, can_expect=False)
    reason = status_line(response)
    if token_sent:
        return f"{reason}: the endpoint refuses the token; check token, or {TOKEN}"
    return f"{reason}: no token was sent; set {TOKEN}, or token in the config"


def _token(setup: Setup, options: EdgeOptions) -> str:
    """Find the token; empty where there is none."""
    where, token = (
        (setup.key("token"), options.token) if options.token else (TOKEN, os.environ.get(TOKEN, ""))
    )
    token = token.strip()
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(f"{where}: holds what no token has, such as a line break; mend it")
    return token


def _image(setup: Setup, options: EdgeOptions) -> Callable[[], bytes]:
    """Read or make what is sent; blocks."""
    wanted = options.image
    if not isinstance(wanted, str):
        if wanted.fresh:
            seeds = range(wanted.seed, wanted.seed + FRESH_IMAGES)
            return _fresh([generated_jpeg(*wanted.pixels, seed) for seed in seeds])
        content = generated_jpeg(*wanted.pixels, wanted.seed)
        return lambda: content
    path = setup.find(wanted)
    key = setup.key("image")
    content = bytes(read_bytes(path, key=key))
    if not content.startswith(_JPEG):
        raise ConfigError(f"{key}: {str(path)!r} is no JPEG; name a JPEG file")
    return lambda: content


def _fresh(images: Sequence[bytes]) -> Callable[[], bytes]:
    """Give an image that is new each time: the next of ``images``, with a number in a comment.

    Making pixels anew takes a millisecond; a comment (COM, ITU T.81 B.2.4.5) takes none, and makes
    a file that no cache has seen.
    """
    numbers = itertools.count(secrets.randbits(62))

    def image() -> bytes:
        number = next(numbers)
        content = images[number % len(images)]
        return b"%b\xff\xfe\x00\x12%016x%b" % (content[:2], number, content[2:])

    return image
