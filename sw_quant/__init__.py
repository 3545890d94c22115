# SPDX-License-Identifier: Apache-2.0
"""FP4 and FP6 quantization of VAR image transformers, and the golden model of the accelerator's arithmetic.

Importing the package is cheap: torch is loaded only by the modules that compute with it.
"""

__version__ = "0.1.0"
