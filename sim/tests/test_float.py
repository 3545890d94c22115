# SPDX-License-Identifier: Apache-2.0
"""The bank's float units, simulated."""

import pytest

from sim.tests import bank_runner



@pytest.mark.parametrize(
    ("top", "test"),
    [("fpq_add", "add"), ("fpq_to_fp16", "to_fp16"), ("fpq_bank_scale", "scale"), ("fpq_bias", "bias")],
)
def test_float(top: str, test: str) -> None:
    bank_runner.run(top, "bench_float", environment={"COCOTB_TEST_FILTER": f"{test}$"})


@pytest.mark.parametrize("family", bank_runner.FAMILIES)
def test_term(family: str) -> None:
    number = str(bank_runner.FAMILIES[family])
    bank_runner.run("fpq_term", "bench_float", {"Family": int(number)}, {"COCOTB_TEST_FILTER": "term$", "FAMILY": number})
