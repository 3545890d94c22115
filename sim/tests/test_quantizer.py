# SPDX-License-Identifier: Apache-2.0
"""fpq_quantizer: segments of keys and scales, each stalling at will, against the literal reference (contract 1.3)."""

import os
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from host._generated import FAMILIES
from sim.bench import generator, join, split, start
from tests.reference import FORMATS, Format, make_code

FAMILY, WORDS = FAMILIES[os.environ["FAMILY"]], int(os.environ["WORDS"])
PLAIN, DUAL = FORMATS[FAMILY.weights], FORMATS[FAMILY.activations[-1]]
KEY_BITS = 23
SEGMENTS = 150
TOP = 1 << 22


@dataclass
class Word:
    """Elements that the row buffer holds in one entry, and the codes that must come of it."""

    keys: list[int]
    segment_last: bool
    group_last: bool
    row_last: bool
    nonfinite: bool
    codes: list[int] = field(default_factory=list)
    scales: tuple[int, int] = (0, 0)


@dataclass
class Segment:
    ght: bool
    dual: bool
    group_last: bool
    exponent: int

    def encode(self) -> int:
        """fpq_prologue_pkg::segment_t."""
        return self.ght << 7 | self.dual << 6 | self.group_last << 5 | self.exponent


def half(bits: int) -> Fraction:
    return Fraction(float(np.uint16(bits).view(np.float16)))


def random_scale(rng: np.random.Generator, near: int) -> int:
    """A half: any, near an exponent, or zero."""
    style = int(rng.integers(8))
    if style == 0:
        return 0
    if style == 1:
        return int(rng.integers(1, 0x7C00))
    return min(max((near << 10) + int(rng.integers(-2048, 2048)), 1), 0x7BFF)


def element(rng: np.random.Generator, segment: Segment, scales: tuple[int, int], format: Format) -> tuple[int, int]:
    """A key and its code; often at, or next to, a bound between two magnitudes."""
    negative = bool(rng.integers(2))
    sign, bits = (format.negative if negative else format.positive), scales[negative and segment.dual]
    scale = half(bits)
    low = int(rng.integers(len(sign.magnitudes) - 1))
    bound = Fraction(sign.magnitudes[low] + sign.magnitudes[low + 1], 2) * sign.unit * scale
    if segment.ght:
        step = Fraction(2) ** (segment.exponent - 29)
        size = int(bound / step) + int(rng.integers(-1, 3)) if rng.integers(4) else int(rng.integers(TOP))
        size = min(max(size, int(negative)), TOP - 2)
        value, key = size * step, -size if negative else size
    else:
        pattern = int(np.float16(min(float(bound), 65504.0)).view(np.uint16))
        size = pattern + int(rng.integers(-1, 2)) if rng.integers(4) else int(rng.integers(0x7C00))
        size = min(max(size, 0), 0x7BFF)
        value, key = half(size), ~size if negative else size
    return key & (1 << KEY_BITS) - 1, make_code(value, negative, scale, format)


def draw(rng: np.random.Generator) -> tuple[list[Segment], list[tuple[int, int]], list[Word]]:
    """Segments, a pair of scales for each group, and the words."""
    segments: list[Segment] = []
    groups: list[tuple[int, int]] = []
    words: list[Word] = []
    ght, dual = False, False
    scales, fresh = (0, 0), True
    for number in range(SEGMENTS):
        if fresh:
            ght, dual = bool(rng.integers(2)), DUAL.dual and bool(rng.integers(2))
            near = int(rng.integers(1, 31))
            scales = random_scale(rng, near), random_scale(rng, near)
        fresh = number == SEGMENTS - 1 or bool(rng.integers(2))  # the group's last segment
        segment = Segment(ght, dual, fresh, int(rng.integers(1, 31)))
        segments.append(segment)
        if fresh:
            groups.append(scales)
        count = int(rng.choice([1, 1, 2, 4, 9]))
        for index in range(count):
            last = index == count - 1
            pairs = [element(rng, segment, scales, DUAL if dual else PLAIN) for _ in range(WORDS)]
            row_last = last and fresh and bool(rng.integers(2))
            word = Word([key for key, _ in pairs], last, last and fresh, row_last, row_last and bool(rng.integers(2)))
            word.codes, word.scales = [code for _, code in pairs], scales
            words.append(word)
    return segments, groups, words


async def play(dut: Any, rng: np.random.Generator, pauses: tuple[float, float, float]) -> None:
    """Segments, scales and words come at their own paces; codes must come in order and without a gap in them."""
    segments, groups, words = draw(rng)
    to_segment, to_group, to_word = deque(segments), deque(groups), deque(words)
    offers = [False, False, False]
    found = 0
    for _ in range(40_000):
        left = (to_segment, to_group, to_word)
        offers = [offer or (bool(left[i]) and rng.random() >= pauses[i]) for i, offer in enumerate(offers)]
        dut.segment_valid_i.value, dut.scale_valid_i.value, dut.valid_i.value = offers
        if to_segment:
            dut.segment_i.value = to_segment[0].encode()
        if to_group:
            positive, negative = to_group[0]
            dut.scale_i.value, dut.scale_negative_i.value = positive, negative
            dut.zero_i.value, dut.zero_negative_i.value = positive == 0, negative == 0
        if to_word:
            word = to_word[0]
            dut.keys_i.value = join(word.keys, KEY_BITS)
            for name in ("segment_last", "group_last", "row_last", "nonfinite"):
                getattr(dut, f"{name}_i").value = getattr(word, name)
        await ReadOnly()
        taken = [int(getattr(dut, name).value) for name in ("segment_ready_o", "scale_ready_o", "pop_o")]
        if int(dut.valid_o.value):
            word, found = words[found], found + 1
            codes = split(int(dut.codes_o.value), PLAIN.bits, WORDS)
            assert codes == word.codes, f"word {found - 1}: keys {word.keys}, scales {word.scales}"
            for name in ("group_last", "row_last", "nonfinite"):
                assert int(getattr(dut, f"{name}_o").value) == getattr(word, name)
            if word.group_last:
                assert int(dut.scale_o.value) == word.scales[0]
                assert int(dut.scale_negative_o.value) == word.scales[1]
        await RisingEdge(dut.clk_i)
        for i, queue in enumerate(left):
            if offers[i] and taken[i]:
                queue.popleft()  # type: ignore[attr-defined]
                offers[i] = False
        if found == len(words):
            return
    raise AssertionError(f"{found} of {len(words)} words came")


@cocotb.test()
async def codes(dut: Any) -> None:
    rng = generator()
    await start(dut, segment_valid_i=0, scale_valid_i=0, valid_i=0)
    for pauses in ((0.0, 0.0, 0.0), (0.7, 0.0, 0.0), (0.0, 0.9, 0.0), (0.0, 0.0, 0.7), (0.4, 0.4, 0.4)):
        await play(dut, rng, pauses)
