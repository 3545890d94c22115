# SPDX-License-Identifier: Apache-2.0
"""Codes to bytes and back (contract section 2, "Packing"; docs/packing.md has the picture).

Code i of a row takes bits [i * bits, (i + 1) * bits) of the row read as one little-endian integer.  NumPy only, so that
the host can use it without torch.
"""

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError

Bytes = NDArray[np.uint8]

# bits of a code -> codes in the shortest run of whole bytes
_RUN = {4: 2, 6: 4, 8: 1}


def packed_bytes(count: int, bits: int) -> int:
    """Bytes that `count` codes of `bits` bits take; raise `UsageError` when they do not fill whole bytes."""
    if bits not in _RUN:
        raise UsageError(f"cannot pack codes of {bits} bits; 4, 6 and 8 are possible")
    if count % _RUN[bits]:
        raise UsageError(f"{count} codes of {bits} bits do not fill whole bytes; use a multiple of {_RUN[bits]}")
    return count * bits // 8


def pack(codes: Bytes, bits: int) -> Bytes:
    """Pack uint8 codes [..., K] of 4, 6 or 8 bits into uint8 [..., K * bits / 8].

    Raises `UsageError` when K codes do not fill whole bytes or a code does not fit its bits.
    """
    size = packed_bytes(codes.shape[-1], bits)
    if codes.size and int(codes.max()) >> bits:
        raise UsageError(f"code {int(codes.max())} does not fit {bits} bits; quantize to a format of {bits} bits")
    if bits == 8:
        return codes.copy()
    out = np.empty((*codes.shape[:-1], size), np.uint8)
    if bits == 4:
        np.bitwise_or(codes[..., 0::2], codes[..., 1::2] << np.uint8(4), out=out)
        return out
    c0, c1, c2, c3 = (codes[..., i::4] for i in range(4))
    # A shift of uint8 drops what leaves the byte; the next byte takes it up.
    out[..., 0::3] = c0 | c1 << np.uint8(6)
    out[..., 1::3] = c1 >> np.uint8(2) | c2 << np.uint8(4)
    out[..., 2::3] = c2 >> np.uint8(4) | c3 << np.uint8(2)
    return out


def unpack(packed: Bytes, bits: int) -> Bytes:
    """Undo `pack`: uint8 [..., B] to codes uint8 [..., B * 8 / bits].  Raises `UsageError` on a broken run of bytes."""
    if bits not in _RUN:
        raise UsageError(f"cannot unpack codes of {bits} bits; 4, 6 and 8 are possible")
    size = packed.shape[-1]
    run_bytes = _RUN[bits] * bits // 8
    if size % run_bytes:
        raise UsageError(f"{size} bytes do not hold whole runs of {bits}-bit codes; expected a multiple of {run_bytes}")
    if bits == 8:
        return packed.copy()
    codes = np.empty((*packed.shape[:-1], size * 8 // bits), np.uint8)
    if bits == 4:
        codes[..., 0::2] = packed & 0x0F
        codes[..., 1::2] = packed >> 4
        return codes
    b0, b1, b2 = (packed[..., i::3] for i in range(3))
    codes[..., 0::4] = b0 & 0x3F
    codes[..., 1::4] = b0 >> 6 | (b1 & 0x0F) << 2
    codes[..., 2::4] = b1 >> 4 | (b2 & 0x03) << 4
    codes[..., 3::4] = b2 >> 2
    return codes
