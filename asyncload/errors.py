"""Every error asyncload raises on purpose.

::

    AsyncloadError            exit code
    ├── ConfigError           2   a config, argument, shape or input file is wrong
    │   └── LogError          2   a log cannot be read
    ├── TargetError           4   the service under test cannot be reached or set up
    ├── MachineBusyError      3   this machine has no time left to measure anything
    └── StoppedError        130   the run was stopped before its load began

Each message is one plain sentence that names the key or file, the value, and
the remedy. The command line prints it to stderr without a traceback and exits
with ``exit_code``.
"""

from __future__ import annotations


class AsyncloadError(Exception):
    """Base class of errors that the user can fix."""

    exit_code = 2


class ConfigError(AsyncloadError):
    """A config file, argument or input file is wrong."""

    exit_code = 2


class LogError(ConfigError):
    """A log file is missing, empty or not a log."""


class TargetError(AsyncloadError):
    """The service under test could not be reached or set up."""

    exit_code = 4


class MachineBusyError(AsyncloadError):
    """This machine is too busy with other things to be measured."""

    exit_code = 3


class StoppedError(AsyncloadError):
    """The run was stopped before its load began, so nothing was sent."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("stopped before the load began; nothing was sent")


def own_error(group: BaseExceptionGroup[BaseException]) -> AsyncloadError | None:
    """Return the first asyncload error of a group that holds no other errors, else ``None``."""
    found: AsyncloadError | None = None
    for one in group.exceptions:
        problem = own_error(one) if isinstance(one, BaseExceptionGroup) else one
        if not isinstance(problem, AsyncloadError):
            return None
        found = found or problem
    return found


def first_of(problem: BaseException) -> BaseException:
    """The first single exception in a group."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem
