# SPDX-License-Identifier: Apache-2.0
"""The outlier twin: the same function with the outlier channels of a large model, so that four bits become hard.

Large VARs have channels whose activations are many times those of the others, where adaLN feeds mat_qkv and fc1
(FPQVAR, section 3.2); a small model has few. The twin multiplies channel c of adaLN's output x by s_c and divides
column c of the next layer's weight by it, so that W' x' = W x. The profile s is log-normal, as channel magnitudes of
large transformers are, and rounded to powers of two: W / s is exact, and so is every product with s. What is not exact
is adaLN's own 1 + scale, where the twin adds s - 1 to a bias: float32 rounds it elsewhere. So logits agree within
float32's rounding, and the tokens drawn, hence the images, are the same bytes but for a draw that falls on the edge
between two tokens.
"""

import hashlib
import math
from dataclasses import replace
from random import Random
from statistics import NormalDist

import torch
from torch import Tensor

from .errors import UsageError
from .quantize import fold_signs
from .var import Var, VarConfig
from .var.checkpoint import LoadedModel

__all__ = ["SIGMA", "outlier_profile", "outlier_twin"]

SIGMA = 1.0
_SCALED = {"mat_qkv": "attn.mat_qkv.weight", "fc1": "ffn.fc1.weight"}
_LARGEST_LOG2 = 8  # a factor of 256: adaLN's outputs, of about 10, stay far from half precision's 65504


def outlier_profile(config: VarConfig, seed: int, sigma: float) -> dict[str, Tensor]:
    """The factors s, float32 [width], of every mat_qkv and fc1: 2^k, k the rounded logarithm of a log-normal draw.

    Args:
        config: the model's shapes. With shared adaLN all blocks have the same factors.
        seed: of the draws; the same factors on every machine.
        sigma: standard deviation of ln s.

    Raises UsageError when `sigma` is negative or not finite, or `seed` is negative.
    """
    if not (math.isfinite(sigma) and sigma >= 0):
        raise UsageError(f"sigma is {sigma}; give the standard deviation of the factors' logarithm, such as {SIGMA}")
    if seed < 0:
        raise UsageError(f"seed is {seed}; give a number from 0 on")
    profile = {}
    for block in range(config.depth):
        for kind in _SCALED:
            stream = kind if config.shared_adaln else f"{block}.{kind}"
            profile[f"{block}.{kind}"] = _factors(config.width, f"outlier twin/{seed}/{stream}", sigma)
    return profile


def _factors(width: int, stream: str, sigma: float) -> Tensor:
    random, normal = Random(hashlib.sha256(stream.encode()).digest()), NormalDist()
    octaves = [sigma * normal.inv_cdf((random.getrandbits(32) + 0.5) / 2**32) / math.log(2) for _ in range(width)]
    return torch.tensor([2.0 ** max(-_LARGEST_LOG2, min(_LARGEST_LOG2, round(octave))) for octave in octaves])


def outlier_twin(model: LoadedModel, seed: int = 0, sigma: float = SIGMA) -> LoadedModel:
    """The twin of a float model. Its `sha256` is of the model's own, the seed and sigma.

    Raises what `outlier_profile` raises.
    """
    profile = outlier_profile(model.config, seed, sigma)
    state = fold_signs(model.var.state_dict(), model.config, profile)
    for name, factors in profile.items():
        block, kind = name.split(".")
        key = f"blocks.{block}.{_SCALED[kind]}"
        state[key] = state[key] / factors
    with torch.device("meta"):
        var = Var(model.config, model.vqvae)
    var.load_state_dict(state, assign=True)
    digest = hashlib.sha256(f"{model.sha256}/outlier twin/{seed}/{sigma!r}".encode()).hexdigest()
    return replace(model, var=var.eval().requires_grad_(False), sha256=digest)
