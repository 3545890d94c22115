# SPDX-License-Identifier: Apache-2.0
"""Every code of every format, against ml_dtypes and against tables typed from the contract."""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch

from sw_quant import formats
from sw_quant._generated import FORMATS
from sw_quant.errors import UsageError
from tests import reference

ORACLES = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
}


def test_the_contract_names_these_formats() -> None:
    assert set(FORMATS) == set(reference.FORMATS)


@pytest.mark.parametrize("name", ORACLES)
def test_codes_decode_as_in_ml_dtypes(name: str) -> None:
    values = formats.code_values(name).numpy()
    codes = np.arange(len(values), dtype=np.uint8)
    oracle = codes.view(ORACLES[name]).astype(np.float32)
    assert len(values) == 1 << formats.get(name).bits
    assert (values == oracle).all()


@pytest.mark.parametrize("name", reference.FORMATS)
def test_codes_decode_as_in_the_contract(name: str) -> None:
    format, expected = formats.get(name), reference.FORMATS[name]
    codes = range(1 << expected.bits)
    assert format.bits == expected.bits
    assert list(formats.signed_units(format)) == [reference.code_units(code, expected) for code in codes]
    values = [Fraction(value) for value in formats.code_values(format).tolist()]
    assert values == [reference.code_value(code, expected) for code in codes]


@pytest.mark.parametrize("name", reference.FORMATS)
def test_no_code_decodes_to_minus_zero(name: str) -> None:
    values = formats.code_values(name)
    assert not torch.signbit(values[values == 0]).any()
    halves = formats.term_units(formats.get(name))
    assert not torch.signbit(halves[halves == 0]).any()


@pytest.mark.parametrize("name", reference.FORMATS)
def test_generated_tables_are_those_of_the_contract(name: str) -> None:
    format, expected = formats.get(name), reference.FORMATS[name]
    for table, sign in ((format.positive, expected.positive), (format.negative, expected.negative)):
        assert table.magnitudes == sign.magnitudes
        assert Fraction(2) ** table.unit_log2 == sign.unit
        assert Fraction(table.fmax) == sign.fmax
        assert list(table.thresholds) == [a + b for a, b in zip(sign.magnitudes, sign.magnitudes[1:], strict=False)]
        reciprocal = np.uint32(table.fmax_reciprocal_bits).view(np.float32)
        assert Fraction(float(reciprocal)) == reference.round_fp32(1 / sign.fmax)


@pytest.mark.parametrize("name", reference.FORMATS)
def test_the_halves_of_a_format_add_up_to_it(name: str) -> None:
    format = formats.get(name)
    halves = formats.term_units(format)
    assert len(halves) == len(formats.terms(format)) == (2 if name.startswith("dual") else 1)
    assert halves.sum(0).tolist() == list(formats.signed_units(format))


def test_an_unknown_format_is_refused_with_the_known_names() -> None:
    with pytest.raises(UsageError, match=r"'fp5'.*e2m1.*dual6"):
        formats.get("fp5")
