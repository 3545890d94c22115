# SPDX-License-Identifier: Apache-2.0
"""End-to-end tuning: what stays in float, and the scales of the weights, learnt so that the quantized model predicts
what the float model predicts.

A small error of each layer by itself is no promise about images. Here the whole quantized model is compared with the
float one: on images that the float model drew, the Kullback-Leibler divergence between the distributions that the
next tokens are drawn from, guidance included, is made small by AdamW through the straight-through quantizer. What is
learnt costs an engine nothing: embeddings, adaLN and head are the host's and stay in float, biases and scales are
numbers of the packed model as before, and codes do not change unless the recipe asks for it. No training data is
needed: the images are the model's own (as in LLM-QAT, arXiv 2305.17888; learning the normalisation alone is norm
tweaking, arXiv 2309.02784). The result is a moving average of what AdamW walks through.

An interrupted run goes on from a file and ends with the same numbers.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sw_quant.errors import FpqvarError
from sw_quant.files import new_file
from sw_quant.fp16 import to_fp16
from sw_quant.ptq.grid import round_to_grid
from sw_quant.ptq.layers import QuantizedLinear
from sw_quant.recipe import Tune
from sw_quant.var import Var
from sw_quant.var.sampling import guided

__all__ = ["Tuned", "tune"]

Progress = Callable[[int, int], None]
_WARM_UP = 20  # iterations over which the learning rate grows
_DECAY = 0.99  # of the moving average
_WEIGHT_RATE = 0.1  # of the others' learning rate
_PLAIN = 0.25  # what the divergences without guidance count, where the one with it counts 1
_SAVE_EVERY = 25  # iterations


@dataclass(frozen=True)
class Tuned:
    """The layers as learnt, the transformer's own tensors by their keys, and the loss of each iteration."""

    layers: dict[str, QuantizedLinear]
    state: dict[str, Tensor]
    losses: list[float]


class _Student(nn.Module):
    """The quantized linear layers, as an executor with parameters."""

    def __init__(self, layers: Mapping[str, QuantizedLinear]) -> None:
        super().__init__()
        self._layers = dict(layers)
        self._numbers = {name: i for i, name in enumerate(layers)}
        self.biases = nn.ParameterList(layer.bias.clone() for layer in layers.values())
        self.weights = nn.ParameterList(layer.values.clone() for layer in layers.values())
        self.log_scales = nn.ParameterList(
            torch.zeros_like(layer.scales, dtype=torch.float32) for layer in layers.values()
        )

    def _values(self, name: str) -> tuple[Tensor, Tensor]:
        """The rounded weight [N, K] and its scales [N, groups], differentiable in the weight and the scales."""
        layer, i = self._layers[name], self._numbers[name]
        scales = layer.scales.float() * self.log_scales[i].exp()
        wide = scales.repeat_interleave(layer.group, dim=1)[:, : layer.values.shape[1]]
        weight = self.weights[i]
        with torch.no_grad():
            units = round_to_grid(weight, wide, layer.format) / wide.clamp_min(1e-30)
        # The gradient of a scale is that of its codes' value (LSQ); of a weight, the identity.
        return units * wide + (weight - weight.detach()), scales

    def forward(self, name: str, x: Tensor) -> Tensor:
        layer = self._layers[name]
        y = F.linear(layer.prepare(x.reshape(-1, x.shape[-1])), self._values(name)[0], self.biases[self._numbers[name]])
        return y.view(*x.shape[:-1], -1)

    @torch.no_grad()
    def result(self) -> dict[str, QuantizedLinear]:
        found = {}
        for name, layer in self._layers.items():
            if not (self.weights[0].requires_grad or self.log_scales[0].requires_grad):
                found[name] = replace(layer, bias=self.biases[self._numbers[name]].detach().clone())
                continue
            scales = to_fp16(self._values(name)[1])
            wide = scales.float().repeat_interleave(layer.group, dim=1)[:, : layer.values.shape[1]]
            values = round_to_grid(self.weights[self._numbers[name]].detach(), wide, layer.format)
            bias = self.biases[self._numbers[name]].detach().clone()
            found[name] = replace(layer, values=values, scales=scales, bias=bias)
        return found


