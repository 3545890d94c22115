# SPDX-License-Identifier: Apache-2.0
"""Driver and runtime of the accelerator: devices, command lists, and the `fpqvar` command line.

Importing the package needs the standard library and numpy alone.
"""

from sw_quant import __version__

__all__ = ["__version__"]
