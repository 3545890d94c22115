# SPDX-License-Identifier: Apache-2.0
"""Device memory, the golden device's command lists, and what happens when a run goes wrong."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import host
from host._generated import (
    CONTRACT_VERSION,
    DESCRIPTOR_BYTES,
    DESCRIPTOR_FIELDS,
    SIMULATION_GEOMETRIES,
    EngineFlag,
    ErrorCode,
)
from host.command import Gemm, decode_fields, encode_fields, fit_row_tiles
from host.device import Counters, Device, DeviceTimeout, EngineError, EngineInfo
from host.devices.simulated import SimulatedDevice
from host.layout import StreamShape, pack
from host.memory import Memory
from sw_quant import golden, quantizer
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.qtensor import QTensor

BACKENDS = ("golden", "csim")
SMALL = SIMULATION_GEOMETRIES["small"]


class TestMemory:
    def test_first_fit_aligned_and_never_zero(self) -> None:
        memory = Memory(1024)
        a, b, c = (memory.allocate(size) for size in (1, 64, 65))
        assert [a, b, c] == [64, 128, 192]
        memory.free(b)
        assert memory.allocate(128) == 320
        assert memory.allocate(64) == b
        assert memory.data.ctypes.data % 64 == 0

    def test_full_says_what_is_free_and_what_to_do(self) -> None:
        memory = Memory(256)
        memory.allocate(128)
        with pytest.raises(FpqvarError, match=r"full: 192 bytes asked for, 128 of 256 free; .*memory_bytes"):
            memory.allocate(192)
        assert memory.allocate(128) == 192

    def test_freed_twice(self) -> None:
        memory = Memory(256)
        address = memory.allocate(64)
        memory.free(address)
        with pytest.raises(FpqvarError, match="0x40; was it freed twice"):
            memory.free(address)

    @given(st.lists(st.tuples(st.booleans(), st.integers(1, 300)), max_size=60))
    def test_buffers_never_overlap_and_all_comes_back(self, steps: list[tuple[bool, int]]) -> None:
        memory, held = Memory(2048), dict[int, int]()
        for take, size in steps:
            if take:
                try:
                    address = memory.allocate(size)
                except FpqvarError:
                    continue
                assert address % 64 == 0
                assert address >= 64
                assert address + size <= len(memory.data)
                assert all(address + size <= a or a + s <= address for a, s in held.items())
                held[address] = size
            elif held:
                address = sorted(held)[size % len(held)]
                del held[address]
                memory.free(address)
        for address in held:
            memory.free(address)
        assert memory.free_bytes == 2048
        assert memory.allocate(2048) == 64


@pytest.fixture(params=BACKENDS)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    with host.open_device(request.param, "fp4", "small", memory_bytes=1 << 20) as opened:
        yield opened


def layer(n: int, k: int, seed: int = 0) -> tuple[QTensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weight = quantizer.quantize(torch.randn(n, k, generator=generator), "e2m1", group=128)
    return weight, torch.randn(n, generator=generator)


def upload(device: Device, weight: QTensor, bias: torch.Tensor) -> int:
    n, k = weight.shape
    shape = StreamShape.of(n, k, weight.group, weight.format.bits, device.info.geometry)
    stream = device.allocate(shape.nbytes)
    stream.write(pack(weight.pack().numpy(), weight.scales.numpy(), bias.numpy(), shape))
    return stream.address


def gemm_for(device: Device, m: int, weight: QTensor, x: int, w: int, y: int) -> Gemm:
    n, k = weight.shape
    tiles = fit_row_tiles(m, k, weight.group, device.info.geometry)
    return Gemm(m, n, k, "e2m1", "e2m1", weight.group, tiles, x, w, y, 2 * k, 2 * n)


def write_list(device: Device, *commands: bytes) -> int:
    buffer = device.allocate(128 * len(commands))
    buffer.write(np.frombuffer(b"".join(commands), np.uint8))
    return buffer.address


def test_buffers_check_their_range(device: Device) -> None:
    buffer = device.allocate(100)
    buffer.write(np.arange(25, dtype=np.float32))
    assert buffer.read(8, 4).view(np.float32).tolist() == [1.0, 2.0]
    with pytest.raises(FpqvarError, match="buffer of 100 bytes: no bytes 96 to 104"):
        buffer.write(np.zeros(2, np.float32), 96)
    with pytest.raises(FpqvarError, match="no bytes -1 to 7"):
        buffer.read(8, -1)


def test_devices_compute_from_memory_alone(device: Device) -> None:
    weight, bias = layer(96, 256)
    x = torch.randn(5, 256).half()
    # Strides longer than a row, and bytes between the rows that must survive.
    x_buffer, y_buffer = device.allocate(5 * 528), device.allocate(5 * 200)
    padded = np.full((5, 264), 7, np.float16)
    padded[:, :256] = x.numpy()
    x_buffer.write(padded)
    y_buffer.write(np.full(5 * 100, 9, np.float16))
    gemm = replace(
        gemm_for(device, 5, weight, x_buffer.address, upload(device, weight, bias), y_buffer.address),
        x_stride=528,
        y_stride=200,
    )
    result = device.run(write_list(device, gemm.encode()), 1)
    y = y_buffer.read(5 * 200).view(np.float16).reshape(5, 100)
    expected = golden.linear(x, weight, bias, "e2m1", 128)
    assert y[:, :96].tobytes() == expected.y.numpy().tobytes()
    assert (y[:, 96:] == 9).all()
    assert result.flags == EngineFlag(0)


def test_new_weights_at_an_old_address_are_seen(device: Device) -> None:
    x = torch.randn(1, 128).half()
    x_buffer, y_buffer = device.allocate(256), device.allocate(64)
    x_buffer.write(x.numpy())
    shape = StreamShape.of(32, 128, 128, 4, SMALL)
    stream = device.allocate(shape.nbytes)
    for seed in (1, 2):
        weight, bias = layer(32, 128, seed)
        stream.write(pack(weight.pack().numpy(), weight.scales.numpy(), bias.numpy(), shape))
        gemm = gemm_for(device, 1, weight, x_buffer.address, stream.address, y_buffer.address)
        device.run(write_list(device, gemm.encode()), 1)
        expected = golden.linear(x, weight, bias, "e2m1", 128).y.numpy()
        assert y_buffer.read(64).tobytes() == expected.tobytes()


def test_a_refused_command_stops_the_list_where_it_stands(device: Device) -> None:
    weight, bias = layer(32, 128)
    stream, x, y = upload(device, weight, bias), device.allocate(256), device.allocate(192)
    x.write(torch.randn(1, 128).half().numpy())
    y.write(np.full(96, 9, np.float16))
    first = gemm_for(device, 1, weight, x.address, stream, y.address)
    wrong = replace(first, k=129, y_address=y.address + 64)
    third = replace(first, y_address=y.address + 128)
    address = write_list(device, first.encode(), wrong.encode(), third.encode())
    with pytest.raises(EngineError, match=r"engine stopped at command 1: shape error \(code 4") as caught:
        device.run(address, 3)
    assert (caught.value.result.status, caught.value.result.error_index) == (ErrorCode.SHAPE, 1)
    written = y.read(192).view(np.float16).reshape(3, 32)
    assert not (written[0] == 9).all()
    assert (written[1:] == 9).all()
    assert device.run(address, 1).status == ErrorCode.OK  # the next run is right


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"x_address": 1 << 40}, ErrorCode.READ),
        ({"w_address": (1 << 20) - 64}, ErrorCode.READ),
        ({"y_address": 1 << 40}, ErrorCode.WRITE),
    ],
)
def test_addresses_beyond_memory(device: Device, change: dict[str, int], status: ErrorCode) -> None:
    weight, bias = layer(32, 128)
    good = gemm_for(device, 1, weight, 64, upload(device, weight, bias), 512)
    with pytest.raises(EngineError) as caught:
        device.run(write_list(device, replace(good, **change).encode()), 1)  # type: ignore[arg-type]
    assert caught.value.result.status == status


def test_a_misaligned_list_and_an_empty_one(device: Device) -> None:
    with pytest.raises(EngineError, match="command 0: alignment"):
        device.run(32, 1)
    assert device.run(0, 0).status == ErrorCode.OK
    with pytest.raises(EngineError, match="command 0: read"):
        device.run(1 << 30, 1)


def test_flags_tell_the_first_command(device: Device) -> None:
    weight = quantizer.quantize(torch.full((32, 128), 100.0), "e2m1", group=128)
    stream = upload(device, weight, torch.zeros(32))
    x, y = device.allocate(3 * 256), device.allocate(64)
    rows = torch.ones(3, 128).half()
    rows[1] = 1000
    rows[2, 5] = torch.nan
    x.write(rows.numpy())
    base = gemm_for(device, 1, weight, x.address, stream, y.address)
    commands = [replace(base, x_address=x.address + 256 * row).encode() for row in (0, 1, 2)]
    result = device.run(write_list(device, *commands), 3)
    assert result.flags == EngineFlag.OVERFLOW | EngineFlag.NONFINITE
    assert (result.overflow_index, result.nonfinite_index) == (1, 2)


@given(
    changes=st.dictionaries(
        st.sampled_from([field.name for field in DESCRIPTOR_FIELDS]),
        st.one_of(
            st.integers(0, 260), st.sampled_from([1 << 13, 1 << 19, 1 << 20, (1 << 31) + 64, (1 << 32) - 32, 1 << 63])
        ),
        min_size=1,
        max_size=3,
    ),
    flipped=st.lists(st.integers(0, DESCRIPTOR_BYTES - 1), max_size=1),
)
@settings(max_examples=150)
def test_engines_refuse_the_same_commands_with_the_same_code(changes: dict[str, int], flipped: list[int]) -> None:
    """Whatever stands in a descriptor: the same status. And the same flags and memory, unless that makes an engine take
    other bytes for weights, whose scales and biases can then be NaN, or write Y over what it reads."""
    outcomes = []
    for backend in BACKENDS:
        with host.open_device(backend, "fp4", "small", memory_bytes=1 << 16) as device:
            weight, bias = layer(64, 128)
            stream, x, y = upload(device, weight, bias), device.allocate(1024), device.allocate(2048)
            x.write(torch.linspace(-3, 3, 512).half().numpy())
            good = decode_fields(gemm_for(device, 4, weight, x.address, stream, y.address).encode())
            values = {name: changes.get(name, value) % _limit(name) for name, value in good.items()}
            raw = bytearray(encode_fields(values))
            for offset in flipped:
                raw[offset] ^= 0x10
            device.start(write_list(device, bytes(raw)), 1)
            outcomes.append((device.wait(60), device.memory.data.tobytes()))  # type: ignore[attr-defined]
    (first, first_memory), (second, second_memory) = outcomes
    assert (first.status, first.error_index) == (second.status, second.error_index)
    final = decode_fields(bytes(raw))
    same_weights = all(final[name] == good[name] for name in ("w_address", "n", "k", "group"))
    if same_weights and _y_stands_apart(final, x.address, y.address):
        assert first.flags == second.flags
        assert first_memory == second_memory


def _y_stands_apart(field: dict[str, int], x: int, y: int) -> bool:
    """Whether X and Y are read and written within their own buffers."""
    x_bytes = (field["m"] - 1) * field["x_stride"] + 2 * field["k"]
    y_bytes = (field["m"] - 1) * field["y_stride"] + 2 * field["n"]
    return (field["x_address"], field["y_address"]) == (x, y) and x_bytes <= 1024 and y_bytes <= 2048


def _limit(name: str) -> int:
    return 1 << next(field.bits for field in DESCRIPTOR_FIELDS if field.name == name)


class Slow(SimulatedDevice):
    """An engine that waits to be let go."""

    def __init__(self) -> None:
        super().__init__(EngineInfo("slow", "fp4", SMALL, CONTRACT_VERSION, "golden"), 1024)
        self.go = threading.Event()

    def _execute(self, list_address: int, count: int) -> Mapping[str, int]:
        self.go.wait()
        raise FpqvarError("it broke")


def test_a_run_that_does_not_end_is_a_time_out_not_a_hang() -> None:
    device = Slow()
    device.start(64, 1)
    with pytest.raises(DeviceTimeout, match=r"slow engine: not done after 0\.01 s; allow it more time"):
        device.wait(0.01)
    with pytest.raises(FpqvarError, match="a run is under way"):
        device.start(64, 1)
    device.go.set()
    with pytest.raises(FpqvarError, match="it broke"):
        device.wait(10)
    with pytest.raises(FpqvarError, match="nothing was started"):
        device.wait(10)


def test_unknown_names_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="unknown backend 'fpga'; known: golden, csim"):
        host.open_device("fpga", "fp4")
    with pytest.raises(UsageError, match="unknown family 'fp5'; known: fp4, fp6, int4, int8"):
        host.open_device("golden", "fp5")
    with pytest.raises(UsageError, match="unknown geometry 'huge'; known: small"):
        host.open_device("golden", "fp4", "huge")


def test_counters_add() -> None:
    assert Counters(1, 2, 3, 4, 5, 6) + Counters(read_bytes=5) == Counters(1, 2, 3, 4, 10, 6)


def test_import_needs_numpy_alone() -> None:
    code = """
import sys
class Only:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("numpy", "host", "sw_quant"):
            raise ImportError(f"{name} must not be needed")
sys.meta_path.insert(0, Only())
import host
print(host.open_device.__name__, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "open_device False\n"), done.stderr
