# SPDX-License-Identifier: Apache-2.0
"""All benches: which design, with which parameters, under which simulator."""

from sim.runner import Bench
from sw_quant._generated import FORMATS

__all__ = ["BENCHES"]


def _scale(positive: str, negative: str) -> Bench:
    bits = [FORMATS[positive].positive.fmax_reciprocal_bits, FORMATS[negative].negative.fmax_reciprocal_bits]
    return Bench(
        f"scale-{positive}-{negative}",
        "fpq_scale",
        "test_scale",
        {"Reciprocal": bits[0], "NegativeReciprocal": bits[1]},
        environment={"RECIPROCAL": str(bits[0]), "NEGATIVE_RECIPROCAL": str(bits[1])},
    )


BENCHES = [
    Bench("align", "fpq_align", "test_align"),
    _scale("e2m1", "dual4"),
    _scale("e2m3", "dual6"),
    _scale("int4", "int8"),
    Bench("threshold", "fpq_threshold", "test_threshold"),
]
