"""Costs as tables in the terminal."""

from __future__ import annotations

from decimal import Decimal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from asyncload.cost.report import CostReport, Figures
from asyncload.cost.totals import Totals
from asyncload.cost.window import format_time
from asyncload.report.tables.layout import indented, plain_table, shortened
from asyncload.stats import units


def print_report(report: CostReport, console: Console) -> None:
    """Print the totals of the run, its cost, and the cost of each service."""
    console.print(Text("Run", "bold"))
    indented(_run(report), console)
    console.print()
    aside = f"{report.metric} from AWS Cost Explorer"
    console.print(Text("Cost", "bold").append(f"  {aside}", "not bold dim"))
    indented(Text(_window(report)), console)
    console.print()
    indented(_figures(report), console)
    indented(Text(_assumed(report), "dim"), console)
    console.print()
    console.print(Text("Services", "bold").append("  in all of that time", "not bold dim"))
    indented(_services(report, console.width), console)
    if report.notes:
        console.print()
    for note in report.notes:
        console.print(Text(f"Note: {units.one_line(note)}.", "yellow"))


def _run(report: CostReport) -> Table:
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    run, totals = report.run, report.totals
    facts.add_row("from", format_time(run.start))
    length = units.clock((run.stop - run.start).total_seconds())
    facts.add_row("to", f"{format_time(run.stop)}, {length} later")
    if totals is not None:
        facts.add_row("images", _images(totals))
        gib, gigapixels = totals.total_gb_processed, totals.gigapixels
        processed = [] if gib is None else [f"{units.digits(gib)} GiB"]
        processed += [] if gigapixels is None else [f"{units.digits(gigapixels)} gigapixels"]
        facts.add_row("processed", ", ".join(processed) or units.NO_VALUE)
    return facts


def _images(totals: Totals) -> str:
    parts = (
        (totals.total_image_sent, "sent"),
        (totals.total_image_processed, "processed"),
        (totals.total_image_succeeded, "succeeded"),
        (totals.total_image_failed, "failed"),
        (totals.total_image_in_progress, "in progress"),
    )
    known = [f"{units.count(number)} {what}" for number, what in parts if number is not None]
    return ", ".join(known) or units.NO_VALUE


def _window(report: CostReport) -> str:
    window = report.window
    unit = "day" if report.granularity == "daily" else "hour"
    number = window.hours / 24 if unit == "day" else window.hours
    text = (
        f"{units.counted(float(number), f'whole {unit}')}, "
        f"{window.start:%Y-%m-%d %H:%M} to {window.stop:%Y-%m-%d %H:%M} UTC"
    )
    if report.share == 1:
        return f"{text}: as long as the run"
    return f"{text}; the run is {units.percent(float(report.share))} of that time"


def _assumed(report: CostReport) -> str:
    if report.share == 1:
        return "as if nothing else had cost anything in that time"
    return (
        "all of it: as if nothing else had cost anything in that time; "
        "share of the time: as if all costs came about evenly over it"
    )


def _figures(report: CostReport) -> Table:
    """What the run cost, on both assumptions where they differ."""
    columns = [("", "left"), ("all of it", "right"), ("share of the time", "right"), ("", "left")]
    pairs = list(zip(_lines(report.whole), _lines(report.by_time), strict=True))
    if report.share == 1:
        del columns[2]
    table = plain_table(columns, header=report.share != 1)
    for (label, whole), (_, by_time) in pairs:
        bold = "bold" if label == "total" else ""
        cells = [_money(whole, report.costs.currency, bold)]
        if report.share != 1:
            cells.append(_money(by_time, report.costs.currency, bold))
        why = _why_not(label, report.totals) if whole is None else ""
        table.add_row(Text(label, "dim"), *cells, Text(why, "dim"))
    return table


def _lines(figures: Figures) -> list[tuple[str, Decimal | None]]:
    return [
        ("total", figures.total),
        ("per hour of the run", figures.per_hour),
        ("per image", figures.per_image),
        ("per GiB", figures.per_gb),
        ("per gigapixel", figures.per_gigapixel),
    ]


def _why_not(label: str, totals: Totals | None) -> str:
    if totals is None:
        return "not known without a summary"
    known = {
        "per image": totals.total_image_processed,
        "per GiB": totals.total_gb_processed,
        "per gigapixel": totals.total_pixels_processed,
    }
    return "not in the summary" if known[label] is None else "nothing was processed"


def _services(report: CostReport, width: int) -> Table:
    costs = report.costs
    table = plain_table([("", "left"), ("", "right"), ("", "right")], header=False)
    whole = costs.total
    shares = whole > 0 and min(costs.by_service.values()) >= 0
    for name, cost in costs.by_service.items():
        share = _percent(cost / whole) if shares else ""
        label = shortened(Text(units.one_line(name), "cyan"), max(width - 40, 20))
        table.add_row(label, _money(cost, costs.currency), Text(share, "dim"))
    return table


def _percent(share: Decimal) -> str:
    return "< 0.1 %" if 0 < share < Decimal("0.0005") else f"{100 * share:.1f} %"


def _money(value: Decimal | None, currency: str, style: str = "") -> Text:
    return Text(units.NO_VALUE if value is None else units.money(value, currency), style)
