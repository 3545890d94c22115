# SPDX-License-Identifier: Apache-2.0
"""`fpqvar perf`: how well the RTL engine uses its multipliers and the board's memory, in cycles of its own counters."""

import importlib.util
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from host import open_device
from host._generated import BOARDS, FAMILIES, SIMULATION_GEOMETRIES, Geometry
from host.cli.progress import Ticks
from host.cli.report import machine, versions, write_json
from host.devices import DEFAULT_GEOMETRY
from host.utilization import Layer, Run, block_layers, bytes_per_cycle, memory_bytes, run_list
from sw_quant.errors import UsageError
from sw_quant.files import ensure_writable

__all__ = ["perf"]

# Widths of the shipped model and of the published ones.
WIDTHS = {"fmnist": 256} | {f"d{depth}": 64 * depth for depth in (16, 20, 24, 30, 36)}
GOOD_UTILIZATION = 0.95  # of all cycles, from MANY_ROWS on
GOOD_BANDWIDTH = 0.90  # of the memory's, up to FEW_ROWS
MANY_ROWS, FEW_ROWS = 128, 32


def perf(
    out: Annotated[Path, typer.Option(help="Folder for perf.json and perf.png.")] = Path("out/perf"),
    models: Annotated[str, typer.Option(help=f"Separated by commas: {', '.join(WIDTHS)}.")] = "d16",
    formats: Annotated[str, typer.Option(help="Families, separated by commas.")] = "fp4",
    rows: Annotated[str, typer.Option(help="Tokens, the M of each layer, separated by commas.")] = "2,8,18,32,128,256",
    board: Annotated[str, typer.Option(help=f"Whose memory and clock: {', '.join(BOARDS)}.")] = "kv260",
    geometry: Annotated[
        str, typer.Option(help=f'Size of the engine: {", ".join(SIMULATION_GEOMETRIES)}, or "board" for the board\'s.')
    ] = DEFAULT_GEOMETRY,
    banks: Annotated[
        int | None,
        typer.Option(min=1, max=4, help="Split the columns into so many banks, each with its own port for W."),
    ] = None,
    columns: Annotated[int | None, typer.Option(min=32, help="Cut N down to this, to save time; K stays.")] = None,
    latency: Annotated[int, typer.Option(min=0, help="Cycles from an address to its first beat.")] = 40,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that one command list may take.")] = 600,
) -> None:
    """Simulate VAR's layers on the RTL engine, cycle by cycle, and read its counters.

    Each layer runs alone; then the whole block as one command list, plain and with the dual format for fc2.
    Utilization is the share of all cycles in which the array multiplied; bandwidth the share of the memory's bytes.

    [bold]fpqvar perf --models d16,d30 --rows 128[/bold]
        both models' layers at 128 tokens, on a KV260's memory

    [bold]fpqvar perf --board vck190 --geometry board --formats fp4,fp6 --rows 8,256[/bold]
        the engine that a VCK190 gets

    [bold]fpqvar perf --geometry board --banks 4 --rows 2,8,18,32[/bold]
        a KV260's multipliers with four memory ports for weights instead of one
    """
    counts = _numbers(rows)
    names, families = _known("model", models, WIDTHS), _known("format", formats, FAMILIES)
    rate = bytes_per_cycle(board)
    sizes = {family: _banked(_geometry(board, geometry, family), banks) for family in families}
    if columns is not None and columns % 32:
        raise UsageError(f"--columns {columns}: N is a multiple of 32")
    ensure_writable(out)
    lists = [
        (model, family, m, kind, layers)
        for family in families
        for model in names
        for m in counts
        for kind, layers in _lists(family, WIDTHS[model], columns)
    ]
    report = {"command": "perf", "board": board, "bytes_per_cycle": rate, "latency": latency, "geometry": geometry}
    report |= {"sizes": {family: asdict(size) for family, size in sizes.items()}, "columns": columns}
    report |= {"versions": versions(), "machine": machine()}
    results: list[dict[str, Any]] = []
    total = sum(_macs(m, layers) for _, _, m, _, layers in lists)
    with Ticks().bar("perf", total) as bar:
        for model, family, m, kind, layers in lists:
            need = memory_bytes(layers, m, sizes[family])
            with open_device(
                "rtl", family, sizes[family], memory_bytes=need, bytes_per_cycle=rate, latency=latency
            ) as device:
                run = run_list(device, layers, m, rate, timeout=timeout)
            results.append({"model": model, "family": family, "list": kind} | _row(run))
            # After each list: what an interrupted sweep has measured is kept.
            write_json(out / "perf.json", report | {"complete": len(results) == len(lists), "results": results})
            bar.add(_macs(m, layers))
    console = Console()
    for family in families:
        console.print(_table([item for item in results if item["family"] == family], sizes[family], board, rate))
    typer.echo(str(out / "perf.json"))
    if importlib.util.find_spec("matplotlib") is None:
        typer.echo("no picture: that needs matplotlib, pip install 'fpqvar[plot]'", err=True)
        return
    from host.cli.perf_plot import draw_perf

    draw_perf(results, out / "perf.png", GOOD_UTILIZATION, GOOD_BANDWIDTH)
    typer.echo(str(out / "perf.png"))


