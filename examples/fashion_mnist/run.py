# SPDX-License-Identifier: Apache-2.0
"""The training loop: progress, log, averaged weights on disk, and resuming where a run was cut off."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn

from examples.fashion_mnist.loop import Budget, CapturedStep, Ema, batches
from examples.fashion_mnist.store import save_tensors
from sw_quant.errors import FpqvarError
from sw_quant.files import new_file


class Log:
    """A file of JSON lines; every record carries the stage's name and the seconds since it began."""

    def __init__(self, path: Path, stage: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.stage, self._start = path, stage, time.monotonic()

    def write(self, **record: Any) -> None:
        """Append one record, and print it."""
        seconds = round(time.monotonic() - self._start, 1)
        rounded = {k: round(v, 5) if isinstance(v, float) else v for k, v in record.items()}
        line = json.dumps({"stage": self.stage, "seconds": seconds, **rounded})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)


class Bar:
    """A progress bar that also shows the latest loss."""

    SCALE = 10_000

    def __init__(self, label: str) -> None:
        columns = (BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn(), TimeRemainingColumn())
        self._progress = Progress(TextColumn(label), *columns)
        self._task = self._progress.add_task("", total=self.SCALE, note="")

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, fraction: float, loss: Tensor) -> None:
        """How far the run is, from 0 to 1."""
        self._progress.update(self._task, completed=int(fraction * self.SCALE), note=f"loss {loss.item():.4f}")


class Trainer(Protocol):
    """What :func:`run` drives."""

    ema: Ema[Any]

    def step(self, index: Tensor, step: int, fraction: float) -> Tensor:
        """Train on the images at ``index``; returns the loss."""

    def report(self) -> dict[str, Any]:
        """Scores of the averaged model, for the log. Must not touch torch's global random generators."""

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer | Tensor]:
        """Everything that resuming needs."""


@dataclass(frozen=True)
class Plan:
    """How to run a training.

    Attributes:
        name: of the files: ``{name}.safetensors`` (averaged weights) and ``{name}.state`` (to resume from).
        settings: what the run was asked for; a state of another run is refused.
        count, batch, seed: size of the data set and of a batch, and the seed of the batches' order.
        out: folder of the files.
        report_every, save_every: seconds.
    """

    name: str
    settings: str
    budget: Budget
    count: int
    batch: int
    seed: int
    out: Path
    report_every: float = 60
    save_every: float = 120


def run(trainer: Trainer, plan: Plan, device: torch.device, log: Log) -> None:
    """Train until the budget is used; resume if there is a state.

    Raises:
        FpqvarError: the state belongs to a run with other settings; a file cannot be written.
    """
    path = plan.out / f"{plan.name}.state"
    step, earlier = _restore(trainer, path, plan.settings, device)
    order = batches(plan.count, plan.batch, plan.seed, step, device)
    warm = step + 1 + CapturedStep.WARM_UP
    start = saved = reported = time.monotonic()
    fraction = plan.budget.fraction(step, earlier)
    with Bar(log.stage) as bar:
        while fraction < 1:
            loss = trainer.step(next(order), step, fraction)
            step += 1
            trainer.ema.update(step)
            now = time.monotonic()
            if step <= warm:  # warm-up and compilation are not training
                start = now
            seconds = earlier + now - start
            fraction = plan.budget.fraction(step, seconds)
            if step % 100 == 0:
                bar.show(fraction, loss)
            if now - reported > plan.report_every or fraction >= 1:
                log.write(step=step, images=step * plan.batch, loss=loss.item(), **trainer.report())
                reported = time.monotonic()
            if now - saved > plan.save_every or fraction >= 1:
                save_tensors(plan.out / f"{plan.name}.safetensors", trainer.ema.average.state_dict())
                _save(trainer, path, plan.settings, step, seconds, device)
                saved = time.monotonic()


def _save(trainer: Trainer, path: Path, settings: str, step: int, seconds: float, device: torch.device) -> None:
    parts = {name: part if isinstance(part, Tensor) else part.state_dict() for name, part in trainer.parts().items()}
    random = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        random["cuda"] = torch.cuda.get_rng_state(device)
    state = {"settings": settings, "step": step, "seconds": seconds, "random": random, "parts": parts}
    with new_file(path) as aside:
        torch.save(state, aside)


def _restore(trainer: Trainer, path: Path, settings: str, device: torch.device) -> tuple[int, float]:
    """Steps and seconds of the run so far."""
    if not path.exists():
        return 0, 0.0
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    if state["settings"] != settings:
        raise FpqvarError(
            f"{path}: belongs to a run with other settings ({state['settings']}); remove it to start afresh"
        )
    for name, part in trainer.parts().items():
        if isinstance(part, Tensor):
            part.copy_(state["parts"][name])
        else:
            part.load_state_dict(state["parts"][name])
    torch.set_rng_state(state["random"]["cpu"].cpu())
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["random"]["cuda"].cpu(), device)
    return state["step"], state["seconds"]
