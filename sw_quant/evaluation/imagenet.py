# SPDX-License-Identifier: Apache-2.0
"""FID, sFID, Inception Score, Precision and Recall on Inception's features, against a reference that the user brings.

The reference is an npz as OpenAI's evaluator (guided-diffusion) takes it: `mu` [2048] and `sigma` [2048, 2048] of the
features, `mu_s` [2023] and `sigma_s` of the spatial ones, `arr_0` uint8 [N, H, W, 3], images. Statistics that are not
there are taken of the images; what neither gives is not measured.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sw_quant.errors import FpqvarError
from sw_quant.evaluation.classifier import Seen
from sw_quant.evaluation.frechet import Statistics, frechet_distance
from sw_quant.evaluation.inception import FEATURES, SPATIAL, Inception
from sw_quant.evaluation.metrics import NEIGHBOURS, inception_score, precision_recall

__all__ = ["InceptionScorer", "Progress", "Reference", "load_reference"]

Pixels = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]
"""Called with the number of images seen and of all of them."""

_BATCH = 64
_KEYS = {"mu": (FEATURES,), "sigma": (FEATURES,) * 2, "mu_s": (SPATIAL,), "sigma_s": (SPATIAL,) * 2}
_REMEDY = "give the npz of OpenAI's evaluator (mu, sigma, mu_s, sigma_s, arr_0), or one with images as arr_0"


class Reference:
    """What images are compared with. Each part is None where the file has nothing for it.

    Attributes:
        features, spatial: statistics.
        images: uint8 [N, H, W, 3].
        path: of the file.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[np.generic]], path: Path) -> None:
        self.path = path
        self.features = _statistics(arrays, "mu", "sigma")
        self.spatial = _statistics(arrays, "mu_s", "sigma_s")
        self.images: Pixels | None = None
        if "arr_0" in arrays:
            self.images = arrays["arr_0"].astype(np.uint8, copy=False)


def _statistics(arrays: Mapping[str, npt.NDArray[np.generic]], mean: str, cov: str) -> Statistics | None:
    if mean not in arrays or cov not in arrays:
        return None
    mu, sigma = (torch.from_numpy(arrays[key].astype(np.float64)) for key in (mean, cov))
    return Statistics(mu, sigma, 0)  # of how many images, the file does not say


def load_reference(path: Path) -> Reference:
    """Read a reference and check it.

    Raises FpqvarError naming the file, the array and what is wrong with it.
    """
    if not path.is_file():
        raise FpqvarError(f"{path}: no such file; {_REMEDY}")
    if not zipfile.is_zipfile(path):
        raise FpqvarError(f"{path}: not an npz, or cut off; {_REMEDY}")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in (*_KEYS, "arr_0") if key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FpqvarError(f"{path}: cannot be read as an npz ({error}); {_REMEDY}") from error
    for key, shape in _KEYS.items():
        if key in arrays and (arrays[key].shape != shape or arrays[key].dtype.kind != "f"):
            raise FpqvarError(
                f"{path}: {key} is {arrays[key].dtype} {list(arrays[key].shape)}, where Inception's is {list(shape)}; "
                f"{_REMEDY}"
            )
        if key in arrays and not bool(np.isfinite(arrays[key]).all()):
            raise FpqvarError(f"{path}: {key} holds NaN or infinity; {_REMEDY}")
    images = arrays.get("arr_0")
    if images is not None and (images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3):
        raise FpqvarError(
            f"{path}: arr_0 is {images.dtype} {list(images.shape)}, where images are uint8 [N, H, W, 3]; {_REMEDY}"
        )
    if images is None and not {"mu", "sigma"} <= arrays.keys():
        raise FpqvarError(f"{path}: neither mu and sigma nor arr_0 is in it; {_REMEDY}")
    if images is not None and len(images) <= NEIGHBOURS:
        raise FpqvarError(
            f"{path}: {len(images)} images, where Precision and Recall need more than {NEIGHBOURS}; {_REMEDY}"
        )
    return Reference(arrays, path)


class InceptionScorer:
    """Scores images by Inception. The reference's own images are seen once, when first needed."""

    def __init__(self, network: Inception, reference: Reference, device: torch.device | str = "cpu") -> None:
        self._network, self._device = network.to(device), device
        self._reference = reference
        self._features: Tensor | None = None  # of the reference's images

    def see(self, pixels: Pixels, progress: Progress | None = None) -> Seen:
        """Features and logits of uint8 images [N, H, W, C], C 1 or 3, on the scorer's device."""
        parts = []
        for start in range(0, len(pixels), _BATCH):
            part = torch.from_numpy(pixels[start : start + _BATCH]).permute(0, 3, 1, 2).to(self._device)
            parts.append(self._network.see(part.expand(-1, 3, -1, -1)))
            if progress is not None:
                progress(min(start + _BATCH, len(pixels)), len(pixels))
        return Seen(*(torch.cat(values) for values in zip(*parts, strict=True)))

    def prepare(self, progress: Progress | None = None) -> None:
        """See the reference's images, if that has not been done: for what its file has no statistics of."""
        images, reference = self._reference.images, self._reference
        if images is None or self._features is not None:
            return
        seen = self.see(images, progress)
        reference.features = reference.features or Statistics.of(seen.features)
        reference.spatial = reference.spatial or Statistics.of(seen.spatial)
        self._features = seen.features

    def measure(self, pixels: Pixels, progress: Progress | None = None) -> dict[str, float]:
        """`fid`, `sfid`, `inception_score`, `precision` and `recall`, as far as the reference allows.

        Raises FpqvarError for fewer images than a metric needs.
        """
        self.prepare()
        seen = self.see(pixels, progress)
        found: dict[str, float] = {}
        if self._reference.features is not None:
            found["fid"] = frechet_distance(Statistics.of(seen.features), self._reference.features)
        if self._reference.spatial is not None:
            found["sfid"] = frechet_distance(Statistics.of(seen.spatial), self._reference.spatial)
        found["inception_score"] = inception_score(seen.logits.softmax(dim=1))
        if self._features is not None:
            found["precision"], found["recall"] = precision_recall(seen.features, self._features)
        return found
