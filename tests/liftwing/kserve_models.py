"""KServe's own server with two small models, under the names that ``configs/liftwing`` asks for.

    python tests/liftwing/kserve_models.py [--http_port 8080] [--work_time 0.05]

needs an environment with KServe (``kserve_environment.py`` makes one) and nothing else of this
repository. It listens on 127.0.0.1 (port 0: any that is free), says where in its first line, and
ends on Ctrl-C, or when a pipe that is its standard input is closed.

KServe's own completions need vLLM; here they are a route of the same application that goes
through KServe's data plane to the model, as ``:predict`` does.
"""

import argparse
import asyncio
import base64
import logging
import os
import socket
import stat
import threading
import warnings

from fastapi import Request
from fastapi.responses import JSONResponse
from kserve import Model, ModelServer, model_server
from kserve.errors import InvalidInput
from kserve.protocol.rest.server import RESTServer

CLASSIFIERS = (
    "revertrisk-language-agnostic",
    "revertrisk-multilingual",
    "readability",
    "outlink-topic-model",
    "article-country",
    "logo-detection",
    "qwen3-embedding",
)
LANGUAGE_MODEL = "llm"
SUBJECTS = ({"rev_id": int}, {"page_title": str}, {"page_id": int}, {"title": str})


class Classifier(Model):
    """Answers revisions, pages, images and texts after ``work_time`` seconds."""

    def __init__(self, name, work_time):
        super().__init__(name)
        self.work_time = work_time
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        """Refuse what has none of the forms that Lift Wing's models take; else work and answer."""
        if "instances" in payload:
            scores = [image_score(instance) for instance in payload["instances"]]
        elif "input" in payload:
            scores = [text_score(text) for text in payload["input"]]
        else:
            scores = [page_score(payload)]
        await asyncio.sleep(self.work_time)
        return {"model_name": self.name, "predictions": scores}


class LanguageModel(Model):
    """Completes a prompt after ``work_time`` seconds, however long it is."""

    def __init__(self, name, work_time):
        super().__init__(name)
        self.work_time = work_time
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        """Give a text of a few words."""
        prompt, most = payload.get("prompt"), payload.get("max_tokens")
        if not isinstance(prompt, str) or not prompt or not isinstance(most, int):
            raise InvalidInput("prompt and max_tokens are needed")
        await asyncio.sleep(self.work_time)
        tokens = min(most, 16)
        return {
            "object": "text_completion",
            "model": self.name,
            "choices": [{"index": 0, "text": " word" * tokens, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": len(prompt.split()), "completion_tokens": tokens},
        }


def page_score(payload):
    """Score a revision or a page: a language and one of the subjects are needed."""
    rest = {key: type(value) for key, value in payload.items() if key != "lang"}
    if not isinstance(payload.get("lang"), str) or rest not in SUBJECTS:
        raise InvalidInput(f"no model takes the keys {sorted(payload)}")
    return {"prediction": True, "probability": 0.5}


def image_score(instance):
    """Score an image: its base64 must be that of a PNG or a JPEG."""
    image = base64.b64decode(instance["image"], validate=True)
    if instance["target"] != "logo" or not image.startswith((b"\x89PNG", b"\xff\xd8")):
        raise InvalidInput(f"{instance['filename']} is no image for the target logo")
    return {"filename": instance["filename"], "target": "logo", "prediction": 0.5}


def text_score(text):
    """Embed a text in two numbers."""
    if not isinstance(text, str) or not text:
        raise InvalidInput("input must be texts")
    return [len(text) / 1000, text.count(" ") / 100]


def completions(server):
    """Give the route of completions: the model is named in the body."""

    async def create(request: Request):
        payload = await request.json()
        name = str(payload.get("model"))
        answer, _ = await server.dataplane.infer(name, payload, dict(request.headers))
        return JSONResponse(answer)

    return create


def end_with_the_pipe():
    """End this process when the pipe on its standard input is closed: whoever held it is gone."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def main():
    """Serve until the end."""
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--work_time", type=float, default=0.05, help="seconds of each answer")
    arguments = parser.parse_args()
    listening = socket.create_server(("127.0.0.1", arguments.http_port), backlog=1024)
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")  # KServe uses what FastAPI has deprecated
    server = ModelServer(enable_grpc=False)
    for name in CLASSIFIERS:
        server.registered_models.update(Classifier(name, arguments.work_time))
    server.registered_models.update(LanguageModel(LANGUAGE_MODEL, arguments.work_time))
    model_server.app.add_api_route("/openai/v1/completions", completions(server), methods=["POST"])
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=end_with_the_pipe, daemon=True).start()
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    RESTServer(
        "kserve.model_server:app", server.dataplane, server.model_repository_extension, 0
    ).run(sockets=[listening])


if __name__ == "__main__":
    main()
