# SPDX-License-Identifier: Apache-2.0
"""Driver and runtime of the accelerator: devices, command lists, and the `fpqvar` command line.

Importing the package needs the standard library and numpy alone.
"""

from host.command import Gemm
from host.device import Buffer, Counters, Device, DeviceTimeout, EngineError, EngineInfo, RunResult
from host.devices import BACKENDS, open_device
from host.runtime import EngineLinears
from host.tandem import Tandem
from sw_quant import __version__

__all__ = [
    "BACKENDS",
    "Buffer",
    "Counters",
    "Device",
    "DeviceTimeout",
    "EngineError",
    "EngineInfo",
    "EngineLinears",
    "Gemm",
    "RunResult",
    "Tandem",
    "__version__",
    "open_device",
]
