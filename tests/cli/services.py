"""Configs of short tests against the services of ``fake_aws``."""

from __future__ import annotations

import textwrap
from pathlib import Path

OK = (200, "{}", "application/json")
BROKEN = (503, "{}", "application/json")


def write_test(path: Path, url: str, *more: str, rate: int = 200, duration: str = "0.3s") -> Path:
    """Write a config of an open load on ``url``, and ``more`` lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f"""
        scenarios:
          - name: web
            load: {{shape: {{kind: constant, level: {rate}}}, duration: {duration}}}
            user:
              kind: http
              base_url: {url}
              requests: [{{method: POST, path: /predict, json: {{}}}}]
    """
    path.write_text("\n".join([textwrap.dedent(text), *more, ""]))
    return path
