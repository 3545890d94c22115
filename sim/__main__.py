# SPDX-License-Identifier: Apache-2.0
"""Runs the benches and prints what came of them: `python -m sim [names ...]`."""

import argparse
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatch

from rich.console import Console
from rich.table import Table

from sim.benches import BENCHES
from sim.children import stop_all
from sim.coverage import add_up
from sim.runner import TIMEOUT, Outcome, prepare_environment, run
from sw_quant.errors import FpqvarError


def main() -> int:
    """Exit code 0 if everything passed and all coverage was hit, 1 if not, 2 if a name is unknown."""
    parser = argparse.ArgumentParser(prog="python -m sim", description="cocotb benches of hw/rtl")
    parser.add_argument("names", nargs="*", help="benches to run, with wildcards such as 'accel-*' (default: all)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="the same; may be repeated")
    parser.add_argument("--list", action="store_true", help="list the benches")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of every random choice")
    parser.add_argument("--jobs", type=int, default=2, help="benches at a time")
    parser.add_argument(
        "--thorough", action="store_true", help="let the builds of device primitives play whole lists, too (slow)"
    )
    parser.add_argument("--waves", action="store_true", help="write waveforms into build/sim/<bench>")
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT, metavar="S", help="seconds a bench may take, %(default)g if not given"
    )
    arguments = parser.parse_args()
    wanted = [*arguments.names, *arguments.only]
    unknown = [name for name in wanted if not any(fnmatch(bench.name, name) for bench in BENCHES)]
    if unknown:
        print(f"error: no bench is called {', '.join(unknown)}; python -m sim --list names them", file=sys.stderr)
        return 2
    chosen = [bench for bench in BENCHES if not wanted or any(fnmatch(bench.name, name) for name in wanted)]
    if arguments.list:
        print(*(bench.name for bench in chosen), sep="\n")
        return 0
    if arguments.thorough:
        chosen = [replace(one, environment={**one.environment, "BRIEF": "0"}) for one in chosen]
    prepare_environment(chosen)
    print(f"seed {arguments.seed} (again: python -m sim --seed {arguments.seed})", flush=True)
    started = time.monotonic()
    outcomes: list[Outcome] = []
    seed, waves, timeout = arguments.seed, arguments.waves, arguments.timeout
    with ThreadPoolExecutor(arguments.jobs) as pool:
        try:
            for outcome in pool.map(lambda bench: run(bench, seed, waves, timeout), chosen):
                outcomes.append(outcome)
                seconds = outcome.build_seconds + outcome.run_seconds
                word = "passed" if outcome.passed else "FAILED"
                print(f"[{len(outcomes)}/{len(chosen)}] {outcome.bench.name}: {word} in {seconds:.0f} s", flush=True)
        except BaseException:  # Ctrl-C, or a build that fails: nothing goes on
            stop_all()
            raise
    return report(outcomes, time.monotonic() - started)


def report(outcomes: list[Outcome], seconds: float) -> int:
    """Print a table and every failure; the exit code."""
    console = Console()
    table = Table("bench", "simulator", "build s", "run s", "tests", "failed")
    for outcome in outcomes:
        failed = [name for name, failure in outcome.tests.items() if failure is not None]
        table.add_row(
            outcome.bench.name,
            outcome.bench.simulator,
            f"{outcome.build_seconds:.1f}",
            f"{outcome.run_seconds:.1f}",
            str(len(outcome.tests)),
            ", ".join(failed) if outcome.tests else "no results",
            style=None if outcome.passed else "red",
        )
    console.print(table)
    for outcome in outcomes:
        for name, failure in outcome.tests.items():
            if failure is not None:
                console.print(f"{outcome.bench.name}: {name}: {failure}\n  see {outcome.log}", markup=False)
        if not outcome.tests:
            console.print(f"{outcome.bench.name}: the simulation gave no results; see {outcome.log}", markup=False)
    covered = [outcome.coverage for outcome in outcomes if outcome.coverage is not None]
    full = True
    if any(outcome.bench.module == "test_accel" for outcome in outcomes):
        text, full = add_up(covered)
        console.print(f"\nFunctional coverage of the whole accelerator\n{text}\n", markup=False, highlight=False)
    good = sum(outcome.passed for outcome in outcomes)
    console.print(f"{good} of {len(outcomes)} benches passed in {seconds:.0f} s")
    return 0 if good == len(outcomes) and full else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the simulators end, too
    try:
        sys.exit(main())
    except FpqvarError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
