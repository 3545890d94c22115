# SPDX-License-Identifier: Apache-2.0
"""A board without a board: the real package pynq and our driver on a simulated engine.

from sim.board import simulated_board

with simulated_board("csim", "fp4", "small"):
    device = host.open_device("pynq", "fp4")      # what would run on a board, unchanged
"""

from sim.board.simulate import SimulatedBoard, simulated_board

__all__ = ["SimulatedBoard", "simulated_board"]
