# SPDX-License-Identifier: Apache-2.0
"""Shapes of VAR models, as data.

A VAR model is two networks: a multi-scale VQVAE, which turns images into maps of tokens and back, and a transformer,
which predicts the token maps one scale after the other (Tian et al., "Visual Autoregressive Modeling", 2024). The
presets ``d16`` to ``d36`` are the published ones; ``fmnist`` is the small one that this package ships.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from sw_quant.errors import FpqvarError

PATCH_SIZES_256 = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
PATCH_SIZES_512 = (1, 2, 3, 4, 6, 9, 13, 18, 24, 32)


@dataclass(frozen=True)
class VqvaeConfig:
    """The multi-scale VQVAE. The defaults are those of the published ``vae_ch160v4096z32``.

    Attributes:
        vocabulary: number of codes in the codebook.
        latent_channels: width of a code.
        channels: width of the convolutions at full resolution.
        multipliers: factor on ``channels`` at each resolution; every step halves height and width.
        res_blocks: residual blocks at each resolution of the encoder (the decoder has one more).
        image_channels: 3 for RGB, 1 for grey.
        norm_groups: groups of every group normalisation.
        phi_count: how many 3x3 convolutions ("phi") smooth the upsampled codes; the scales share them.
        phi_ratio: weight of phi's convolution against its input.
        patch_sizes: side of the token map at each scale; the last is the latent's.
    """

    vocabulary: int = 4096
    latent_channels: int = 32
    channels: int = 160
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)
    res_blocks: int = 2
    image_channels: int = 3
    norm_groups: int = 32
    phi_count: int = 4
    phi_ratio: float = 0.5
    patch_sizes: tuple[int, ...] = PATCH_SIZES_256

    @property
    def latent_size(self) -> int:
        """Side of the latent map."""
        return self.patch_sizes[-1]

    @property
    def image_size(self) -> int:
        """Side of the image in pixels."""
        return int(self.latent_size * 2 ** (len(self.multipliers) - 1))


@dataclass(frozen=True)
class VarConfig:
    """The transformer, with the VQVAE that it belongs to.

    Attributes:
        depth, width, heads: the transformer; the published ones have width = 64 * depth.
        mlp_ratio: width of the feed-forward layer over ``width``.
        classes: number of classes; one more embedding stands for "no class".
        shared_adaln: one layer makes every block's adaLN parameters (d36), rather than one layer a block.
        norm_eps: epsilon of the layer normalisations.
        vqvae: the VQVAE; its patch sizes are the scales of the transformer too.
    """

    depth: int
    width: int
    heads: int
    mlp_ratio: int = 4
    classes: int = 1000
    shared_adaln: bool = False
    norm_eps: float = 1e-6
    vqvae: VqvaeConfig = field(default_factory=VqvaeConfig)

    @property
    def patch_sizes(self) -> tuple[int, ...]:
        """Side of the token map at each scale."""
        return self.vqvae.patch_sizes

    @property
    def tokens(self) -> int:
        """Tokens of one image, all scales together."""
        return sum(size * size for size in self.patch_sizes)


def _published(depth: int, patch_sizes: tuple[int, ...] = PATCH_SIZES_256, shared_adaln: bool = False) -> VarConfig:
    return VarConfig(
        depth, width=64 * depth, heads=depth, shared_adaln=shared_adaln, vqvae=VqvaeConfig(patch_sizes=patch_sizes)
    )


PRESETS: dict[str, VarConfig] = {
    "d16": _published(16),
    "d20": _published(20),
    "d24": _published(24),
    "d30": _published(30),
    "d36": _published(36, PATCH_SIZES_512, shared_adaln=True),
    "fmnist": VarConfig(
        depth=6,
        width=256,
        heads=4,
        classes=10,
        vqvae=VqvaeConfig(
            vocabulary=1024,
            latent_channels=16,
            channels=32,
            multipliers=(1, 2, 3),
            image_channels=1,
            norm_groups=16,
            patch_sizes=(1, 2, 3, 4, 6, 8),
        ),
    ),
}


def phi_index(scale: int, scales: int, count: int) -> int:
    """Which of ``count`` phis belongs to scale number ``scale`` of ``scales``.

    Each phi sits at a point of [0, 1], a scale takes the nearest (the lower one on a tie). The points are spread
    evenly, half a step from both ends; with four of them a third of a step, a quirk that the checkpoints keep.
    """
    margin = 1 / (3 * count) if count == 4 else 1 / (2 * count)
    ticks = np.linspace(margin, 1 - margin, count)  # ties hang on its rounding
    return int(np.abs(ticks - scale / (scales - 1)).argmin())


def to_dict(config: VarConfig) -> dict[str, Any]:
    """The configuration as JSON-ready data; :func:`from_dict` is its inverse."""
    return json.loads(json.dumps(asdict(config)))  # type: ignore[no-any-return]


def from_dict(data: Mapping[str, Any], source: str) -> VarConfig:
    """Read a configuration back.

    Args:
        data: what :func:`to_dict` wrote.
        source: the file that it came from, for the error message.

    Raises:
        FpqvarError: unknown or missing key, or a value of the wrong type.
    """
    values = dict(data)
    vqvae = values.pop("vqvae", None)
    if not isinstance(vqvae, Mapping):
        raise FpqvarError(f"{source}: key 'vqvae' is missing or not a table; restore the file")
    config: VarConfig = _parse(VarConfig, values, source, vqvae=_parse(VqvaeConfig, vqvae, source))
    return config


def _parse(kind: Any, data: Mapping[str, Any], source: str, **extra: Any) -> Any:
    """Build the dataclass ``kind``, every field given, of the type that it was declared with."""
    types = {f.name: str(f.type) for f in fields(kind) if f.name not in extra}
    for key in [*(types.keys() - data.keys()), *(data.keys() - types.keys())]:
        raise FpqvarError(f"{source}: key '{key}' is {'missing' if key in types else 'unknown'}; restore the file")
    values: dict[str, Any] = {}
    for key, value in data.items():
        if not _fits(value, types[key]):
            raise FpqvarError(f"{source}: '{key}' is {value!r}, expected {types[key]}; restore the file")
        values[key] = tuple(value) if isinstance(value, list) else value
    return kind(**values, **extra)


def _fits(value: Any, type_name: str) -> bool:
    def is_positive_int(item: Any) -> bool:
        return isinstance(item, int) and not isinstance(item, bool) and item > 0

    if type_name == "int":
        return is_positive_int(value)
    if type_name == "bool":
        return isinstance(value, bool)
    if type_name == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1
    return isinstance(value, list) and bool(value) and all(is_positive_int(item) for item in value)
