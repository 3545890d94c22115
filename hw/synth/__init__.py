# SPDX-License-Identifier: Apache-2.0
"""From a board's name to a bitstream: drives Vitis HLS and Vivado, stage by stage (`make synth`, docs/synthesis.md)."""
