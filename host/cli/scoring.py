# SPDX-License-Identifier: Apache-2.0
"""Draws the images of one recipe, by as many processes as there are, and scores them: for `evaluate` and `table`."""

import copy
import hashlib
import json
import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from host.cli.draw import Sampling, batch_rows, draw, image_seed
from host.cli.fast import FastDrawer
from host.cli.features import Measure
from host.cli.images import to_bytes
from host.cli.model import engines, pack
from host.cli.progress import Ticks
from host.cli.report import machine, versions, write_json
from host.shards import Shards, Workers, save_npz
from sw_quant.errors import FpqvarError, UsageError

if TYPE_CHECKING:
    from sw_quant.packed import PackedModel
    from sw_quant.recipe import Recipe
    from sw_quant.var import Var
    from sw_quant.var.checkpoint import LoadedModel

__all__ = ["DEVICES", "GOLDEN", "Job", "Run", "check_backend", "check_device", "check_factors", "score_recipe"]

DEVICES = ("cpu", "cuda")
GOLDEN = "golden"


@dataclass(frozen=True)
class Run:
    """What has to be the same for results to stand in one table. `features`: see `Features.identity`."""

    model: str
    checkpoint_sha256: str
    images: int
    seed: int
    sampling: dict[str, Any]
    backend: str = GOLDEN
    features: dict[str, str] | None = None
    fast: bool = False


@dataclass(frozen=True)
class Job:
    """How to draw: none of it changes what is drawn, but `batch`, which can change float32's rounding.

    `packed` is a folder for the quantized models, for runs that share them; None: each run has its own, until it ends.
    """

    out: Path
    batch: int
    device: str
    workers: Workers
    npz: bool = False
    packed: Path | None = None

    @property
    def torch_device(self) -> str:
        """This process's own."""
        return f"cuda:{self.workers.local}" if self.device == "cuda" else self.device


def check_device(device: str) -> None:
    """Refuse an unknown or absent device."""
    import torch

    if device not in DEVICES:
        raise UsageError(f"unknown device {device!r}; known: {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no CUDA device here; use --device cpu")


def score_recipe(
    loaded: "LoadedModel", name: str, recipe: "Recipe | None", run: Run, job: Job, measure: Measure | None, ticks: Ticks
) -> dict[str, Any] | None:
    """The result of one recipe, from its file if it has been done; None in all processes but the first.

    Raises FpqvarError when the file or the images so far are of another run.
    """
    stem = re.sub(r"[^\w.-]", "_", name)
    file = job.out / f"{stem}.json"
    smooth = _factors_digest(loaded, recipe)
    found = _already(file, run, recipe, smooth)
    job.workers.wait()  # nobody may write the file before all have looked for it
    if found is not None:
        return found if job.workers.rank == 0 else None
    shards = Shards(job.out / f"{stem}.images", run.images, job.batch)
    identity = asdict(run) | {"recipe": _content(_dump(recipe)), "factors": smooth, "batch": job.batch}
    del identity["features"]  # the images are the same whatever scores them
    if not run.fast:
        del identity["fast"]
    folder = shards.folder / "packed" if job.packed is None else job.packed / f"{stem}-{_digest(run, recipe, smooth)}"
    if job.workers.rank == 0:
        shards.begin(identity)
        packed = _packed(loaded, run.model, recipe, folder, job, ticks)
    job.workers.wait()
    if job.workers.rank != 0:
        packed = _packed(loaded, run.model, recipe, folder, job, ticks)
    classes = len(loaded.class_names)
    labels = [i % classes for i in range(run.images)]
    seconds = _draw_missing(loaded, packed, labels, run, job, shards, ticks, f"{run.images} images, {name}")
    job.workers.wait()
    if job.workers.rank != 0:
        return None
    pixels = shards.load()
    if job.npz:
        save_npz(job.out / f"{stem}.npz", pixels, labels)
    scores = measure(pixels, labels) if measure is not None else {"images": run.images}
    result = {
        "name": name,
        "recipe": _dump(recipe),
        "factors": smooth,
        "run": asdict(run),
        **scores,
        "seconds": round(seconds, 1),
        "batch": job.batch,
        "device": job.device,
        "workers": job.workers.world,
        "versions": versions(),
        "machine": machine(),
    }
    write_json(file, result)
    shards.remove()
    return result


def _dump(recipe: "Recipe | None") -> dict[str, Any] | None:
    return None if recipe is None else json.loads(recipe.model_dump_json())


def _content(recipe: dict[str, Any] | None) -> dict[str, Any] | None:
    """A recipe as written, but for where its factors lie: their content is compared, not their place."""
    return None if recipe is None else {key: value for key, value in recipe.items() if key != "factors"}


