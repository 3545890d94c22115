# SPDX-License-Identifier: Apache-2.0
"""The command line of the estimate: `python -m hw.estimate --help`."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sw_quant.errors import FpqvarError, UsageError

from .catalog import Unit, headline_units, module_units, parameters_of, part_units
from .measure import Row, measure
from .synthesis import DEVICES, Design, Device
from .table import commit, row_data, row_table, tool_versions, write_json

__all__ = ["app", "main"]

app = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False)
TITLES = {
    "dot": "Dot units with their group accumulators",
    "peer": "Peers: plain descriptions of the same",
    "part": "Parts",
    "module": "Modules of hw/rtl with their default parameters",
    "core": "The whole core",
}


class DeviceName(str, Enum):
    """Families of devices."""

    ultrascale = "ultrascale"
    series7 = "series7"
    all = "all"


def _selected(names: Sequence[str], settings: Sequence[str], format: str, quick: bool) -> list[Unit]:
    parameters = dict(_setting(text) for text in settings)
    if names:
        chosen = []
        for name in names:
            unknown = sorted(set(parameters) - set(parameters_of(name)))
            if unknown:
                known = ", ".join(parameters_of(name)) or "none"
                raise UsageError(f"--param {unknown[0]}: {name} has no such parameter; it has: {known}")
            label = name + "".join(f" {key}={value}" for key, value in parameters.items())
            chosen.append(Unit(label, Design(name, parameters), "module"))
        return chosen
    if parameters:
        raise UsageError("--param needs --module: it sets that module's parameters")
    units = [*headline_units(), *part_units(), *([] if quick else module_units())]
    return [unit for unit in units if not format or unit.format in ("", format)]


def _setting(text: str) -> tuple[str, int]:
    name, equals, value = text.partition("=")
    if not equals or not value.lstrip("-").isdigit():
        raise UsageError(f"--param {text}: write NAME=NUMBER")
    return name, int(value)


def _measure_all(
    work: Sequence[tuple[Unit, Device]], jobs: int, check: bool, quick: bool, errors: Console
) -> tuple[list[Row], list[str]]:
    """All rows in the order of `work`, and what was refused."""
    rows, failures = dict[int, Row](), []
    columns = (TextColumn("[progress.description]{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=errors) as bar, ThreadPoolExecutor(jobs) as pool:
        task = bar.add_task("synthesize, count, verify", total=len(work))
        futures = {pool.submit(measure, unit, device, check, quick): i for i, (unit, device) in enumerate(work)}
        try:
            for future in as_completed(futures):
                try:
                    rows[futures[future]] = future.result()
                except FpqvarError as error:
                    failures.append(str(error))
                bar.update(task, advance=1, description=work[futures[future]][0].name)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return [rows[i] for i in sorted(rows)], failures


@app.command()
def estimate(
    device: Annotated[DeviceName, typer.Option(help="Family of devices.")] = DeviceName.all,
    format: Annotated[str, typer.Option(help="Only this format's units: fp4, fp6, int4, int8.")] = "",
    module: Annotated[list[str] | None, typer.Option(help="Only this module of hw/rtl (may be repeated).")] = None,
    param: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER: a parameter of --module.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Dot units, peers and parts; shorter simulations.")] = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Count only: verify nothing, write no report.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Units at a time.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("out/estimate"),
) -> None:
    """What the RTL costs: LUTs, registers, DSP slices, memory and logic depth by open synthesis (Yosys).

    Every netlist is simulated in lockstep with its source before its row is believed. There is no place and route
    here, so there are no clock rates. Results are cached in build/estimate by the contents of their sources.
    """
    if format not in ("", "fp4", "fp6", "int4", "int8"):
        raise UsageError(f"--format {format}: choose fp4, fp6, int4 or int8")
    devices = list(DEVICES.values()) if device == DeviceName.all else [DEVICES[device.value]]
    units = _selected(module or [], param or [], format, quick)
    console, errors = Console(), Console(stderr=True)
    work = [(unit, one) for one in devices for unit in units]
    rows, failures = _measure_all(work, jobs, not no_check, quick, errors)
    for one in devices:
        for group, title in TITLES.items():
            chosen = [row for row in rows if row.device == one.name and row.unit.group == group]
            if chosen:
                console.print(row_table(f"{title}, {one.name}", chosen))
    for failure in failures:
        errors.print(f"refused: {failure}", style="red", markup=False)
    if not no_check and not module:
        data = {"commit": commit(), "tools": tool_versions(), "rows": [row_data(row) for row in rows]}
        write_json(out / "estimate.json", data)
        console.print(f"Written: {out / 'estimate.json'}")
    if failures:
        raise FpqvarError(f"estimate: {len(failures)} of {len(work)} units were refused")


def main() -> None:
    """Run the command line and leave the process with its exit code: 0 done, 1 failed, 2 wrong usage."""
    try:
        app(prog_name="python -m hw.estimate")
    except FpqvarError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
