# SPDX-License-Identifier: Apache-2.0
"""Drawing images in batches, with a progress bar and the time that it took."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from host.cli.progress import Bar, Ticks
from host.cpu import NumpyVar
from host.tandem import Tandem

if TYPE_CHECKING:
    from torch import Tensor

    from sw_quant.var import Var, VarConfig

__all__ = ["Sampling", "batch_rows", "draw", "draw_without_torch", "engine_report", "image_seed", "macs_per_image"]


@dataclass(frozen=True)
class Sampling:
    """Guidance and restriction of the draws."""

    cfg: float
    top_k: int
    top_p: float

    @staticmethod
    def of(defaults: dict[str, float], cfg: float | None, top_k: int | None, top_p: float | None) -> "Sampling":
        """The model's defaults, but for what is given."""
        return Sampling(
            defaults["cfg"] if cfg is None else cfg,
            int(defaults["top_k"]) if top_k is None else top_k,
            defaults["top_p"] if top_p is None else top_p,
        )


def image_seed(seed: int, label: int, index: int) -> int:
    """The seed of one image: it depends on nothing else than the run's seed, the class, and its number in the class."""
    return int(np.random.SeedSequence((seed, label, index)).generate_state(1, np.uint64)[0]) >> 1


def batch_rows(config: "VarConfig", batch: int) -> int:
    """The most rows of a linear layer's input: the largest scale, once with the class and once without."""
    return 2 * batch * max(config.patch_sizes) ** 2


def _macs_per_row(config: "VarConfig") -> int:
    return config.depth * config.width**2 * (4 + 2 * config.mlp_ratio)


def macs_per_image(config: "VarConfig") -> int:
    """Multiply-accumulates of the linear layers for one image, guidance included."""
    return 2 * config.tokens * _macs_per_row(config)


def draw(
    var: "Var",
    labels: Sequence[int],
    seeds: Sequence[int],
    sampling: Sampling,
    batch: int,
    ticks: Ticks,
    text: str,
) -> "tuple[Tensor, float]":
    """Draw one image for each label and seed.

    The bar moves with the layers' calls where the transformer runs on a `Tandem`, and with the scales where not.

    Returns the images, float [B, C, H, W] in [0, 1], and the seconds.
    """
    import torch

    images, start = [], time.perf_counter()
    with ticks.bar(text, len(labels) * macs_per_image(var.config)) as bar:
        for part in _batches(len(labels), batch):
            count = len(labels[part])
            by_scale = None
            if isinstance(var.linear, Tandem):
                _tick_with_calls(var.linear, bar)
            else:
                by_scale = _ScaleTicks(var.config, count, bar)
            images.append(
                var.generate(
                    torch.tensor(labels[part], device=var.lvl_1L.device),
                    cfg=sampling.cfg,
                    top_k=sampling.top_k,
                    top_p=sampling.top_p,
                    progress=by_scale,
                    image_seeds=seeds[part],
                )
            )
    return torch.cat(images), time.perf_counter() - start


def draw_without_torch(
    var: NumpyVar, labels: Sequence[int], seeds: Sequence[int], sampling: Sampling, batch: int, ticks: Ticks, text: str
) -> tuple[npt.NDArray[np.float32], float]:
    """The same in numpy."""
    images, start = [], time.perf_counter()
    with ticks.bar(text, len(labels) * macs_per_image(var.config)) as bar:
        for part in _batches(len(labels), batch):
            by_scale = _ScaleTicks(var.config, len(labels[part]), bar)
            limits = sampling.cfg, sampling.top_k, sampling.top_p
            images.append(var.generate(labels[part], seeds[part], *limits, progress=by_scale))
    return np.concatenate(images), time.perf_counter() - start


def _batches(count: int, batch: int) -> Iterator[slice]:
    return (slice(start, start + batch) for start in range(0, count, batch))


def _tick_with_calls(tandem: Tandem, bar: Bar) -> None:
    shapes = tandem.engines[0].shapes
    tandem.on_call = lambda name, rows: bar.add(rows * shapes[name][0] * shapes[name][1])


class _ScaleTicks:
    def __init__(self, config: "VarConfig", images: int, bar: Bar) -> None:
        self._config, self._images, self._bar = config, images, bar

    def __call__(self, done: int, total: int) -> None:
        rows = 2 * self._images * self._config.patch_sizes[done - 1] ** 2
        self._bar.add(rows * _macs_per_row(self._config))


def engine_report(tandem: Tandem) -> list[dict[str, Any]]:
    """What each engine is and did, for report.json."""
    return [
        {
            **asdict(engine.device.info),
            "calls": tandem.calls,
            "counters": asdict(engine.counters),
            "layer_sha256": digests,
        }
        for engine, digests in zip(tandem.engines, tandem.digests(), strict=True)
    ]
