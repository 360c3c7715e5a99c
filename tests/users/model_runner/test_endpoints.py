"""SageMaker's endpoints, asked of a real control API (moto), and of services that have none."""

from __future__ import annotations

import copy
import http.server
import socket
import threading

import anyio
import boto3
import pytest
from botocore.config import Config
from moto.sagemaker.models import sagemaker_backends
from moto.server import ThreadedMotoServer

from asyncload.errors import TargetError
from asyncload.transport.aws.session import Aws
from asyncload.users.model_runner import endpoints
from asyncload.users.model_runner.endpoints import endpoints_in_service, note_instance_type
from tests.users.desk import Desk

pytestmark = pytest.mark.slow

REGION = "us-west-2"
KEYS = ("test", "test")
ACCOUNT = "123456789012"  # moto's own
KEY = "scenarios.0.user.models"


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Answers on a busy machine may take their time; give the seconds to set another limit."""

    def limit(seconds):
        monkeypatch.setattr(endpoints, "PATIENCE", seconds)

    limit(60)
    return limit


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def backend(moto):
    """What moto knows of SageMaker in the region; nothing at first."""
    backend = sagemaker_backends[ACCOUNT][REGION]
    backend.reset()
    return backend


@pytest.fixture
def sagemaker(moto, backend):
    client = boto3.client(
        "sagemaker",
        region_name=REGION,
        endpoint_url=moto,
        aws_access_key_id=KEYS[0],
        aws_secret_access_key=KEYS[1],
        config=Config(proxies={}),
    )
    client.create_model(ModelName="m", ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/sagemaker")
    yield client
    client.close()


def configure(sagemaker, name, **variant):
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[{"VariantName": "one", "ModelName": "m", **variant}],
    )


def deploy(sagemaker, backend, **states):
    """Create endpoints, each in its state."""
    configure(sagemaker, "config", InitialInstanceCount=1, InstanceType="ml.m5.large")
    for name, state in states.items():
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="config")
        backend.endpoints[name].endpoint_status = state


def run(url, function, *arguments, **options):
    """Call ``function`` with a set-up that reaches SageMaker at ``url``, everything else nowhere."""

    async def main():
        async with Aws(
            endpoint_url="http://127.0.0.1:9",
            region=REGION,
            credentials=KEYS,
            endpoints={"sagemaker": url},
        ) as aws:
            desk = Desk(aws)
            return await function(desk, *arguments, **options), desk

    return anyio.run(main)


def note(url, model):
    """The one note about the instance type, without its level."""
    _, desk = run(url, note_instance_type, model)
    [(level, text)] = desk.notes
    assert level == "info"
    return text


# -- endpoints in service -------------------------------------------------------------


def test_only_endpoints_in_service_are_found_in_order_of_their_names(moto, sagemaker, backend):
    deploy(
        sagemaker, backend, ships="InService", aircraft="InService", clouds="Creating",
        cars="Failed", roads="OutOfService", dogs="Updating",
    )  # fmt: skip
    names, desk = run(moto, endpoints_in_service, key=KEY)
    assert names == ["aircraft", "ships"]
    assert desk.notes == []


def test_endpoints_on_later_pages_are_found(moto, sagemaker, backend):
    deploy(sagemaker, backend, first="InService")
    # Made one by one over HTTP these would take long; moto gives a hundred a page.
    one = backend.endpoints["first"]
    for number in range(250):
        name = f"e{number:03}"
        another = copy.copy(one)
        another.endpoint_name, another.arn = name, one.arn.replace("first", name)
        backend.endpoints[name] = another
    names, _ = run(moto, endpoints_in_service, key=KEY)
    assert names == [*(f"e{number:03}" for number in range(250)), "first"]


def test_without_an_endpoint_in_service_it_is_said_what_to_do(moto, sagemaker, backend):
    deploy(sagemaker, backend, clouds="Creating")
    with pytest.raises(TargetError) as caught:
        run(moto, endpoints_in_service, key=KEY)
    assert str(caught.value) == (
        f"{KEY}: no SageMaker endpoint is in service at {moto}; "
        f"deploy one, or name the models in {KEY}"
    )


# -- what a model runs on -------------------------------------------------------------


def test_the_newest_endpoint_config_with_the_models_name_tells_the_instance_type(moto, sagemaker):
    configure(sagemaker, "old-aircraft", InitialInstanceCount=1, InstanceType="ml.m5.large")
    configure(sagemaker, "aircraft-2", InitialInstanceCount=1, InstanceType="ml.g4dn.xlarge")
    configure(sagemaker, "ships", InitialInstanceCount=1, InstanceType="ml.p3.2xlarge")
    assert note(moto, "aircraft") == (
        "the model 'aircraft' runs on ml.g4dn.xlarge (SageMaker endpoint config aircraft-2)"
    )


def test_a_model_without_instances_of_its_own_is_told_as_that(moto, sagemaker):
    configure(sagemaker, "aircraft", ServerlessConfig={"MemorySizeInMB": 2048, "MaxConcurrency": 5})
    assert note(moto, "aircraft") == (
        "the model 'aircraft' runs on serverless capacity (SageMaker endpoint config aircraft)"
    )


def test_a_model_without_an_endpoint_config_is_noted(moto, sagemaker):
    configure(sagemaker, "ships", InitialInstanceCount=1, InstanceType="ml.m5.large")
    assert note(moto, "aircraft") == (
        "the instance type of the model 'aircraft' is not known: "
        "no SageMaker endpoint config has this in its name"
    )


# -- services without SageMaker -------------------------------------------------------


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.seen += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status is None:  # no answer until the test is over
            self.server.over.wait(30)
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def service():
    """Start a service that gives one answer, or none."""
    servers = []

    def start(status, body=b""):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        server.status, server.body, server.seen = status, body, 0
        server.over = threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return server, f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()


DENIED = b'{"__type": "AccessDeniedException", "Message": "not authorized: sagemaker:List"}'
ANSWERS = {
    "denied": (400, DENIED, "access to SageMaker is denied"),
    "no such thing": (405, b"<Error/>", "there is no SageMaker at {url}"),
    "a web page": (200, b"<html>Welcome</html>", "there is no SageMaker at {url}"),
    "other JSON": (200, b'{"hello": 1}', "there is no SageMaker at {url}"),
    "a list": (200, b"[1, 2]", "there is no SageMaker at {url}"),
    "unknown operation": (
        400,
        b'{"__type": "UnknownOperationException"}',
        "there is no SageMaker at {url}",
    ),
    "a throttle": (
        400,
        b'{"__type": "ThrottlingException", "message": "Rate exceeded"}',
        "SageMaker answered 'ThrottlingException: Rate exceeded'",
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_service_that_does_not_tell_is_asked_once_and_noted(service, answer):
    status, body, reason = ANSWERS[answer]
    server, url = service(status, body)
    reason = reason.format(url=url)
    assert note(url, "m") == f"the instance type of the model 'm' is not known: {reason}"
    assert server.seen == 1


def test_a_service_that_never_answers_is_not_waited_for(service, patience):
    patience(0.2)
    _, url = service(None)
    assert note(url, "m") == (
        f"the instance type of the model 'm' is not known: SageMaker cannot be reached at {url}"
    )


def test_where_nobody_listens_there_is_no_second_attempt():
    with socket.socket() as closed:  # bound, so that nobody else takes it, but not listening
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert note(url, "m").endswith(f"SageMaker cannot be reached at {url}")


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, DENIED, (
            "access denied by {url} while listing the SageMaker endpoints; give these "
            "credentials the permission, or use others")),
        (405, b"<Error/>", (
            "there is no SageMaker at {url}; set aws.endpoints.sagemaker to one")),
        (200, b'{"hello": 1}', (
            "{url} does not answer like AWS while listing the SageMaker endpoints "
            "(KeyError: 'Endpoints'); check aws.endpoints.sagemaker")),
    ],
)  # fmt: skip
def test_endpoints_that_cannot_be_listed_can_be_named_instead(service, status, body, says):
    _, url = service(status, body)
    with pytest.raises(TargetError) as caught:
        run(url, endpoints_in_service, key=KEY)
    assert str(caught.value) == f"{says.format(url=url)}, or name the models in {KEY}"
