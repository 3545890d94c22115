# SPDX-License-Identifier: Apache-2.0
"""cocotb test modules; which design each is for stands in `sim.benches`."""
