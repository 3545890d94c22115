# SPDX-License-Identifier: Apache-2.0
"""Simulation of `hw/rtl`: cocotb benches of every unit and of the whole engine. `python -m sim` runs them all."""
