# SPDX-License-Identifier: Apache-2.0
"""The `fpqvar` command line. Each command lives in a module of its own and imports torch only when it runs.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. A failure is one message on stderr; `--debug` shows more.
"""

import sys
from collections.abc import Callable

import typer

from host import __version__
from host.cli.bench import bench as _bench
from host.cli.calibrate import calibrate as _calibrate
from host.cli.calibrate import search as _search
from host.cli.demo import demo as _demo
from host.cli.doctor import doctor as _doctor
from host.cli.evaluate import evaluate as _evaluate
from host.cli.explain import explain as _explain_layer
from host.cli.export import export as _export
from host.cli.generate import generate as _generate
from host.cli.perf import perf as _perf
from host.cli.quantize import quantize as _quantize
from host.cli.table import table as _table
from host.cli.twin import twin as _twin
from sw_quant.errors import FpqvarError

__all__ = ["app", "main"]

app = typer.Typer(
    name="fpqvar",
    help="VAR image transformers in FP4 and FP6, with a bit-exact engine for AMD FPGAs.\n\n"
    "Start with [bold]fpqvar demo[/bold], or with [bold]fpqvar generate --classes 0,1,2 --out out/first[/bold].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fpqvar {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error. Works in any place."),
) -> None:
    pass


_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Use": (_demo, _generate, _quantize, _calibrate, _search, _explain_layer, _export, _evaluate, _table, _twin),
    "Check": (_bench, _perf, _doctor),
}
for _panel, _commands in _COMMANDS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    debug = "--debug" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        app(arguments, prog_name="fpqvar")
    except Exception as error:
        if debug:
            raise
        message, code = _explain(error)
        typer.echo(f"fpqvar: {message}", err=True)
        sys.exit(code)


def _explain(error: Exception) -> tuple[str, int]:
    """One message, and the exit code."""
    if isinstance(error, FpqvarError):
        return str(error), error.exit_code
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"this needs the Python package {error.name!r}, which is not installed; see `fpqvar doctor`", 1
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}", 1
    return f"internal error, {type(error).__name__}: {error}; run the same with --debug and report what it shows", 1
