# SPDX-License-Identifier: Apache-2.0
"""What tests of the command line share; the fixtures `fpqvar` and `run` are in conftest.py."""

from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]
"""Runs `fpqvar` with arguments: exit code, stdout, stderr."""
LOAD = "sw_quant.var.checkpoint.load_model"


def refused(result: tuple[int, str, str], code: int, *words: str) -> None:
    """One message on stderr with all of `words`, no traceback."""
    assert result[0] == code, result
    text = " ".join(result[2].replace("│", " ").split())
    assert "Traceback" not in result[2]
    for word in words:
        assert word in text, text
