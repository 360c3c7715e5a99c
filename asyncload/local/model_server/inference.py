"""What a simulated model server answers: KServe's v1 predict, and OpenAI's completions.

The answers have the form of the real ones and say nothing of the input: they are
the same for the same request.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

_PREDICT: Final = re.compile(r"(?:/[^?]*)?/v1/models/([^/?]+):predict")
_COMPLETIONS: Final = re.compile(r"(?:/[^?]*)?/v1/completions")
_MOST_TOKENS: Final = 16
"""Words of a completion; a real model seldom uses up what it may."""


def is_inference(path: bytes) -> bool:
    """Whether ``path``, without its query, is one of a model server."""
    text = path.decode("latin-1")
    return bool(_PREDICT.fullmatch(text) or _COMPLETIONS.fullmatch(text))


def answer(path: bytes, body: bytes) -> dict[str, Any]:
    """Give the answer to a request. Raises ValueError for a body that no model server would take."""
    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise ValueError("the body is no JSON") from None
    if not isinstance(content, dict):
        raise ValueError("the body is no JSON object")  # noqa: TRY004 - of what was sent
    predict = _PREDICT.fullmatch(path.decode("latin-1"))
    if predict is None:
        return _completion(content)
    instances = content.get("instances")
    number = len(instances) if isinstance(instances, list) else 1
    return {
        "model_name": predict[1],
        "predictions": [{"prediction": True, "probability": 0.5}] * number,
    }


def _completion(content: dict[str, Any]) -> dict[str, Any]:
    most = content.get("max_tokens", _MOST_TOKENS)
    tokens = min(most, _MOST_TOKENS) if isinstance(most, int) else _MOST_TOKENS
    asked = len(str(content.get("prompt", "")).split())
    choice = {"index": 0, "text": " word" * tokens, "finish_reason": "stop"}
    usage = {
        "prompt_tokens": asked,
        "completion_tokens": tokens,
        "total_tokens": asked + tokens,
    }
    return {
        "id": "cmpl-simulated",
        "object": "text_completion",
        "model": content.get("model"),
        "choices": [choice],
        "usage": usage,
    }
