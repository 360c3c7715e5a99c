"""The command line: arguments in, exit codes out, no logic of its own.

Everything heavy is imported inside the commands, so that ``--help`` is instant.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import click

from asyncload import __version__
from asyncload.commands.options import (
    comparison_limits,
    limit_options,
    output_options,
    request_options,
)
from asyncload.errors import AsyncloadError
from asyncload.process import check_folder, leave, open_streams, say

_CONTEXT = {"help_option_names": ["-h", "--help"]}


class _Group(click.Group):
    """Prints asyncload's own errors as one sentence, and exits with their code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        open_streams()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            check_folder()
            return super().invoke(ctx)
        except AsyncloadError as problem:
            say(str(problem))
            ctx.exit(problem.exit_code)
        except KeyboardInterrupt:
            ctx.exit(130)
        except BrokenPipeError:
            raise  # click's business: the reader has gone
        except OSError as problem:  # of files of their own the commands say more themselves
            if problem.errno in {errno.EMFILE, errno.ENFILE}:
                say(f"{problem.strerror}: raise the limit of open files (ulimit -n)")
                ctx.exit(3)
            if problem.errno == errno.ENOENT and problem.filename is None:
                say(f"{problem.strerror}; set TMPDIR to a folder that can be written")
            else:
                say(f"{problem.filename or 'the output'} cannot be written: {problem.strerror}")
            # What is left in its buffer would be tried once more at the end, and fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(3)


@click.group(cls=_Group, context_settings=_CONTEXT)
@click.version_option(__version__)
def main() -> None:
    """Generate load for machine-learning inference services, and tell the truth about it."""


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True,
              help="Override a key of the config; repeatable.")  # fmt: skip
@click.option("--log", type=click.Path(path_type=Path),
              help="Where the log goes; for a folder of configs, a folder.")  # fmt: skip
@output_options
def run(
    config: Path,
    *,
    junit: Path | None,
    hlog: Path | None,
    markdown: Path | None,
    html: Path | None,
    baselines: tuple[Path, ...],
    thresholds: tuple[str, ...],
    floor: str | None,
    ignore: tuple[str, ...],
    **options: Any,
) -> None:
    """Run the test that CONFIG describes; of a folder, all of them, one after the other."""
    from asyncload.commands.runs.exports import Exports
    from asyncload.commands.runs.suite import run_path

    limits = comparison_limits(baselines, thresholds, floor, ignore)
    exports = Exports(junit=junit, hlog=hlog, markdown=markdown, html=html)
    leave(run_path(config, baselines=baselines, limits=limits, exports=exports, **options))


@main.command()
@click.argument("url")
@request_options
@click.option("--seed", type=click.IntRange(min=0), help="Of all random numbers.")
@click.option("--save", type=click.Path(path_type=Path), metavar="FILE",
              help="Write the config of this test, too; secrets become environment variables.")  # fmt: skip
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True,
              help="Set any other key of a config; repeatable.")  # fmt: skip
@click.option("--log", type=click.Path(path_type=Path), help="Where the log goes.")
@output_options
def http(
    *,
    junit: Path | None,
    hlog: Path | None,
    markdown: Path | None,
    html: Path | None,
    baselines: tuple[Path, ...],
    thresholds: tuple[str, ...],
    floor: str | None,
    ignore: tuple[str, ...],
    save: Path | None,
    overrides: tuple[str, ...],
    log: Path | None,
    csv: str | None,
    quiet: bool,
    **of_test: Any,
) -> None:
    """Send requests to URL, and say how it took them; no config file is needed."""
    from asyncload.commands.runs.exports import Exports
    from asyncload.commands.runs.http import HttpTest, http_command

    limits = comparison_limits(baselines, thresholds, floor, ignore)
    exports = Exports(junit=junit, hlog=hlog, markdown=markdown, html=html)
    files: dict[str, Any] = {"save": save, "log": log, "csv": csv, "exports": exports}
    compared: dict[str, Any] = {"baselines": baselines, "limits": limits}
    test = HttpTest(**of_test)
    leave(http_command(test, overrides=overrides, quiet=quiet, **files, **compared))


@main.command()
@click.argument("kind", required=False)
@click.option("--from-curl", "curl", metavar="COMMAND",
              help="Write what this curl command sends; - reads the command from stdin.")  # fmt: skip
