# SPDX-License-Identifier: Apache-2.0
"""GALT: smoothing factors that are learnt under the transform and the quantizer (FPQVAR, section 3.3).

For a layer with input x and weight W the factors minimise, over samples of all scale steps,

    || Q(H d x / f) Q(W f d H / 128)^T - x W^T ||^2 / || x W^T ||^2        (without GHT: H d left out)

by AdamW through the straight-through quantizer: forward it rounds, backward it is the identity. Each layer starts from
the best of a few powers of its channels' largest magnitudes (SmoothQuant's factors, arXiv 2211.10438): where channels
are hundreds of times others, small steps from 1 would take thousands of iterations. Scale steps are weighted alike,
however many rows they have. The best iterate is kept, and no factors at all are among the candidates, so that the
result is never worse than without. The layers of several blocks are learnt side by side in batched products.
What has been learnt is saved twenty times a run: an interrupted one goes on and ends with the same factors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sw_quant._generated import GHT_BLOCK
from sw_quant.errors import FpqvarError
from sw_quant.files import new_file
from sw_quant.hadamard import rotate
from sw_quant.ptq.grid import straight_through
from sw_quant.recipe import LayerRecipe
from sw_quant.var import LinearLayer

_STARTS = (0.25, 0.5, 0.75, 1.0)

__all__ = ["Learnt", "Options", "learn", "output_error"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Options:
    """AdamW's iterations and learning rate, and rows of a step used in one iteration."""

    iterations: int = 200
    rate: float = 0.01
    rows: int = 64
    seed: int = 0


@dataclass(frozen=True)
class Learnt:
    """A layer's factors, float32 [K], and its relative output error before and after."""

    factors: Tensor
    before: float
    after: float


def _outputs(x: Tensor, weight: Tensor, factors: Tensor, d: Tensor | None, part: LayerRecipe) -> Tensor:
    """[B, rows, N] of B layers with inputs [B, rows, K], weights [B, N, K], factors [B, K] and signs [B, K]."""
    k = x.shape[-1]
    group = part.group if isinstance(part.group, int) else k
    x, weight = x / factors[:, None], weight * factors[:, None]
    if d is not None:
        x, weight = rotate(x * d[:, None]), rotate(weight * d[:, None]) / GHT_BLOCK
    return straight_through(x, part.activations, group) @ straight_through(weight, part.weights, group).transpose(1, 2)


def output_error(
    samples: Sequence[Tensor], weight: Tensor, factors: Tensor, d: Tensor | None, part: LayerRecipe
) -> float:
    """Relative squared error of one layer's outputs, each step weighted alike. Samples are [rows, K] a step."""
    errors = []
    for x in samples:
        wanted = x @ weight.T
        found = _outputs(x[None], weight[None], factors[None], None if d is None else d[None], part)[0]
        errors.append(((found - wanted).square().sum() / wanted.square().sum().clamp(min=1e-30)).item())
    return sum(errors) / len(errors)


