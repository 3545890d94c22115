# SPDX-License-Identifier: Apache-2.0
"""Calibration: inputs of a model's linear layers, captured; and what is learnt or searched on them."""
