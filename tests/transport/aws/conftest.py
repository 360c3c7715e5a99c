from __future__ import annotations

import os

import pytest


@pytest.fixture
def aws_files(tmp_path, monkeypatch):
    """An environment without AWS settings; writes the config and the credentials file."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def write(text: str = "", keys: str | None = None) -> None:
        config.write_text(text)
        if keys is not None:
            credentials.write_text(
                f"[default]\naws_access_key_id = {keys}\naws_secret_access_key = s3cret\n"
            )

    write()
    return write