@click.option("--from-har", "har", type=click.Path(path_type=Path), metavar="FILE",
              help="Write the requests recorded in this HAR file, weighted by their counts.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
              help="Where it goes; KIND.yaml if left out.")  # fmt: skip
def init(kind: str | None, curl: str | None, har: Path | None, output: Path | None) -> None:
    """Write a config to start from: of KIND http, model_runner, edge, sagemaker or user."""
    from asyncload.commands.init import init_command

    init_command(kind, curl=curl, har=har, output=output)


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True,
              help="Override a key of the config; repeatable.")  # fmt: skip
@click.option("--discover", is_flag=True,
              help="Ask AWS for the settings that the config leaves open; only looks.")  # fmt: skip
def check(config: Path, overrides: tuple[str, ...], discover: bool) -> None:
    """Check CONFIG, or all of a folder, and show the plan, without sending anything."""
    from asyncload.commands.runs.suite import check_path

    sys.exit(check_path(config, overrides=overrides, discover=discover))


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
@click.option("--csv", metavar="PREFIX", help="Write CSV files as Locust does, too.")
@click.option("--hlog", type=click.Path(path_type=Path), metavar="FILE",
              help="Write an HdrHistogram log, too.")  # fmt: skip
def summary(log: Path, as_json: bool, csv: str | None, hlog: Path | None) -> None:
    """Show the final table of a LOG again."""
    from asyncload.commands.summary import summary_command

    summary_command(log, as_json=as_json, csv=csv, hlog=hlog)


@main.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
              help="Where the report goes; beside the log if left out.")  # fmt: skip
@click.option("--baseline", type=click.Path(path_type=Path), metavar="LOG",
              help="Show an earlier log beside it.")  # fmt: skip
def report(log: Path, output: Path | None, baseline: Path | None) -> None:
    """Write the report of a LOG as one HTML file."""
    from asyncload.commands.report import report_command

    report_command(log, output, baseline=baseline)


@main.command()
@click.argument("summary", type=click.Path(path_type=Path), required=False)
@click.option("--start", metavar="TIME", help="In place of a summary: when the run began.")
@click.option("--end", metavar="TIME", help="In place of a summary: when it ended.")
@click.option("--granularity", type=click.Choice(["daily", "hourly"]), default="daily",
              show_default=True, help="Hours are kept for 14 days, and only where enabled.")  # fmt: skip
@click.option("--metric", default="UnblendedCost", show_default=True, help="Which cost to tell.")
@click.option("--service", "services", metavar="NAME", multiple=True,
              help="Only the costs of this service; repeatable.")  # fmt: skip
@click.option("--profile", help="AWS profile to ask with.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the report as JSON, too.")
def cost(
    *,
    summary: Path | None,
    start: str | None,
    end: str | None,
    granularity: str,
    metric: str,
    services: tuple[str, ...],
    profile: str | None,
    output: Path | None,
) -> None:
    """Ask AWS Cost Explorer what a run cost, by its SUMMARY (job_summary.json)."""
    from asyncload.commands.cost import cost_command

    cost_command(
        summary,
        start=start,
        end=end,
        granularity=granularity,
        metric=metric,
        services=services,
        profile=profile,
        output=output,
    )


@main.command()
@click.argument("paths", metavar="[BASELINE] CANDIDATE...", nargs=-1, required=True,
                type=click.Path(path_type=Path))  # fmt: skip
@click.option("--baseline", "baselines", type=click.Path(path_type=Path), multiple=True,
              metavar="FILE|FOLDER",
              help="A run of the baseline; repeatable. All other paths are runs of the candidate, "
                   "and the runs of a side are pooled.")  # fmt: skip
@limit_options
@click.option("--markdown", type=click.Path(path_type=Path),
              help="Write the comparison as Markdown, too.")  # fmt: skip