class _State:
    """Everything that changes while a batch of layers is learnt: what a file of it continues from."""

    def __init__(self, shape: tuple[int, int], options: Options, device: torch.device) -> None:
        self.log_factors = torch.zeros(shape, device=device, requires_grad=True)
        self.optimizer = torch.optim.AdamW([self.log_factors], lr=options.rate, weight_decay=0.0)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, options.iterations, options.rate / 20
        )
        self.generator = torch.Generator().manual_seed(options.seed)
        self.best = torch.ones(shape, device=device)
        self.before = self.least = torch.zeros(shape[0])
        self.iteration = 0

    def keep(self, factors: Tensor, errors: Tensor) -> None:
        """Take over the factors [B, K] of the layers whose errors [B] are less than the least so far."""
        better = (errors < self.least).to(factors.device)
        self.best[better] = factors[better]
        self.least = torch.minimum(errors, self.least)

    def save(self, path: Path, run: str) -> None:
        tensors = {"log_factors": self.log_factors.detach(), "best": self.best}
        state: dict[str, Any] = {key: value.cpu() for key, value in tensors.items()}
        state |= {"before": self.before, "least": self.least, "generator": self.generator.get_state()}
        state |= {"optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict()}
        with new_file(path) as aside:
            torch.save(state | {"iteration": self.iteration, "run": run}, aside)

    def load(self, path: Path, run: str) -> bool:
        """Continue from a file; False where it is of another run."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if state["run"] != run:
                return False
            self.log_factors.data.copy_(state["log_factors"])
            self.best.copy_(state["best"])
            self.before, self.least, self.iteration = state["before"], state["least"], state["iteration"]
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.generator.set_state(state["generator"])
        except Exception as error:  # rubbish raises whatever its bytes happen to mean
            raise FpqvarError(f"{path}: cannot go on from it ({error}); remove it to start again") from error
        return True


def learn(
    samples: Mapping[str, Sequence[Tensor]],
    layers: Mapping[str, LinearLayer],
    signs: Mapping[str, Tensor],
    part: LayerRecipe,
    options: Options = Options(),  # frozen
    progress: Progress | None = None,
    state_file: Path | None = None,
    run: str = "",
) -> dict[str, Learnt]:
    """Learn the factors of several layers of one shape side by side.

    Args:
        samples: each layer's inputs, float32 [rows, K] for each scale step.
        layers: their weights.
        signs: their signs d where the recipe transforms them.
        part: formats and group; the same for all.
        options: of the optimiser.
        progress: told iterations done and of all.
        state_file: where an interrupted run goes on; removed at the end.
        run: names what is learnt; a state of another run is not continued.

    Raises FpqvarError when the state cannot be read or written.
    """
    names = list(samples)
    run = f"{run} {names} {part} {options}"
    weight = torch.stack([layers[name].weight.detach().float() for name in names])
    d = torch.stack([signs[name].to(weight.device) for name in names]) if part.ght else None

    def measure(factors: Tensor) -> Tensor:
        errors = [
            output_error(samples[name], weight[i], factors[i], None if d is None else d[i], part)
            for i, name in enumerate(names)
        ]
        return torch.tensor(errors)

    state = _State((weight.shape[0], weight.shape[2]), options, weight.device)
    if state_file is None or not state_file.exists() or not state.load(state_file, run):
        state.before = state.least = measure(state.best)
        for power in _STARTS:
            start = _start(samples, weight, power)
            state.keep(start, measure(start))
        state.log_factors.data.copy_(state.best.log())
    check_every = max(1, options.iterations // 20)
    while state.iteration < options.iterations:
        x = torch.stack([_minibatch(samples[name], options.rows, state.generator) for name in names])
        _step(state, x.to(weight.device), weight, d, part)
        if state.iteration % check_every == 0 or state.iteration == options.iterations:
            factors = torch.exp(state.log_factors.detach())
            state.keep(factors, measure(factors))
            if state_file is not None:
                state.save(state_file, run)
        if progress is not None:
            progress(state.iteration, options.iterations)
    if state_file is not None:
        state_file.unlink(missing_ok=True)
    return {
        name: Learnt(state.best[i].cpu(), float(state.before[i]), float(state.least[i])) for i, name in enumerate(names)
    }


def _start(samples: Mapping[str, Sequence[Tensor]], weight: Tensor, power: float) -> Tensor:
    """max|x|^power / max|w|^(1 - power) of each channel, [B, K], with a geometric mean of 1."""
    x = torch.stack([torch.cat(list(steps)).abs().amax(dim=0) for steps in samples.values()]).to(weight.device)
    w = weight.abs().amax(dim=1)
    logs = power * x.clamp(min=1e-5).log() - (1 - power) * w.clamp(min=1e-5).log()
    return (logs - logs.mean(dim=1, keepdim=True)).exp()


def _step(state: _State, x: Tensor, weight: Tensor, d: Tensor | None, part: LayerRecipe) -> None:
    """One iteration on inputs [B, rows, K] of the B layers."""
    with torch.no_grad():
        wanted = x @ weight.transpose(1, 2)
    found = _outputs(x, weight, torch.exp(state.log_factors), d, part)
    size = wanted.square().mean(dim=(1, 2)).clamp(min=1e-30)
    loss = ((found - wanted).square().mean(dim=(1, 2)) / size).sum()  # the layers do not touch each other
    state.optimizer.zero_grad()
    loss.backward()
    state.optimizer.step()
    state.schedule.step()
    state.iteration += 1


def _minibatch(steps: Sequence[Tensor], rows: int, generator: torch.Generator) -> Tensor:
    """The same number of rows of each step, drawn with replacement, brought to one size. [steps * rows, K]"""
    picked = []
    for x in steps:
        chosen = x[torch.randint(len(x), (rows,), generator=generator).to(x.device)]
        picked.append(chosen / chosen.square().mean().sqrt().clamp(min=1e-12))
    return torch.cat(picked)
