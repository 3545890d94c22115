# SPDX-License-Identifier: Apache-2.0
"""The single source of truth: the numbers of docs/contract.md in TOML, and what generates code from them.

Run `make gen`, or `python -m hw.spec.gen` from the repository's root.
"""
