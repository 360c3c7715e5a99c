"""Every error asyncload raises on purpose.

::

    AsyncloadError            exit code
    ├── ConfigError           2   a config, argument, shape or input file is wrong
    │   └── LogError          2   a log cannot be read
    ├── TargetError           4   the service under test cannot be reached or set up
    └── RunError              3   the run could not be carried through (disk full, …)

Each message is one plain sentence that names the key or file, the value, and
the remedy. The command line prints it to stderr without a traceback and exits
with ``exit_code``.
"""

from __future__ import annotations


class AsyncloadError(Exception):
    """Base class: an error the user can do something about."""

    exit_code = 2


class ConfigError(AsyncloadError):
    """A config file, argument or input file is wrong."""

    exit_code = 2


class LogError(ConfigError):
    """A log file is missing, empty or not a log."""


class TargetError(AsyncloadError):
    """The service under test could not be reached or set up."""

    exit_code = 4


class RunError(AsyncloadError):
    """The run itself could not be carried through."""

    exit_code = 3
