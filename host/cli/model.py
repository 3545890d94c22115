# SPDX-License-Identifier: Apache-2.0
"""From what a user asks for (model, format, recipe, backend) to a transformer and the engines that it runs on."""

import difflib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from host import BACKENDS, Device, EngineLinears, Tandem, open_device
from host._generated import SIMULATION_GEOMETRIES
from host.cli.progress import Ticks
from host.cpu import NumpyVar
from host.runtime import family_of, memory_needed
from sw_quant.errors import UsageError

if TYPE_CHECKING:
    from host.tracing import Trace
    from sw_quant.packed import PackedModel
    from sw_quant.recipe import Recipe
    from sw_quant.var import Var
    from sw_quant.var.checkpoint import LoadedModel

__all__ = [
    "FLOAT",
    "FORMATS",
    "Model",
    "attach",
    "choose_recipe",
    "engines",
    "load",
    "open_model",
    "pack",
    "parse_classes",
    "words",
]

FLOAT = "float"
# What --format means when no --recipe is given.
_RECIPES = {"fp4": "fpqvar-fp4", "fp6": "fpqvar-fp6", "int4": "int4-rtn", "int8": "int8-rtn"}
FORMATS = (*_RECIPES, FLOAT)


@dataclass(frozen=True)
class Model:
    """A model to draw with. `packed` is None for the unquantized one."""

    name: str
    var: "Var | NumpyVar"
    class_names: tuple[str, ...]
    defaults: dict[str, float]
    packed: "PackedModel | None"

    @property
    def recipe(self) -> str:
        """The recipe's name, or "float"."""
        return self.packed.manifest.recipe.name if self.packed else FLOAT


def choose_recipe(format: str | None, recipe: str | None) -> "Recipe":
    """The recipe that is asked for by name or file, or the one that a format stands for."""
    from sw_quant.recipe import load_recipe

    if recipe is not None:
        return load_recipe(recipe)
    if format not in _RECIPES:
        raise UsageError(f"no recipe for format {format!r}; known formats: {', '.join(FORMATS)}, or give --recipe")
    return load_recipe(_RECIPES[format])


def load(name: str) -> "LoadedModel":
    """A float model by name or path."""
    from sw_quant.var.checkpoint import load_model

    return load_model(name)


def pack(
    loaded: "LoadedModel", name: str, recipe: "Recipe", ticks: Ticks, factors: Path | None = None
) -> "PackedModel":
    """Quantize a float model, with a progress bar. `factors` is a file of `fpqvar calibrate`."""
    from sw_quant.packed import Source
    from sw_quant.quantize import quantize_model
    from sw_quant.smoothing import load_factors

    smooth = None if factors is None else load_factors(factors)
    with ticks.bar(f"quantize {name} by {recipe.name}", 1.0) as bar:
        return quantize_model(
            loaded, recipe, Source(name=name, sha256=loaded.sha256), lambda done, total: bar.set(done / total), smooth
        )


def open_model(name: str, format: str | None, recipe: str | None, ticks: Ticks, classes: str = "all") -> Model:
    """Open a packed folder as it is, or a float model, quantized unless the format is float.

    `classes` are checked (see `parse_classes`) before the work of quantizing.

    Raises:
        UsageError: format and recipe do not go together, or with a packed model.
        FpqvarError: the model cannot be read.
    """
    from sw_quant.packed import is_packed, load_packed

    if format is not None and format not in FORMATS:
        raise UsageError(f"unknown format {format!r}; known: {', '.join(FORMATS)}")
    if is_packed(Path(name)):
        if recipe is not None:
            raise UsageError(f"{name} is packed already; leave --recipe {recipe} out, or give the float model")
        packed = load_packed(Path(name))
        family = family_of(packed.layers)
        if format not in (None, family):
            raise UsageError(f"{name} is packed as {family}; leave --format {format} out, or give the float model")
        manifest = packed.manifest
        return Model(name, _processors_side(packed), manifest.class_names, manifest.defaults, packed)
    if format == FLOAT and recipe is not None:
        raise UsageError(f"--format float has no recipe; leave --recipe {recipe} out")
    chosen = None if format == FLOAT else choose_recipe(format or "fp4", recipe)
    loaded = load(name)
    names, defaults = loaded.class_names, loaded.defaults
    parse_classes(classes, names)
    if chosen is None:
        return Model(name, loaded.var, names, defaults, None)
    from sw_quant.quantize import rebuild

    packed = pack(loaded, name, chosen, ticks)
    if format is not None and family_of(packed.layers) != format:
        raise UsageError(f"recipe {chosen.name} is {family_of(packed.layers)}, not {format}; leave --format out")
    return Model(name, rebuild(packed), names, defaults, packed)


