# SPDX-License-Identifier: Apache-2.0
"""What every training step here needs: the budget, learning rates, averaged weights, batches, and CUDA graphs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from sw_quant.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])
Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Budget:
    """How long to train: ``steps`` (then a seed makes the run repeatable) or ``minutes`` of wall-clock time."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise UsageError("give either --steps or --minutes")
        if (self.steps or self.minutes or 0) <= 0:
            raise UsageError(f"the budget is {self.steps or self.minutes}; it must be above 0")

    def fraction(self, step: int, seconds: float) -> float:
        """How much of it is used, from 0 to 1."""
        used = step / self.steps if self.steps is not None else seconds / (60 * (self.minutes or 1))
        return min(used, 1.0)


def learning_rate(peak: float, fraction: float, warm_up: float = 0.03, floor: float = 0.01) -> float:
    """Linear warm-up, then a half cosine down to ``floor * peak``."""
    if fraction < warm_up:
        return peak * max(fraction / warm_up, 0.01)
    done = (fraction - warm_up) / (1 - warm_up)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))


class Ema(Generic[Net]):
    """Exponentially averaged parameters of ``source``, kept in ``average`` (buffers are copied)."""

    def __init__(self, source: Net, average: Net, decay: float) -> None:
        self.decay = decay
        self.average = average
        average.requires_grad_(False).eval()
        average.load_state_dict(source.state_dict())
        self._averages: list[Tensor] = list(average.parameters())
        self._parameters: list[Tensor] = list(source.parameters())
        self._buffers = list(zip(average.buffers(), source.buffers(), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the averages towards the parameters; faster in the beginning."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averages, self._parameters, 1 - decay)
        for average, buffer in self._buffers:
            average.copy_(buffer)


def batches(count: int, size: int, seed: int, step: int, device: torch.device) -> Iterator[Tensor]:
    """Indices of one batch after the other, for ever, each epoch in an order of its own; from ``step`` on."""
    per_epoch = count // size
    if per_epoch == 0:
        raise UsageError(f"batch {size} is larger than the data set ({count} images); give a smaller --batch")
    while True:
        epoch, position = divmod(step, per_epoch)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed * 100_003 + epoch)).to(device)
        for i in range(position, per_epoch):
            yield order[i * size : (i + 1) * size]
            step += 1


def compiled(function: F, device: torch.device) -> F:
    """``torch.compile`` on a GPU; on a CPU the function as it is (compiling would take longer than it saves)."""
    return torch.compile(function, dynamic=False) if device.type == "cuda" else function  # type: ignore[return-value]


class CapturedStep:
    """A whole training step, captured once as a CUDA graph and then replayed; on a CPU the step as it is.

    These networks are so small that launching their kernels takes longer than running them: replaying is several
    times faster. The step must begin by setting gradients to None, must not look at values, and must read whatever
    changes between calls (inputs, learning rates) from tensors.
    """

    WARM_UP = 3

    def __init__(self, step: Callable[..., tuple[Tensor, ...]], device: torch.device) -> None:
        self._step, self._device = step, device
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0
        self._inputs: list[Tensor] = []
        self._outputs: tuple[Tensor, ...] = ()

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run one step. The outputs are overwritten by the next call."""
        if self._device.type != "cuda":
            return self._step(*inputs)
        if self._graph is None and self._calls < self.WARM_UP:
            return self._warm_up(*inputs)
        if self._graph is None:
            self._inputs = [value.clone() for value in inputs]
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._outputs = self._step(*self._inputs)
            self._graph = graph
        for mine, value in zip(self._inputs, inputs, strict=True):
            mine.copy_(value)
        self._graph.replay()
        return self._outputs

    def _warm_up(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run a real step aside, as capturing needs, so that libraries choose their kernels before."""
        self._calls += 1
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            outputs = self._step(*inputs)
        torch.cuda.current_stream().wait_stream(side)
        return outputs


def adamw(groups: Iterable[dict[str, Any]], device: torch.device, betas: tuple[float, float]) -> torch.optim.AdamW:
    """AdamW whose learning rate is a tensor, so that a captured step sees it change."""
    cuda = device.type == "cuda"
    return torch.optim.AdamW(groups, lr=torch.tensor(1e-3, device=device), betas=betas, fused=cuda, capturable=cuda)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"].fill_(rate)


def mixed_precision(device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 autocast on a GPU, plain float32 on a CPU."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
