# SPDX-License-Identifier: Apache-2.0
"""The Inception network that FID and its relatives are defined on, for weights that the user brings.

It is Google's network of 2015-12-05 (`classify_image_graph_def.pb`), written from its description: Szegedy et al.,
arXiv 1512.00567, with what that very graph does otherwise: averages leave the padding out, the last block takes the
maximum where the others average, and images are resized as TensorFlow 1 did. Its state dict has the names of the
well-known conversion, `pt_inception-2015-12-05-6726825d.pth` of pytorch-fid (torch-fidelity's `weights-inception-...`
is the same): `Conv2d_1a_3x3.conv.weight`, `Conv2d_1a_3x3.bn.running_mean`, ..., `Mixed_7c.branch_pool.bn.bias`,
`fc.weight` [1008, 2048], `fc.bias`.

Written anew, because the packages that have the network need torchvision merely to be imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw_quant.errors import FpqvarError
from sw_quant.evaluation.classifier import Seen
from sw_quant.var.checkpoint import load_strict, read_tensors

__all__ = ["FEATURES", "SPATIAL", "Inception", "load_inception"]

SIZE = 299
FEATURES = 2048
CLASSES = 1008
SPATIAL_CHANNELS = 7
SPATIAL = SPATIAL_CHANNELS * 17 * 17


class Layer(NamedTuple):
    """A convolution of a block. With a stride of 1 it is padded to keep the size, with 2 it isn't padded."""

    name: str
    width: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1


class Pool(NamedTuple):
    """Of 3 x 3: the mean of the places inside, or the largest."""

    mean: bool
    stride: int = 1


Step = Layer | Pool | tuple[Layer, ...]
"""Of a branch; several layers in place of one have the same input, and their outputs are laid together."""

WIDE, TALL = (1, 7), (7, 1)
MEAN, LARGEST, HALVE = Pool(True), Pool(False), Pool(False, 2)


def _thirty_five(pooled: int) -> list[list[Step]]:
    """Blocks at 35 x 35."""
    return [
        [Layer("branch1x1", 64)],
        [Layer("branch5x5_1", 48), Layer("branch5x5_2", 64, 5)],
        [Layer("branch3x3dbl_1", 64), Layer("branch3x3dbl_2", 96, 3), Layer("branch3x3dbl_3", 96, 3)],
        [MEAN, Layer("branch_pool", pooled)],
    ]


def _seventeen(narrow: int) -> list[list[Step]]:
    """Blocks at 17 x 17."""
    long = [Layer(f"branch7x7dbl_{i}", narrow, kernel) for i, kernel in enumerate((TALL, WIDE, TALL), 2)]
    return [
        [Layer("branch1x1", 192)],
        [Layer("branch7x7_1", narrow), Layer("branch7x7_2", narrow, WIDE), Layer("branch7x7_3", 192, TALL)],
        [Layer("branch7x7dbl_1", narrow), *long, Layer("branch7x7dbl_5", 192, WIDE)],
        [MEAN, Layer("branch_pool", 192)],
    ]


def _eight(pool: Pool) -> list[list[Step]]:
    """Blocks at 8 x 8."""
    return [
        [Layer("branch1x1", 320)],
        [Layer("branch3x3_1", 384), (Layer("branch3x3_2a", 384, (1, 3)), Layer("branch3x3_2b", 384, (3, 1)))],
        [
            *(Layer("branch3x3dbl_1", 448), Layer("branch3x3dbl_2", 384, 3)),
            (Layer("branch3x3dbl_3a", 384, (1, 3)), Layer("branch3x3dbl_3b", 384, (3, 1))),
        ],
        [pool, Layer("branch_pool", 192)],
    ]


_TO_SEVENTEEN: list[list[Step]] = [
    [Layer("branch3x3", 384, 3, 2)],
    [Layer("branch3x3dbl_1", 64), Layer("branch3x3dbl_2", 96, 3), Layer("branch3x3dbl_3", 96, 3, 2)],
    [HALVE],
]
_TO_EIGHT: list[list[Step]] = [
    [Layer("branch3x3_1", 192), Layer("branch3x3_2", 320, 3, 2)],
    [
        *(Layer("branch7x7x3_1", 192), Layer("branch7x7x3_2", 192, WIDE), Layer("branch7x7x3_3", 192, TALL)),
        Layer("branch7x7x3_4", 192, 3, 2),
    ],
    [HALVE],
]
_BLOCKS = {
    **{f"Mixed_5{name}": _thirty_five(pooled) for name, pooled in zip("bcd", (32, 64, 64), strict=True)},
    "Mixed_6a": _TO_SEVENTEEN,
    **{f"Mixed_6{name}": _seventeen(narrow) for name, narrow in zip("bcde", (128, 160, 160, 192), strict=True)},
    "Mixed_7a": _TO_EIGHT,
    "Mixed_7b": _eight(MEAN),
    "Mixed_7c": _eight(LARGEST),
}
_SPATIAL_BLOCK = "Mixed_6d"  # its 1 x 1 branch is `mixed_6/conv:0` of the graph, which sFID is taken on


