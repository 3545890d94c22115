# SPDX-License-Identifier: Apache-2.0
"""`make synth`, `make hls-csim` and `make hls-cosim`: the command line of hw.synth."""

import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from host._generated import BOARDS, Core
from host.manifest import Manifest
from hw.synth.config import make_job
from hw.synth.deliver import BITSTREAMS, deliver
from hw.synth.flow import TITLES, Build, check_timing, default_work, hls_stage, stages
from hw.synth.process import ToolFailure
from hw.synth.reports import read_hls
from hw.synth.sources import lay_out
from hw.synth.stages import Stage, locked, run_stages, standing
from hw.synth.tcl import Layout
from hw.synth.tools import HlsWay, find_hls, find_vivado
from sw_quant.errors import FpqvarError

__all__ = ["app", "main"]

app = typer.Typer(
    name="python -m hw.synth",
    help="From the engine's sources to a bitstream, by AMD's tools.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
_BOARD = typer.Argument(help=f"{', '.join(BOARDS)}.")
_FORMAT = typer.Argument(help="fp4, fp6, ... as far as hw/spec/boards.toml has a geometry.")
_CLOCK = typer.Option(help="MHz; default: the board's.")
_WORK = typer.Option(help="Folder of the build; default: build/synth/<board>-<format>-<core>.")
_HOURS = typer.Option(min=0.001, help="Time limit of each stage; default: by stage.")


@app.command()
def build(
    board: Annotated[str, _BOARD],
    format: Annotated[str, _FORMAT] = "fp4",
    core: Annotated[str, typer.Argument(help="rtl or hls.")] = "rtl",
    clock: Annotated[float | None, _CLOCK] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes of Vivado.")] = 4,
    hours: Annotated[float | None, _HOURS] = None,
    allow_timing: Annotated[bool, typer.Option("--allow-timing", help="Keep an image that misses its clock.")] = False,
    noc_solution: Annotated[Path | None, typer.Option(help="Versal: the .ncr of the boot image to fit.")] = None,
    work: Annotated[Path | None, _WORK] = None,
    out: Annotated[Path, typer.Option(help="Folder of bitstream folders.")] = BITSTREAMS,
    show: Annotated[bool, typer.Option("--show", help="Only show which stages are done.")] = False,
) -> None:
    """Build bitstreams/<board>-<format>-<core>: image, .hwh, reports, manifest.

    Stages that are done are not done again: an interrupted build goes on where it stopped, and a changed source starts
    it where it counts. Logs are kept in the build's folder.

    [bold]make synth BOARD=kv260 FORMAT=fp4[/bold]            the RTL core
    [bold]make synth BOARD=pynq-z2 FORMAT=fp6 CORE=hls[/bold]  the HLS core
    [bold]make synth BOARD=zcu104 CLOCK=250[/bold]            another clock
    """
    job = make_job(board, format, core, clock, noc_solution)
    try:
        vivado, hls_tools = find_vivado(job), find_hls(job) if job.core is Core.HLS else None
    except FpqvarError:
        if not show:
            raise
        vivado, hls_tools = None, None
    layout = Layout((work or default_work(job)).absolute())
    if show:
        _show(Build(job, layout, vivado, hls_tools))
        return
    console = Console(stderr=True)
    with locked(layout.work), console.status("") as status:
        made = Build(job, layout, vivado, hls_tools, jobs, hours, lambda line: status.update(escape(line[:100])))
        made.prepare()
        every = stages(made)
        _run(every, layout, console, before="image")
        timing = check_timing(job, layout.out / "timing.rpt", allow_timing)
        _run(every, layout, console, told=len(every) - 1)
        manifest = deliver(made, timing, out / job.name)
    Console().print(_table(manifest))
    if job.core is Core.HLS:
        _tell_hls(layout.out / "csynth.xml")
    typer.echo(f"{out / job.name}: copy the folder to the board's bitstreams/, see bitstreams/README.md")


@app.command()
def simulate(
    board: Annotated[str, _BOARD],
    format: Annotated[str, _FORMAT] = "fp4",
    step: Annotated[str, typer.Argument(help="csim, or cosim (after synthesis, in RTL; hours).")] = "csim",
    clock: Annotated[float | None, _CLOCK] = None,
    hours: Annotated[float | None, _HOURS] = None,
    work: Annotated[Path | None, _WORK] = None,
) -> None:
    """Run the HLS core's bench in Vitis HLS: C simulation, or co-simulation of what was synthesized.

    [bold]make hls-csim BOARD=kv260 FORMAT=fp4[/bold]
    """
    if step not in ("csim", "cosim"):
        raise typer.BadParameter("one of csim, cosim", param_hint="step")
    job = make_job(board, format, "hls", clock)
    tools = find_hls(job)
    layout = Layout((work or default_work(job)).absolute())
    console = Console(stderr=True)
    with locked(layout.work), console.status("") as status:
        made = Build(job, layout, None, tools, 1, hours, lambda line: status.update(escape(line[:100])))
        # run.tcl synthesizes before it co-simulates; vitis-run wants that done.
        before = ["csynth"] if step == "cosim" and tools.way is HlsWay.CONFIG else []
        _run([hls_stage(made, name) for name in (*before, step)], layout, console)
    typer.echo(f"{job.name}: {TITLES[step]} passed; log {layout.logs / f'{step}.log'}")


def _run(every: list[Stage], layout: Layout, console: Console, before: str | None = None, told: int = 0) -> None:
    """Run stages; of the first `told` ones the user has heard."""

    def tell(stage: Stage, done: bool) -> None:
        if every.index(stage) >= told:
            what = "done before" if done else f"running, log {layout.logs / stage.name}.log"
            console.print(
                f"{every.index(stage) + 1}. {stage.title}: {what}", markup=False, highlight=False, soft_wrap=True
            )

    try:
        run_stages(every, layout.work / "stamps", tell, before)
    except ToolFailure as failure:
        raise FpqvarError(f"{failure}\nRun the same again to go on from this stage.") from failure


def _show(build: Build) -> None:
    """Which stages are done. Nothing in the build's folder is touched: another process may be building there."""
    job, layout = build.job, build.layout
    table = Table(title=f"{job.name} in {layout.work}")
    for heading in ("stage", "what", "done"):
        table.add_column(heading)
    with tempfile.TemporaryDirectory() as folder:
        build.rtl = Path(folder) / "rtl"
        if job.core is Core.RTL:
            lay_out(job, build.rtl)
        for stage, _, done in standing(stages(build), layout.work / "stamps"):
            table.add_row(stage.name, stage.title, "yes" if done else "no")
    if build.vivado is None:
        table.caption = "Without the tools on PATH, what other versions did counts as not done."
    Console().print(table)


def _table(manifest: Manifest) -> Table:
    table = Table(title=f"{manifest.board}, {manifest.family}, {manifest.core} core, {manifest.clock_mhz:g} MHz")
    table.add_column("")
    table.add_column("used", justify="right")
    table.add_column("of", justify="right")
    table.add_column("%", justify="right")
    for name, item in manifest.utilization.items():
        share = 100 * item.used / item.available if item.available else 0.0
        table.add_row(name, f"{item.used:g}", f"{item.available:g}", f"{share:.1f}")
    table.caption = (
        f"worst slack: setup {manifest.setup_slack_ns:g} ns, hold {manifest.hold_slack_ns:g} ns, "
        f"pulse width {manifest.pulse_slack_ns:g} ns"
    )
    return table


def _tell_hls(report: Path) -> None:
    """What Vitis HLS had expected, beside what became of it."""
    if report.is_file():
        found = read_hls(report)
        used = ", ".join(f"{value} {name}" for name, value in found.used.items())
        typer.echo(f"Vitis HLS had estimated {found.estimated_ns:g} ns for {found.target_ns:g} ns, and {used}")


def main() -> None:
    """Run, and leave with an exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 ended by SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that a tool that runs is ended too
    try:
        app(prog_name="python -m hw.synth")
    except FpqvarError as error:
        typer.echo(f"synth: {error}", err=True)
        sys.exit(error.exit_code)
