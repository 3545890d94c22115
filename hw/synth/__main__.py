# SPDX-License-Identifier: Apache-2.0
"""`python -m hw.synth`."""

from hw.synth.cli import main

main()
