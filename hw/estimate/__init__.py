# SPDX-License-Identifier: Apache-2.0
"""What the RTL costs on a device: open synthesis, LUT sites, logic depth."""
