# SPDX-License-Identifier: Apache-2.0
"""What every executor of the linear layers says when half precision cannot hold an activation: no silent NaN image."""

from .errors import FpqvarError

__all__ = ["refuse_input", "refuse_output"]

_REMEDY = "the image would be wrong. Try `--backend float`, and check the checkpoint"


def refuse_input(layer: str, where: str = "an input element is Inf or NaN") -> FpqvarError:
    """The error for an input that FP16 cannot hold."""
    return FpqvarError(f"layer {layer}: {where}, which FP16 cannot hold (at most 65504); {_REMEDY}")


def refuse_output(layer: str) -> FpqvarError:
    """The error for an output that had to be saturated."""
    return FpqvarError(f"layer {layer}: an output is beyond FP16's 65504 and was saturated; {_REMEDY}")
