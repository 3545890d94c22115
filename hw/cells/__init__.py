# SPDX-License-Identifier: Apache-2.0
"""Multiplier cells made of single LUTs: their codes, the search that found them, and their SystemVerilog."""