@click.option("--json", type=click.Path(path_type=Path), help="Write it as JSON, too.")
def compare(
    paths: tuple[Path, ...],
    *,
    baselines: tuple[Path, ...],
    thresholds: tuple[str, ...],
    floor: str | None,
    ignore: tuple[str, ...],
    markdown: Path | None,
    json: Path | None,
) -> None:
    """Say what got worse from BASELINE to CANDIDATE: logs, Locust CSVs, or folders of them."""
    from asyncload.commands.compare import compare_command
    from asyncload.compare.limits import Limits

    if not baselines and len(paths) != 2:
        raise click.UsageError(
            "name BASELINE and CANDIDATE; several runs a side are --baseline A --baseline B C D"
        )
    sides = (baselines, paths) if baselines else (paths[:1], paths[1:])
    limits = Limits.parse(thresholds, floor=floor, ignore=ignore)
    sys.exit(compare_command(*sides, limits=limits, markdown=markdown, json=json))


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--start", type=float, metavar="RATE",
              help="First rate, arrivals a second; the mean rate of the config if left out.")  # fmt: skip
@click.option("--max", "most", type=float, metavar="RATE",
              help="Highest rate to try; 1000 times the first one if left out.")  # fmt: skip
@click.option("--step", "factor", type=float, default=2.0, show_default=True, metavar="FACTOR",
              help="The rate rises by this factor until a trial fails.")  # fmt: skip
@click.option("--precision", default="5%", show_default=True, metavar="PERCENT",
              help="How close the rates that pass and fail are at the end.")  # fmt: skip
@click.option("--step-duration", default="30s", show_default=True, metavar="TIME",
              help="Of a trial, at least; percentiles and slow answers make it longer.")  # fmt: skip
@click.option("--safety-factor", type=float, default=0.5, show_default=True,
              help="Of the auto scaling target for SageMaker.")  # fmt: skip
@click.option("--instances", type=int, metavar="N",
              help="Of the SageMaker variant under load; 1 if left out.")  # fmt: skip
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True,
              help="Override a key of the config; repeatable.")  # fmt: skip
@click.option("--log", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Logs of the trials and state of the search; NAME.capacity beside the config's "
                   "log if left out.")  # fmt: skip
@click.option("--fresh", is_flag=True, help="Start anew where a search was interrupted.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("plots"),
              show_default=True, help="Folder for the graph.")  # fmt: skip
@click.option("--json", type=click.Path(path_type=Path), help="Write the result as JSON, too.")
def capacity(config: Path, **options: Any) -> None:
    """Find the highest rate at which CONFIG's thresholds hold."""
    from asyncload.commands.capacity import capacity_command

    leave(capacity_command(config, **options))


@main.command()
@click.option("--quick", is_flag=True, help="Shorter trials: 20 seconds, and less exact.")
@click.option("--show", is_flag=True, help="Print the saved certificate; measure nothing.")
@click.option("--output", type=click.Path(path_type=Path),
              help="Write the certificate here, too.")  # fmt: skip
def calibrate(*, quick: bool, show: bool, output: Path | None) -> None:
    """Measure what this machine can drive, and how exactly, against services with known answers."""
    from asyncload.commands.calibrate import calibrate_command

    sys.exit(calibrate_command(quick=quick, show=show, output=output))


@main.command()
@click.option("--duration", metavar="TIME", required=True, help="How long, such as 60s or 10m.")
@click.option("--url", help="Of a service that tells its own figures: Groundlight's "
              "/status/resources.json, or a Prometheus endpoint; this host if left out.")  # fmt: skip
@click.option("--interval", metavar="TIME", default="1s", show_default=True,
              help="Between two samples.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("plots"),
              show_default=True, help="Folder for the graphs.")  # fmt: skip
@click.option("--log", type=click.Path(path_type=Path), help="Write a log, too.")
def monitor(duration: str, url: str | None, interval: str, output: Path, log: Path | None) -> None:
    """Watch CPU, memory, GPUs and network of this host, or of a service."""
    from asyncload.commands.monitor import monitor_command

    sys.exit(monitor_command(duration=duration, url=url, interval=interval, output=output, log=log))


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port; a free one by default.")
@click.option("--region", default="us-west-2", show_default=True)
@click.option("--config", type=click.Path(path_type=Path),
              help="Take the settings of the simulated service from this config's `local`.")  # fmt: skip
def local(port: int | None, region: str, config: Path | None) -> None:
    """Run the embedded stack on its own, until Ctrl-C."""
    from asyncload.commands.local import local_command

    local_command(port=port, region=region, config=config)