def _digest(run: Run, recipe: "Recipe | None", smooth: str | None) -> str:
    """Of everything that a quantized model follows from, so that one of another recipe or model is never taken."""
    content = {"model": run.checkpoint_sha256, "recipe": _content(_dump(recipe)), "factors": smooth}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _factors_digest(loaded: "LoadedModel", recipe: "Recipe | None") -> str | None:
    """SHA-256 of the factors that a recipe asks for. Raises FpqvarError if they are not there, or of another model."""
    from sw_quant.smoothing import recipe_factors

    factors = None if recipe is None else recipe_factors(recipe, loaded)
    if factors is None:
        return None
    factors.check(loaded.config, loaded.sha256)
    return factors.digest()


def check_factors(loaded: "LoadedModel", recipes: "Iterable[Recipe | None]") -> None:
    """Refuse recipes whose factors the model has not, before anything is drawn."""
    for recipe in recipes:
        _factors_digest(loaded, recipe)


def _already(file: Path, run: Run, recipe: "Recipe | None", smooth: str | None) -> dict[str, Any] | None:
    """The result of an earlier run, if there is one; raises FpqvarError if it is of another run."""
    if not file.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        stored = {"features": None, "fast": False} | found["run"]  # earlier versions had no choice
        before = {key: stored[key] for key in asdict(run)}
        before |= {"recipe": _content(found["recipe"]), "factors": found.get("factors")}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FpqvarError(f"{file} is no result of `fpqvar evaluate`; remove it, or choose another --out") from error
    wanted = json.loads(json.dumps(asdict(run))) | {"recipe": _content(_dump(recipe)), "factors": smooth}
    for key, value in wanted.items():
        if before[key] != value:
            raise FpqvarError(
                f"{file} was made with {key} {before[key]}, not {value}; choose another --out, or remove the file"
            )
    return found


def _packed(
    loaded: "LoadedModel", model: str, recipe: "Recipe | None", folder: Path, job: Job, ticks: Ticks
) -> "PackedModel | None":
    """The quantized model: made once, so that all processes, and those after a kill, draw with the same weights."""
    from sw_quant.packed import is_packed, load_packed, save_packed

    if recipe is None:
        return None
    if not is_packed(folder):
        var = loaded.var
        var.to(job.torch_device)
        var.vqvae.to(job.torch_device)
        try:
            save_packed(pack(loaded, model, recipe, ticks), folder)
        finally:
            var.cpu()
            var.vqvae.cpu()
    return load_packed(folder)


def _draw_missing(
    loaded: "LoadedModel",
    packed: "PackedModel | None",
    labels: list[int],
    run: Run,
    job: Job,
    shards: Shards,
    ticks: Ticks,
    text: str,
) -> float:
    """Draw what this process still has to; returns the seconds that it took."""
    classes, total = len(loaded.class_names), 0.0
    mine = shards.missing(job.workers)
    if not mine:
        return total
    with ExitStack() as stack:
        sampling, size = Sampling(**run.sampling), min(job.batch, run.images)
        if run.fast:
            fast = FastDrawer(loaded, packed, sampling, size, job.torch_device)
        else:
            var = _transformer(loaded, packed, run, job, stack)
        for i, shard in enumerate(mine):
            part = shards.indices(shard)
            seeds = [image_seed(run.seed, labels[n], n // classes) for n in part]
            own = [labels[n] for n in part]
            where = f"{text}, {i + 1} of {len(mine)}" if len(mine) > 1 else text
            if run.fast:
                images, seconds = fast.draw(own, seeds, ticks, where)
            else:
                images, seconds = draw(var, own, seeds, sampling, job.batch, ticks, where)
            pixels = np.stack(to_bytes(images))
            shards.save(shard, pixels if pixels.ndim == 4 else pixels[..., None])
            total += seconds
    return total


def _transformer(loaded: "LoadedModel", packed: "PackedModel | None", run: Run, job: Job, stack: ExitStack) -> "Var":
    """The transformer on its device or engine."""
    from sw_quant.executor import GoldenLinears
    from sw_quant.quantize import rebuild

    if packed is None:
        var = copy.deepcopy(loaded.var).to(job.torch_device)  # the other recipes start from the model as it was loaded
        var.vqvae.to(job.torch_device)
        return var
    var = rebuild(packed, job.torch_device)
    if run.backend == GOLDEN:
        var.linear = GoldenLinears(packed.layers, job.torch_device)
    else:
        rows = batch_rows(var.config, min(job.batch, run.images))
        var.linear = stack.enter_context(engines(packed, [run.backend], rows, "small", 600))
    return var


def check_backend(backend: str) -> None:
    """Refuse an unknown backend."""
    from host import BACKENDS

    if backend not in BACKENDS:
        raise UsageError(f"unknown backend {backend!r}; known: {', '.join(BACKENDS)}; float is a recipe here")
