# SPDX-License-Identifier: Apache-2.0
"""What is not offloaded, in numpy alone: a board needs neither torch nor a compiler to draw images.

    packed = load_packed(Path("fmnist-fp4"))
    with open_device("pynq", "fp4") as device:
        var = NumpyVar(packed, EngineLinears(device, packed.layers).apply)
        images = var.generate([0, 1, 2], image_seeds=[1, 2, 3])

It computes what `sw_quant.var` computes in torch, in single precision, but adds in another order: last bits differ.
With float layers the tokens are the same. Quantized layers make steps of last bits: an activation on the edge between
two codes may get the other one, and an image drawn from then on is another, no worse one. For a given input the linear
layers have the engine's bits, here as everywhere.
"""

from host.cpu.transformer import NumpyVar

__all__ = ["NumpyVar"]
