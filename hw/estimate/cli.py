# SPDX-License-Identifier: Apache-2.0
"""The command line of the estimate: `python -m hw.estimate --help`."""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hw.spec.schema import load
from sw_quant.errors import FpqvarError, UsageError

from .boards import DEVICE_OF, Fit, fits, spec_geometry
from .catalog import Unit, headline_units, module_units, parameters_of, part_units
from .core import Core, Geometry, core, flat
from .measure import Row, measure
from .report import FLAT, ONE_BANK, board_table, core_table, write_report
from .synthesis import DEVICES, Design, Device
from .table import row_table

__all__ = ["app", "main"]

app = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False)
TITLES = {
    "dot": "Dot units with their group accumulators",
    "peer": "Peers: plain descriptions of the same",
    "part": "Parts",
    "module": "Modules of hw/rtl with their default parameters",
}


T = TypeVar("T")


class DeviceName(str, Enum):
    """Families of devices."""

    ultrascale = "ultrascale"
    series7 = "series7"
    all = "all"


def _selected(names: Sequence[str], settings: Sequence[str], format: str, every: bool) -> list[Unit]:
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
    units = [*headline_units(), *part_units(), *(module_units() if every else [])]
    return [unit for unit in units if not format or unit.format in ("", format)]


def _built_for(unit: Unit) -> list[Device]:
    return [one for key, one in DEVICES.items() if key in (unit.devices or DEVICES)]


def _setting(text: str) -> tuple[str, int]:
    name, equals, value = text.partition("=")
    if not equals or not value.lstrip("-").isdigit():
        raise UsageError(f"--param {text}: write NAME=NUMBER")
    return name, int(value)


def _all(
    titles: Sequence[str], calls: Sequence[Callable[[], T]], jobs: int, console: Console
) -> tuple[list[T], list[str]]:
    """What the calls give, in their order, `jobs` at a time under a progress bar; and what was refused."""
    done, failures = dict[int, T](), list[str]()
    if not calls:
        return [], []
    columns = (TextColumn("[progress.description]{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as bar, ThreadPoolExecutor(jobs) as pool:
        task = bar.add_task("synthesize, count, verify", total=len(calls))
        futures = {pool.submit(call): i for i, call in enumerate(calls)}
        try:
            for future in as_completed(futures):
                try:
                    done[futures[future]] = future.result()
                except FpqvarError as error:
                    failures.append(f"{titles[futures[future]]}: {error}")
                bar.update(task, advance=1, description=titles[futures[future]])
                if not console.is_terminal:  # no bar is drawn: a line tells that it goes on
                    said = f"[{bar.tasks[0].completed:.0f}/{len(calls)}] {titles[futures[future]]}"
                    console.print(said, markup=False, highlight=False)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return [done[i] for i in sorted(done)], failures


def _wanted_cores(devices: Sequence[Device], format: str, quick: bool) -> list[tuple[str, Geometry, Device]]:
    """Cores to count by parts: the one that is also synthesized flat, and those of the spec's boards."""
    wanted = [("fp4", FLAT, one) for one in devices]
    for name, board in [] if quick else load().boards.boards.items():
        device = DEVICES[DEVICE_OF[board.device]]
        wanted += [(family, spec_geometry(name, family), device) for family in board.geometry if device in devices]
    if not quick:
        wanted += [(family, spec_geometry("kv260", "fp4"), devices[0]) for family in ("int4", "int8")]
        wanted += [("fp4", ONE_BANK, devices[0])]
    return list(dict.fromkeys(one for one in wanted if format in ("", one[0])))


def _board_fits(cores: Sequence[tuple[str, Core]]) -> list[Fit]:
    """The boards whose geometry was counted. cores: each with its key in DEVICES."""
    found = []
    for family in ("fp4", "fp6"):
        mine = [(key, core) for key, core in cores if core.family == family]
        of_board = {
            name: core
            for name, board in load().boards.boards.items()
            for key, core in mine
            if key == DEVICE_OF[board.device] and core.geometry == spec_geometry(name, family)
        }
        found += fits(family, of_board, {key: [c for k, c in mine if k == key] for key, _ in mine})
    return found


@app.command()
def estimate(
    device: Annotated[DeviceName, typer.Option(help="Family of devices.")] = DeviceName.all,
    format: Annotated[str, typer.Option(help="Only this format's units: fp4, fp6, int4, int8.")] = "",
    module: Annotated[list[str] | None, typer.Option(help="Only this module of hw/rtl (may be repeated).")] = None,
    param: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER: a parameter of --module.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every module with its default parameters, too (hours).")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="No boards' cores; shorter simulations.")] = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Count only: verify nothing, write no report.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Units at a time.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("out/estimate"),
) -> None:
    """What the RTL costs: LUTs, registers, DSP slices, memory and logic depth by open synthesis (Yosys).

    Every netlist is simulated in lockstep with its source before its row is believed. There is no place and route
    here, so there are no clock rates. Results are cached in build/estimate by the contents of their sources.

    Dot units, peers and parts come first, then the core of each board by its parts: each module as the board has it.
    """
    if format not in ("", "fp4", "fp6", "int4", "int8"):
        raise UsageError(f"--format {format}: choose fp4, fp6, int4 or int8")
    devices = list(DEVICES.values()) if device == DeviceName.all else [DEVICES[device.value]]
    units = _selected(module or [], param or [], format, every)
    console = Console() if sys.stdout.isatty() else Console(width=170)  # a file takes whole rows
    errors, check = Console(stderr=True), not no_check
    work = [(unit, one) for one in devices for unit in units if module or one in _built_for(unit)]
    rows, failures = _all(
        [unit.name for unit, _ in work], [partial(measure, *one, check, quick) for one in work], jobs, errors
    )
    for one in devices:
        for group, title in TITLES.items():
            chosen = [row for row in rows if row.device == one.name and row.unit.group == group]
            if chosen:
                console.print(row_table(f"{title}, {one.name}", chosen))
    wanted = [] if module else _wanted_cores(devices, format, quick)
    names = [f"core {family} {geometry}, {one.name}" for family, geometry, one in wanted]
    cores, refused = _all(names, [partial(core, *one, check, quick) for one in wanted], jobs, errors)
    failures += refused
    flats: list[Row] = []
    if wanted and not quick and format in ("", "fp4"):
        flats, refused = _all(["flat core"], [partial(flat, "fp4", FLAT, devices[0], check)], 1, errors)
        failures += refused
    for one_core in cores:
        console.print(core_table(one_core))
    small = next((one for one in cores if one.geometry == FLAT and one.device == devices[0].name), None)
    if flats and small:
        console.print(row_table("The core synthesized whole", flats))
        console.print(f"By parts {small.sites:,} LUT, {small.sites / flats[0].count.sites - 1:+.1%} of that")
    keys = {one.name: key for key, one in DEVICES.items()}
    found = _board_fits([(keys[one.device], one) for one in cores])
    if found:
        console.print(board_table(found))
    for failure in failures:
        errors.print(f"refused: {failure}", style="red", markup=False)
    if check and not module:
        for path in write_report(out, rows, cores, found, flats[0] if flats else None, small):
            console.print(f"Written: {path}")
    if failures:
        raise FpqvarError(f"estimate: {len(failures)} of {len(work) + len(wanted)} were refused; see above")


def main() -> None:
    """Run the command line and leave the process with its exit code: 0 done, 1 failed, 2 wrong usage."""
    try:
        app(prog_name="python -m hw.estimate")
    except FpqvarError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