@dataclass
class _Walk:
    """What changes from one iteration to the next."""

    parameters: list[Tensor]
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    generator: torch.Generator
    averages: list[Tensor]
    losses: list[float] = field(default_factory=list)

    @torch.no_grad()
    def average(self) -> None:
        """Take the parameters into the moving average, which begins as a plain one."""
        keep = min(_DECAY, len(self.losses) / (len(self.losses) + 10))
        for average, parameter in zip(self.averages, self.parameters, strict=True):
            average.lerp_(parameter, 1 - keep)

    def save(self, path: Path, run: str) -> None:
        state: dict[str, Any] = {"run": run, "losses": self.losses, "generator": self.generator.get_state()}
        state |= {
            "parameters": [p.detach().cpu() for p in self.parameters],
            "averages": [a.cpu() for a in self.averages],
        }
        state |= {"optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict()}
        with new_file(path) as aside:
            torch.save(state, aside)

    def load(self, path: Path, run: str) -> None:
        """Go on from a file, unless it is of another run."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if state["run"] != run:
                return
            for own, saved in zip(
                (*self.parameters, *self.averages), (*state["parameters"], *state["averages"]), strict=True
            ):
                own.data.copy_(saved)
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.generator.set_state(state["generator"])
            self.losses = list(state["losses"])
        except Exception as error:  # rubbish raises whatever its bytes happen to mean
            raise FpqvarError(f"{path}: cannot go on from it ({error}); remove it to start again") from error


def tune(
    var: Var,
    layers: Mapping[str, QuantizedLinear],
    options: Tune,
    images: tuple[Tensor, Tensor],
    cfg: float,
    seed: int,
    progress: Progress | None = None,
    state_file: Path | None = None,
    run: str = "",
) -> Tuned:
    """Learn on a model's own images.

    Args:
        var: the float model, which stays as it is.
        layers: its quantized layers.
        options: of the recipe.
        images: labels int64 [images] and the transformer's inputs [images, tokens - first, channels] of images drawn.
        cfg: the guidance that images are drawn with.
        seed: of the order of the images.
        progress: told iterations done and of all.
        state_file: where an interrupted run goes on; removed at the end.
        run: names what is learnt; a state of another run is not continued.

    Raises FpqvarError when the state cannot be read or written, or the loss is no longer finite.
    """
    student, linears = copy.deepcopy(var), _Student(layers)
    student.linear = linears.forward
    walk = _walk(_parameters(student, linears, options), options, seed)
    if state_file is not None and state_file.exists():
        walk.load(state_file, run)
    strength = var.guidance(cfg)
    while len(walk.losses) < options.iterations:
        rows = torch.randint(len(images[0]), (options.batch,), generator=walk.generator).to(var.lvl_1L.device)
        loss = _loss(var, student, images[0][rows], images[1][rows], strength)
        walk.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(walk.parameters, 1.0)
        walk.optimizer.step()
        walk.schedule.step()
        walk.average()
        walk.losses.append(float(loss.detach()))
        done = len(walk.losses)
        if not math.isfinite(walk.losses[-1]):
            raise FpqvarError(f"tuning: the loss of iteration {done} is {walk.losses[-1]}; lower [tune] rate")
        if state_file is not None and done % _SAVE_EVERY == 0:
            walk.save(state_file, run)
        if progress is not None:
            progress(done, options.iterations)
    with torch.no_grad():
        for parameter, average in zip(walk.parameters, walk.averages, strict=True):
            parameter.copy_(average)
    if state_file is not None:
        state_file.unlink(missing_ok=True)
    learnt = {name for name, parameter in student.named_parameters() if parameter.requires_grad}
    # Half precision, in which checkpoints and packed models are kept, holds what was learnt well enough.
    state = {key: value.detach().half().float() for key, value in student.state_dict().items() if key in learnt}
    return Tuned(linears.result(), state, walk.losses)


def _loss(var: Var, student: Var, labels: Tensor, inputs: Tensor, strength: Tensor) -> Tensor:
    """The divergence of the tokens that guided sampling draws, and a part of those with and without the class."""
    labels, inputs = torch.cat((labels, torch.full_like(labels, var.config.classes))), inputs.repeat(2, 1, 1)
    with torch.no_grad():
        wanted = var(labels, inputs).chunk(2)
    found = student(labels, inputs).chunk(2)
    plain = _divergence(found[0], wanted[0]) + _divergence(found[1], wanted[1])
    drawn = (guided(logits[0], logits[1], strength) for logits in (found, wanted))
    return _divergence(*drawn) + _PLAIN * plain


def _divergence(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of the tokens that `found` draws from those of `wanted`; logits [..., V]."""
    found, wanted = (F.log_softmax(logits, -1).flatten(0, -2) for logits in (found, wanted))
    return F.kl_div(found, wanted, log_target=True, reduction="batchmean")


def _walk(groups: list[dict[str, Any]], options: Tune, seed: int) -> _Walk:
    """AdamW at its start. The learning rate goes up in a line, then down to 0 by a half cosine."""

    def rate(iteration: int) -> float:
        return min(1.0, (iteration + 1) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * iteration / options.iterations))

    optimizer = torch.optim.AdamW(groups, weight_decay=0.0, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    parameters = [parameter for group in groups for parameter in group["params"]]
    averages = [parameter.detach().clone() for parameter in parameters]
    return _Walk(parameters, optimizer, schedule, torch.Generator().manual_seed(seed), averages)


def _parameters(student: Var, linears: _Student, options: Tune) -> list[dict[str, Any]]:
    """What is learnt, each kind with its rate; all else stands still."""
    embeddings = ("word_embed", "class_emb", "pos_start", "pos_1LC", "lvl_embed")
    named = dict(student.named_parameters())
    kinds: dict[str, list[nn.Parameter]] = {
        "biases": list(linears.biases),
        "scales": list(linears.log_scales),
        "weights": list(linears.weights),
        "adaln": [p for name, p in named.items() if "ada_" in name],
        "head": list(student.head.parameters()),
        "embeddings": [p for name, p in named.items() if name.startswith(embeddings) or "scale_mul" in name],
    }
    for parameter in (*named.values(), *linears.parameters()):
        parameter.requires_grad_(False)
    groups = []
    for kind in options.learn:
        for parameter in kinds[kind]:
            parameter.requires_grad_(True)
        groups.append({"params": kinds[kind], "lr": options.rate * (_WEIGHT_RATE if kind == "weights" else 1.0)})
    return groups
