"""The command line, for reports."""

from tests.cli.conftest import asyncload, fake_aws

__all__ = ["asyncload", "fake_aws"]
