# SPDX-License-Identifier: Apache-2.0
"""`python -m hw.estimate`."""

from .cli import main

main()
