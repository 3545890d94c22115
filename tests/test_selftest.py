# SPDX-License-Identifier: Apache-2.0
"""The engine's self-test: a reference in numpy, written from the contract, against every engine; and it can fail."""

import subprocess
import sys

import numpy as np
import pytest

import host
from host._generated import FAMILIES, SIMULATION_GEOMETRIES
from host.selftest import Case, cases, run_case, self_test
from sw_quant.errors import FpqvarError

BACKENDS = ("golden", "csim")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_engine_passes(backend: str, family: str) -> None:
    with host.open_device(backend, family, "small") as device:
        seed = int(np.random.default_rng().integers(1 << 30))
        assert self_test(device, seed) >= 32, seed


def test_the_cases_reach_every_corner() -> None:
    for geometry in SIMULATION_GEOMETRIES.values():
        for family, known in FAMILIES.items():
            every = cases(family, geometry)
            assert {case.activations for case in every} == set(known.activations)
            assert any(case.m > geometry.rows for case in every)
            assert any(case.n > geometry.columns for case in every)
            assert any(case.k % case.group for case in every)


def test_a_wrong_engine_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from host.devices import golden

    with host.open_device("golden", "fp4", "small") as device:
        execute = golden.GoldenDevice._execute

        def flip(self: golden.GoldenDevice, address: int, count: int) -> object:
            registers = execute(self, address, count)
            from host.command import Gemm

            gemm = Gemm.decode(self.memory.view(address, 128).tobytes())
            self.memory.view(gemm.y_address, 1)[0] ^= 1
            return registers

        monkeypatch.setattr(golden.GoldenDevice, "_execute", flip)
        with pytest.raises(
            FpqvarError, match=r"self-test Case\(.*output \[0, 0\] is .* the contract says .*build it again"
        ):
            self_test(device)


def test_random_layers() -> None:
    rng = np.random.default_rng(1)
    with host.open_device("csim", "fp4", "small") as device:
        for seed in range(20):
            m, n, k = (int(rng.integers(1, 9)), 32 * int(rng.integers(1, 4)), 32 * int(rng.integers(1, 12)))
            case = Case(m, n, k, str(rng.choice(["e2m1", "dual4"])), "e2m1", 32 * int(rng.integers(1, 6)))
            y, expected, counters = run_case(device, case, seed)
            assert np.array_equal(y.view(np.uint16), expected.view(np.uint16)), case
            assert counters.read_bytes > 0


def test_it_needs_no_torch() -> None:
    code = """
import sys
sys.modules["torch"] = None
import host
from host.selftest import self_test
with host.open_device("csim", "fp6", "small") as device:
    print(self_test(device) > 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "True\n", done.stderr
