# SPDX-License-Identifier: Apache-2.0
"""Errors that a user can cause. Each message names the file or layer, the offending value and the remedy."""

from typing import ClassVar


class FpqvarError(Exception):
    """Something went wrong that the user can mend; the command line prints the message and leaves with `exit_code`."""

    exit_code: ClassVar[int] = 1


class UsageError(FpqvarError):
    """A wrong argument: an unknown name, or a value out of range, refused before any work is done."""

    exit_code: ClassVar[int] = 2
