"""The examples that ``asyncload init`` writes: one for each kind, which runs as it is."""

from __future__ import annotations

from importlib import resources
from typing import Final

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "http": ("http.yaml",),
    "model_runner": ("model_runner.yaml",),
    "edge": ("edge.yaml",),
    "sagemaker": ("sagemaker.yaml",),
    "user": ("user.yaml", "user.py"),
}
"""The files of each example; the config comes first."""


def example(file: str) -> str:
    """Give the text of a file of an example."""
    # A module is kept as a text: it is nothing that asyncload itself imports.
    kept = f"{file}.txt" if file.endswith(".py") else file
    return (resources.files(__package__) / "examples" / kept).read_text(encoding="utf-8")
