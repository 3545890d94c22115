# SPDX-License-Identifier: Apache-2.0
"""Captures the inputs of linear layers while the float model draws images: bounded memory, resumable.

For each layer and each scale step a reservoir keeps a uniform sample of the rows that came by (algorithm R; Vitter,
1985), in half precision. Early scales have few rows and late ones many, so each step has a reservoir of its own: an
outlier that comes and goes with the scale (FPQVAR, section 3.2) is seen. A folder of captures:

    meta.json            model, layers, steps, rows kept, images drawn
    <layer>.npy          float16 [steps, rows, K], memory-mapped: what does not fit in memory stays on disk

Which row a newcomer replaces is a function of the seed, the layer and the row's number, so an interrupted capture goes
on as if nothing had been.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from sw_quant.errors import FpqvarError
from sw_quant.executor import to_halves
from sw_quant.files import ensure_writable, new_file
from sw_quant.var import LinearLayer
from sw_quant.var.checkpoint import LoadedModel
from sw_quant.var.philox import numpy_uniforms

__all__ = ["Captures", "Plan", "Reservoir", "capture", "open_captures"]

META = "meta.json"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """What is captured: of which model, from how many images, and how many rows a layer and step are kept.

    `layers` are the layers' names. Images are of class i % classes, by the seeds `seed`, `seed` + 1, ...
    """

    model: str
    images: int
    rows: int
    layers: tuple[str, ...]
    steps: int
    seed: int = 0
    cfg: float = 1.5
    top_k: int = 0
    top_p: float = 0.0


class Reservoir:
    """A uniform sample of the rows that came by. `store` is float16 [rows, K], `seen` how many came so far."""

    def __init__(self, store: npt.NDArray[np.float16], seed: int, seen: int = 0) -> None:
        self.store, self.seen, self._seed = store, seen, seed

    @property
    def kept(self) -> npt.NDArray[np.float16]:
        """The sample."""
        return self.store[: min(self.seen, len(self.store))]

    def add(self, rows: npt.NDArray[np.float16]) -> None:
        """Rows [M, K] come by."""
        room = len(self.store)
        numbers = np.arange(self.seen, self.seen + len(rows))
        places = numbers.copy()
        late = numbers >= room
        if late.any():
            draws = numpy_uniforms([self._seed], len(rows), self.seen)[0][late]
            places[late] = (draws * (numbers[late] + 1)).astype(np.int64)
        stays = places < room
        # Several newcomers may draw one place; the last one has it, as if they had come one after the other.
        for place, row in zip(places[stays], rows[stays], strict=True):
            self.store[place] = row
        self.seen += len(rows)


@dataclass(frozen=True)
class Captures:
    """A folder of captures, opened."""

    folder: Path
    plan: Plan
    seen: dict[str, list[int]]

    def layer(self, name: str) -> list[Tensor]:
        """A layer's sample for each scale step, float32 [rows, K]."""
        store = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return [
            torch.from_numpy(np.array(store[step, : min(seen, self.plan.rows)], np.float32))
            for step, seen in enumerate(self.seen[name])
        ]


def open_captures(folder: Path, model: str | None = None) -> Captures:
    """Open a finished folder; `model` is the checkpoint's SHA-256 that it must be of.

    Raises FpqvarError when there is none, it is not finished, damaged, or of another model.
    """
    plan, seen, done = _read_meta(folder)
    if model is not None and plan.model != model:
        raise FpqvarError(
            f"{folder}: captured from another model (checkpoint {plan.model[:12]}…, not {model[:12]}…); capture anew "
            "with `fpqvar calibrate`, into another folder"
        )
    if done < plan.images:
        raise FpqvarError(f"{folder}: {done} of {plan.images} images captured; go on with the same `fpqvar calibrate`")
    for name in plan.layers:
        _check_store(folder / f"{name}.npy", (plan.steps, plan.rows))
    return Captures(folder, plan, seen)


def _read_meta(folder: Path) -> tuple[Plan, dict[str, list[int]], int]:
    path = folder / META
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        plan = Plan(**data["plan"] | {"layers": tuple(data["plan"]["layers"])})
        return plan, {name: list(map(int, counts)) for name, counts in data["seen"].items()}, int(data["done"])
    except FileNotFoundError as error:
        raise FpqvarError(f"{path} is missing; make it with `fpqvar calibrate`") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FpqvarError(
            f"{path}: no captures of this version ({error}); remove the folder and capture anew"
        ) from error