class Convolution(nn.Module):
    """Convolution, normalisation by the statistics of training, ReLU."""

    def __init__(
        self, width_in: int, width: int, kernel: int | tuple[int, int], stride: int = 1, pad: bool = True
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if pad and stride == 1 else 0
        self.conv = nn.Conv2d(width_in, width, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` to the same with other sizes."""
        return torch.relu_(self.bn(self.conv(x)))


class Block(nn.Module):
    """Branches side by side, their outputs laid together. ``width`` becomes the number of channels that leave it."""

    def __init__(self, width_in: int, branches: Sequence[Sequence[Step]]) -> None:
        super().__init__()
        self._branches, self.width = branches, 0
        for branch in branches:
            width = width_in
            for step in branch:
                layers = (step,) if isinstance(step, Layer) else () if isinstance(step, Pool) else step
                for layer in layers:
                    self.add_module(layer.name, Convolution(width, *layer[1:]))
                width = sum(layer.width for layer in layers) or width
            self.width += width

    def forward(self, x: Tensor) -> Tensor:
        """``[B, width in, H, W]`` to ``[B, width, H', W']``."""
        return torch.cat([self.branch(branch, x) for branch in range(len(self._branches))], dim=1)

    def branch(self, number: int, x: Tensor) -> Tensor:
        """What one branch makes of ``x``."""
        for step in self._branches[number]:
            x = self._step(step, x)
        return x

    def _step(self, step: Step, x: Tensor) -> Tensor:
        if isinstance(step, Layer):
            return self.get_submodule(step.name)(x)  # type: ignore[no-any-return]
        if not isinstance(step, Pool):
            return torch.cat([self.get_submodule(layer.name)(x) for layer in step], dim=1)
        if step.mean:
            return functional.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False)
        return functional.max_pool2d(x, 3, step.stride, padding=1 if step.stride == 1 else 0)


class Inception(nn.Module):
    """The whole network."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3, pad=False)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3, pad=False)
        width = 192
        for name, branches in _BLOCKS.items():
            block = Block(width, branches)
            self.add_module(name, block)
            width = block.width
        self.fc = nn.Linear(width, CLASSES)

    @torch.no_grad()
    def see(self, images: Tensor) -> Seen:
        """Features ``[B, 2048]``, spatial features ``[B, 2023]`` and logits ``[B, 1008]`` of uint8 images.

        Args:
            images: ``[B, 3, H, W]``; enlarged or shrunk to 299 x 299, as the graph does.

        The spatial features are in the order of OpenAI's evaluator: rows, columns, channels. The logits leave the bias
        out, as that evaluator and the original Inception Score do.
        """
        x = (_resized(images.float()) - 128) / 128
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(functional.max_pool2d(x, 3, 2)))
        x, spatial = functional.max_pool2d(x, 3, 2), x
        for name in _BLOCKS:
            block = self.get_submodule(name)
            assert isinstance(block, Block)
            if name == _SPATIAL_BLOCK:
                spatial = block.branch(0, x)[:, :SPATIAL_CHANNELS].permute(0, 2, 3, 1).flatten(1)
            x = block(x)
        features = x.mean(dim=(2, 3))
        return Seen(features, spatial, features @ self.fc.weight.T)


def _resized(images: Tensor) -> Tensor:
    """Bilinear as TensorFlow 1 did it: output place i lies at i * in / out of the input, without half a pixel."""
    for axis in (3, 2):
        size = images.shape[axis]
        place = torch.arange(SIZE, device=images.device) * torch.tensor(size / SIZE, device=images.device)
        low = place.long()
        share = (place - low).view(-1, 1) if axis == 2 else place - low
        here, beyond = images.index_select(axis, low), images.index_select(axis, (low + 1).clamp_(max=size - 1))
        images = here + (beyond - here) * share
    return images


def load_inception(path: Path) -> Inception:
    """Read the network from a state dict, `.pth` (nothing but tensors is unpickled) or `.safetensors`.

    Raises:
        FpqvarError: the file is missing or does not hold this network.
    """
    with torch.device("meta"):
        network = Inception()
    tensors = read_tensors(path)
    for key in network.state_dict():
        if key.endswith(".num_batches_tracked"):  # a count of training that older files leave out
            tensors.setdefault(key, torch.zeros((), dtype=torch.int64))
    try:
        load_strict(network, tensors, path)
    except FpqvarError as error:
        raise FpqvarError(
            f"{error}. Inception is the state dict that pytorch-fid and torch-fidelity publish, "
            "pt_inception-2015-12-05-6726825d.pth"
        ) from error
    return network
