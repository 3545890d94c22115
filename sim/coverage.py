# SPDX-License-Identifier: Apache-2.0
"""Functional coverage of the whole accelerator: which kinds of commands were run, and found right, under which stalls.

Each simulation leaves what it has hit in a file; the runner adds the files up.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path

from sim.commands import Form, all_forms

__all__ = ["DIMENSIONS", "Coverage", "add_up", "bins"]

DIMENSIONS = ("format", "prologue", "K", "M to rows", "stalls")

Bin = tuple[str, str, str, str, str]


def bins(family: str, stalls: Iterable[str]) -> set[Bin]:
    """All combinations that a family's tests have to hit."""
    return {_bin(form, stall) for form in all_forms(family) for stall in stalls}


def _bin(form: Form, stall: str) -> Bin:
    a_format, ght, ragged, m = astuple(form)
    return a_format, "ght" if ght else "plain", "ragged" if ragged else "even", m, stall


class Coverage:
    """How often each bin was hit."""

    def __init__(self, wanted: set[Bin]) -> None:
        self.hits: Counter[Bin] = Counter()
        self.wanted = wanted

    def hit(self, form: Form, stall: str) -> None:
        """A command of this form was run and its results were right."""
        self.hits[_bin(form, stall)] += 1

    def missing(self) -> list[Bin]:
        """What nothing hit."""
        return sorted(self.wanted - set(self.hits))

    def save(self, path: Path) -> None:
        """Leave the counts for `add_up`."""
        path.write_text(json.dumps([[*key, self.hits[key]] for key in sorted(self.wanted | set(self.hits))]))


def add_up(paths: Iterable[Path]) -> tuple[str, bool]:
    """A table over all files, each dimension by itself and the whole cross, and whether every bin was hit."""
    total: Counter[Bin] = Counter()
    wanted: set[Bin] = set()
    for path in paths:
        for *key, count in json.loads(path.read_text()):
            total[tuple(key)] += count
            wanted.add(tuple(key))
    lines = []
    for place, name in enumerate(DIMENSIONS):
        values: Counter[str] = Counter()
        for key, count in total.items():
            values[key[place]] += count
        lines.append(f"{name}: " + ", ".join(f"{value} {count}" for value, count in sorted(values.items())))
    hit = sum(total[key] > 0 for key in wanted)
    share = 100 * hit / len(wanted) if wanted else 0.0
    lines.append(f"cross of all five: {hit} of {len(wanted)} bins ({share:.1f} %), {sum(total.values())} commands")
    lines += [f"  not hit: {' / '.join(key)}" for key in sorted(wanted) if not total[key]]
    return "\n".join(lines), bool(wanted) and hit == len(wanted)