@torch.no_grad()
def capture(
    model: LoadedModel,
    plan: Plan,
    folder: Path,
    batch: int = 8,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Captures:
    """Draw images in float and keep samples of the layers' inputs; goes on where an interrupted capture stopped.

    Args:
        model: the model.
        plan: what to capture.
        folder: where; made if need be.
        batch: images at a time; a folder is saved after each batch.
        device: where to draw.
        progress: told images done and of all.

    Raises FpqvarError when the folder holds another plan's captures, or an activation does not fit half precision.
    """
    ensure_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    seen = {name: [0] * plan.steps for name in plan.layers}
    done = 0
    if (folder / META).exists():
        old, seen, done = _read_meta(folder)
        if old != plan:
            was, now = asdict(old), asdict(plan)
            changed = [f"{key} {_short(was[key])}, not {_short(now[key])}" for key in now if was[key] != now[key]]
            raise FpqvarError(f"{folder} holds captures with {'; '.join(changed)}: choose another folder, or remove it")
    linears = model.var.linear_layers()
    stores = {
        name: _store(folder / f"{name}.npy", (plan.steps, plan.rows, linears[name].weight.shape[1]), done > 0)
        for name in plan.layers
    }
    var = model.var.to(device)
    var.vqvae.to(device)
    before = var.linear
    try:
        while done < plan.images:
            count = min(batch, plan.images - done)
            taker = _Taker(plan, stores, seen, var.linear_layers())
            var.linear = taker
            images = range(done, done + count)
            labels = torch.tensor([i % model.config.classes for i in images], device=device)
            seeds = [plan.seed + i for i in images]
            var.generate_tokens(labels, 0, plan.cfg, plan.top_k, plan.top_p, image_seeds=seeds)
            for store in stores.values():
                store.flush()
            done += count
            _write_meta(folder, plan, seen, done)
            if progress is not None:
                progress(done, plan.images)
    finally:
        var.linear = before
    return open_captures(folder)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"


def _store(path: Path, shape: tuple[int, int, int], there: bool) -> np.memmap[Any, np.dtype[np.float16]]:
    """A layer's file, new, or as it was left. Mapped to be written, a cut one would grow again, by zeros."""
    if not there:
        return np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)  # type: ignore[no-any-return,no-untyped-call]
    _check_store(path, shape)
    return np.lib.format.open_memmap(path, mode="r+")  # type: ignore[no-any-return,no-untyped-call]


def _check_store(path: Path, shape: tuple[int, ...]) -> None:
    """Refuse a file that is not float16 of a shape that begins so, or is not whole."""
    again = "remove the folder and capture anew"
    if not path.is_file():
        raise FpqvarError(f"{path} is missing; {again}")
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FpqvarError(f"{path}: damaged or cut off ({error}); {again}") from error
    if found.ndim != 3 or found.shape[: len(shape)] != shape or found.dtype != np.float16:
        raise FpqvarError(f"{path}: {found.dtype} {list(found.shape)}, not float16 {list(shape)}; {again}")


def _write_meta(folder: Path, plan: Plan, seen: dict[str, list[int]], done: int) -> None:
    with new_file(folder / META) as aside:
        aside.write_text(json.dumps({"plan": asdict(plan), "seen": seen, "done": done}, indent=1), encoding="utf-8")


class _Taker:
    """An executor that computes in float and takes samples. A layer's call number is its scale step."""

    def __init__(
        self,
        plan: Plan,
        stores: dict[str, Any],
        seen: dict[str, list[int]],
        layers: dict[str, LinearLayer],
    ) -> None:
        self._plan, self._stores, self._seen, self._layers = plan, stores, seen, layers
        self._calls = dict.fromkeys(layers, 0)

    def __call__(self, name: str, x: Tensor) -> Tensor:
        step, self._calls[name] = self._calls[name], self._calls[name] + 1
        if name in self._stores:
            seed = self._plan.seed + 1_000_003 * self._plan.layers.index(name) + step
            reservoir = Reservoir(self._stores[name][step], seed, self._seen[name][step])
            reservoir.add(to_halves(name, x).cpu().numpy())
            self._seen[name][step] = reservoir.seen
        return F.linear(x, *self._layers[name])


def every_layer(model: LoadedModel, kinds: Sequence[str]) -> tuple[str, ...]:
    """The names of all layers of some kinds."""
    return tuple(name for name in model.var.linear_layers() if name.rpartition(".")[2] in kinds)
