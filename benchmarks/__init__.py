# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: `python -m benchmarks.<name> --help`. docs/speed.md shows their figures."""
