# SPDX-License-Identifier: Apache-2.0
"""Train a classifier: the one that scores, and the feature network of the perceptual loss."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.fashion_mnist.data import Split, to_unit
from examples.fashion_mnist.loop import CapturedStep, adamw, batches, learning_rate, mixed_precision, set_rate
from examples.fashion_mnist.run import Bar, Log
from examples.fashion_mnist.store import save_tensors

BATCH = 256


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by up to two pixels both ways, ``[B, 1, S, S]``."""
    size = images.shape[-1]
    padded = functional.pad(images, (2, 2, 2, 2))
    offsets = torch.randint(5, (len(images), 2), generator=generator).to(images.device)
    grid = torch.arange(size, device=images.device)
    rows = (offsets[:, :1] + grid)[:, None, :, None]
    columns = (offsets[:, 1:] + grid)[:, None, None, :]
    return padded[torch.arange(len(images), device=images.device)[:, None, None, None], 0, rows, columns]


def train_classifier(net: nn.Module, train: Split, test: Split, path: Path, epochs: int, seed: int, log: Log) -> None:
    """Train ``net`` (already on the data's device) and write it to ``path``."""
    device = train.images.device
    generator = torch.Generator().manual_seed(seed)
    optimizer = adamw([{"params": net.parameters(), "weight_decay": 0.02}], device, (0.9, 0.999))
    steps = epochs * (len(train.images) // BATCH)
    order = batches(len(train.images), BATCH, seed, 0, device)

    def plain_step(images: Tensor, labels: Tensor) -> tuple[Tensor]:
        optimizer.zero_grad(set_to_none=True)
        with mixed_precision(device):
            logits = net(images).float()
        loss = functional.cross_entropy(logits, labels, label_smoothing=0.05)
        loss.backward()
        optimizer.step()
        return (loss.detach(),)

    run_step = CapturedStep(plain_step, device)
    net.train()
    with Bar(log.stage) as bar:
        for step in range(steps):
            index = next(order)
            set_rate(optimizer, learning_rate(2e-3, step / steps))
            (loss,) = run_step(_shifted(to_unit(train.images[index]), generator), train.labels[index])
            if step % 100 == 0 or step == steps - 1:
                bar.show((step + 1) / steps, loss)
    net.eval()
    save_tensors(path, net.state_dict())
    log.write(epochs=epochs, loss=loss.item(), test_accuracy=accuracy(net, test), train_accuracy=accuracy(net, train))


@torch.no_grad()
def accuracy(net: nn.Module, split: Split) -> float:
    """Share of images that ``net`` puts into their class."""
    right = 0
    for images, labels in zip(split.images.split(1000), split.labels.split(1000), strict=True):
        right += int((net(to_unit(images)).argmax(dim=1) == labels).sum())
    return right / len(split.labels)
