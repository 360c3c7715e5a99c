"""The command line: arguments in, exit codes out, no logic of its own.

Everything heavy is imported inside the commands, so that ``--help`` is instant.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from asyncload import __version__
from asyncload.errors import AsyncloadError

_CONTEXT = {"help_option_names": ["-h", "--help"]}


class _Group(click.Group):
    """Prints asyncload's own errors as one sentence, and exits with their code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AsyncloadError as problem:
            click.echo(f"asyncload: {problem}", err=True)
            ctx.exit(problem.exit_code)
        except KeyboardInterrupt:
            ctx.exit(130)


@click.group(cls=_Group, context_settings=_CONTEXT)
@click.version_option(__version__)
def main() -> None:
    """Generate load for machine-learning inference services, and tell the truth about it."""


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True,
              help="Override a key of the config; repeatable.")  # fmt: skip
@click.option("--log", type=click.Path(path_type=Path), help="Where the log goes.")
@click.option("--quiet", is_flag=True, help="No live view; only the final table.")
def run(config: Path, overrides: tuple[str, ...], log: Path | None, quiet: bool) -> None:
    """Run the test that CONFIG describes."""
    from asyncload.commands.run import run_command

    sys.exit(run_command(config, overrides=overrides, log=log, quiet=quiet))


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True,
              help="Override a key of the config; repeatable.")  # fmt: skip
def check(config: Path, overrides: tuple[str, ...]) -> None:
    """Check CONFIG and show its plan, without sending anything."""
    from asyncload.commands.check import check_command

    check_command(config, overrides=overrides)


@main.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("plots"),
              show_default=True, help="Folder for the graphs.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["png", "svg"]), default="png",
              show_default=True, help="File format.")  # fmt: skip
def plot(log: Path, output: Path, form: str) -> None:
    """Draw the graphs of a LOG."""
    from asyncload.commands.plot import plot_command

    plot_command(log, output, form)


@main.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def summary(log: Path, as_json: bool) -> None:
    """Show the final table of a LOG again."""
    from asyncload.commands.summary import summary_command

    summary_command(log, as_json=as_json)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port; a free one by default.")
@click.option("--region", default="us-west-2", show_default=True)
@click.option("--config", type=click.Path(path_type=Path),
              help="Take the settings of the simulated service from this config's `local`.")  # fmt: skip
def local(port: int | None, region: str, config: Path | None) -> None:
    """Run the embedded stack on its own, until Ctrl-C."""
    from asyncload.commands.local import local_command

    local_command(port=port, region=region, config=config)
