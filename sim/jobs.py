# SPDX-License-Identifier: Apache-2.0
"""Packed structs of hw/rtl/fpq_core_pkg.sv that benches drive and read: widths of the members, the first on top."""

from collections.abc import Mapping

__all__ = ["ISSUE_JOB", "STORE_JOB", "W_JOB", "X_JOB", "encode", "members"]

_SIZE = {"m": 32, "n": 32, "block_rows": 24}
_COUNTS = {"chunks": 9, "groups": 9}
_X = {"address": 64, "stride": 32, "m": 32, "k": 14, "group": 14, "chunks": 9}

X_JOB = {**_X, "ght": 1, "dual": 1, "fence": 1, "tag": 4}
W_JOB = {"address": 64, **_SIZE, "tile_span": 24, "scale_beats": 16, **_COUNTS, "tag": 4}
ISSUE_JOB = {**_SIZE, "row_tiles": 16, **_COUNTS, "group_chunks": 9, "last_chunks": 9, "dual": 1}
STORE_JOB = {"nop": 1, "address": 64, "stride": 32, **_SIZE, "tag": 4}


def encode(values: Mapping[str, int], struct: Mapping[str, int]) -> int:
    """A packed struct with these members."""
    word = 0
    for name, bits in struct.items():
        word = word << bits | int(values[name])
    return word


def members(word: int, struct: Mapping[str, int]) -> dict[str, int]:
    """The members of a packed struct."""
    found = {}
    for name, bits in reversed(list(struct.items())):
        found[name] = word & (1 << bits) - 1
        word >>= bits
    return found