def _numbers(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word) > 0 for word in words):
        raise UsageError(f"--rows {text}: positive numbers separated by commas, such as 2,8,128")
    return [int(word) for word in words]


def _known(what: str, text: str, known: Any) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in known:
            raise UsageError(f"unknown {what} {word!r}; known: {', '.join(known)}")
    return words


def _geometry(board: str, name: str, family: str) -> Geometry:
    if name == "board":
        sizes = BOARDS[board].geometry
        if family not in sizes:
            raise UsageError(f"board {board} has no engine of format {family}; it has {', '.join(sizes)}")
        return sizes[family]
    if name not in SIMULATION_GEOMETRIES:
        raise UsageError(f"unknown geometry {name!r}; known: board, {', '.join(SIMULATION_GEOMETRIES)}")
    return SIMULATION_GEOMETRIES[name]


def _banked(size: Geometry, banks: int | None) -> Geometry:
    """The same multipliers in another number of banks."""
    if banks is None:
        return size
    columns = size.columns * size.banks
    if columns % (4 * banks):
        raise UsageError(f"--banks {banks}: {columns} columns cannot be split into multiples of 4")
    return replace(size, columns=columns // banks, banks=banks)


def _lists(family: str, width: int, most_n: int | None) -> list[tuple[str, list[Layer]]]:
    """Each layer alone, then the block, plain and dual."""
    dual, plain = (block_layers(family, width, is_dual, most_n) for is_dual in (True, False))
    alone = [(layer.name, [layer]) for layer in dual]
    if dual == plain:
        return [*alone, ("block", plain)]
    return [*alone, ("block", plain), ("block, dual fc2", dual)]


def _macs(rows: int, layers: Sequence[Layer]) -> int:
    return rows * sum(layer.n * layer.k * layer.passes for layer in layers)


def _row(run: Run) -> dict[str, Any]:
    single = run.layers[0] if len(run.layers) == 1 else None
    return {
        "n": single.n if single else None,
        "k": single.k if single else None,
        "activations": single.activations if single else None,
        "rows": run.rows,
        "plans": [[asdict(part) for part in plan] for plan in run.plans],
        "macs": run.macs,
        "utilization": run.utilization,
        "bandwidth": run.bandwidth,
        "weight_bandwidth": run.weight_bandwidth,
        "estimated_cycles": run.estimated_cycles,
        "counters": asdict(run.counters),
    }


def _table(results: list[dict[str, Any]], size: Geometry, board: str, rate: float) -> Table:
    shape = f"{size.rows}x{size.columns}x{size.lanes}x{size.banks}"
    macs = size.rows * size.columns * size.lanes * size.banks
    table = Table(
        title=f"{results[0]['family']}, {shape} = {macs} multiply-accumulates a cycle, {size.bus_bits}-bit ports, "
        f"memory of {board}: {rate:.1f} bytes a cycle; simulated RTL"
    )
    for name in ("model", "M", "layer", "cycles", "multiplying", "memory", "W ports"):
        table.add_column(name, justify="left" if name in ("model", "layer") else "right", no_wrap=True)
    for item in results:
        few, many = item["rows"] <= FEW_ROWS, item["rows"] >= MANY_ROWS
        table.add_row(
            item["model"],
            str(item["rows"]),
            item["list"] if item["activations"] is None else f"{item['list']} {item['activations']}",
            f"{item['counters']['busy_cycles']:,}",
            _mark(item["utilization"], GOOD_UTILIZATION, many),
            f"{item['bandwidth']:.1%}",
            _mark(item["weight_bandwidth"], GOOD_BANDWIDTH, few),
        )
    table.caption = (
        "memory: bytes moved, of those the memory gives; W ports: weights moved, of those that memory and the weights' "
        f"ports give. Goals: from M = {MANY_ROWS} on {GOOD_UTILIZATION:.0%} multiplying, up to M = {FEW_ROWS} "
        f"{GOOD_BANDWIDTH:.0%} of the weights' bandwidth. {_dual_cost(results)}"
    )
    return table


def _mark(share: float, goal: float, counts: bool) -> str:
    text = f"{share:.1%}"
    return text if not counts else f"[green]{text}[/green]" if share >= goal else f"[yellow]{text}[/yellow]"


def _dual_cost(results: list[dict[str, Any]]) -> str:
    """Cycles of the block with the dual format, over those without."""
    cycles = {(item["model"], item["rows"], item["list"]): item["counters"]["busy_cycles"] for item in results}
    costs = [
        f"{model} M = {rows}: {cycles[model, rows, 'block, dual fc2'] / count:.3f}"
        for (model, rows, kind), count in cycles.items()
        if kind == "block" and (model, rows, "block, dual fc2") in cycles
    ]
    return "Cycles of the dual block over the plain one: " + ", ".join(costs) if costs else ""