def _processors_side(packed: "PackedModel") -> "Var | NumpyVar":
    """What the engine does not compute: by torch, or where it is not installed, as on most boards, by numpy."""
    if importlib.util.find_spec("torch") is None:
        return NumpyVar(packed)
    from sw_quant.quantize import rebuild

    return rebuild(packed)


def attach(var: "Var | NumpyVar", tandem: Tandem) -> None:
    """Let engines compute a transformer's linear layers."""
    if isinstance(var, NumpyVar):
        var.linear = tandem.apply
    else:
        var.linear = tandem


@contextmanager
def engines(
    packed: "PackedModel",
    backends: Sequence[str],
    rows: int,
    geometry: str,
    timeout: float,
    bitstream: Path | None = None,
    trace: "Trace | None" = None,
) -> Iterator[Tandem]:
    """Open devices, upload the weights, and close them at the end.

    Args:
        packed: the model.
        backends: device names; with more than one, every layer's bytes are compared.
        rows: the most rows of activations of a call.
        geometry: of simulated engines, by name.
        timeout: seconds for one layer.
        bitstream: the folder that the board's engine is loaded from; default: see host.bitstreams.
        trace: the call whose waveforms the rtl engine writes.

    Raises:
        UsageError: an unknown backend or geometry.
        FpqvarError: a device cannot be opened, or does not fit the model.
    """
    if geometry not in SIMULATION_GEOMETRIES:
        raise UsageError(f"unknown geometry {geometry!r}; known: {', '.join(SIMULATION_GEOMETRIES)}")
    need = memory_needed(packed.layers, SIMULATION_GEOMETRIES[geometry], rows)
    if (
        len(backends) > 1 and importlib.util.find_spec("torch") is not None
    ):  # they run at the same time: leave a core to the simulated engine
        import torch

        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    with ExitStack() as stack:
        opened = [
            stack.enter_context(
                open_device(backend, family_of(packed.layers), bitstream=bitstream)
                if backend == "pynq"
                else open_device(
                    backend,
                    family_of(packed.layers),
                    geometry,
                    memory_bytes=need,
                    **({"waves": True} if trace is not None and backend == "rtl" else {}),
                )
            )
            for backend in backends
        ]
        yield Tandem(*(_linears(device, packed, timeout, trace) for device in opened))


def _linears(device: Device, packed: "PackedModel", timeout: float, trace: "Trace | None") -> EngineLinears:
    if trace is not None and device.info.backend == "rtl":
        from host.devices.rtl import RtlDevice
        from host.tracing import TracedLinears

        assert isinstance(device, RtlDevice)
        return TracedLinears(device, packed.layers, timeout, trace)
    return EngineLinears(device, packed.layers, timeout)


def check_backend(backend: str) -> None:
    """Refuse an unknown backend before anything is loaded."""
    if backend not in (FLOAT, *BACKENDS):
        raise UsageError(f"unknown backend {backend!r}; known: {', '.join((FLOAT, *BACKENDS))}")


def words(text: str, option: str) -> list[str]:
    """The parts of a list on the command line, without spaces around them. Raises UsageError where there are none."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise UsageError(f"{option} {text!r}: give at least one, several separated by commas")
    return found


def parse_classes(text: str, names: Sequence[str]) -> list[int]:
    """Class numbers of a comma-separated list of numbers and names; "all" is all of them.

    A name may be one of several that a class has ("tench" of "tench, Tinca tinca"); case does not matter.

    Raises UsageError naming the class that is not there, and the nearest names.
    """
    if text.strip().lower() == "all":
        return list(range(len(names)))
    by_name = {part.strip().lower(): i for i, name in reversed(list(enumerate(names))) for part in name.split(",")}
    labels = []
    for item in (part.strip() for part in text.split(",")):
        label = int(item) if item.isascii() and item.isdigit() else by_name.get(item.lower(), -1)
        if not 0 <= label < len(names):
            near = difflib.get_close_matches(item.lower(), by_name, 3) or list(by_name)[:3]
            known = f"0 to {len(names) - 1}, or names such as {', '.join(repr(names[by_name[n]]) for n in near)}"
            raise UsageError(f"unknown class {item!r}; the model knows {known}")
        labels.append(label)
    return labels
