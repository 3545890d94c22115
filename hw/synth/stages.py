# SPDX-License-Identifier: Apache-2.0
"""Stages that are done once: each leaves a stamp with a hash of all that went into it, and of what came out.

A stage whose stamp still fits is skipped, so that an interrupted build goes on where it was, and a changed source
starts it where that source counts. One stage that runs makes all after it run.
"""

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sw_quant.errors import FpqvarError
from sw_quant.files import new_file, sha256

__all__ = ["Stage", "locked", "run_stages", "standing"]


@dataclass(frozen=True)
class Stage:
    """A step of a build. `settings` and the contents of `inputs` decide whether it must run again."""

    name: str
    title: str
    settings: str
    inputs: Sequence[Path]
    outputs: Sequence[Path]
    action: Callable[[], None]


def run_stages(
    stages: Sequence[Stage], folder: Path, tell: Callable[[Stage, bool], None], before: str | None = None
) -> None:
    """Run what is not done; stamps are kept in `folder`.

    Args:
        stages: all of them.
        folder: of the stamps.
        tell: hears of each stage and whether it is skipped.
        before: stop before the stage of this name.

    Raises FpqvarError when a stage ends without one of its outputs, and whatever a stage raises; its stamp and those of
    all after it are gone then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for at, (stage, digest, done) in enumerate(standing(stages, folder)):
        if stage.name == before:
            return
        tell(stage, done)
        if done:
            continue
        for later in stages[at:]:
            _stamp(folder, later).unlink(missing_ok=True)
        stage.action()
        missing = [path for path in stage.outputs if not path.is_file()]
        if missing:
            raise FpqvarError(f"stage {stage.name} ended without an error, but did not write {missing[0]}; see its log")
        text = json.dumps({"inputs": digest, "outputs": {str(path): sha256(path) for path in stage.outputs}}, indent=1)
        with new_file(_stamp(folder, stage)) as aside:
            aside.write_text(text + "\n", encoding="utf-8")


def standing(stages: Iterable[Stage], folder: Path) -> Iterator[tuple[Stage, str, bool]]:
    """Each stage, the hash of its inputs, and whether it and all before it are done."""
    chain, all_done = "", True
    for stage in stages:
        chain = _digest(stage, chain)
        all_done = all_done and _is_done(_stamp(folder, stage), chain, stage)
        yield stage, chain, all_done


def _stamp(folder: Path, stage: Stage) -> Path:
    return folder / f"{stage.name}.json"


def _digest(stage: Stage, chain: str) -> str:
    text = hashlib.sha256(f"{chain}\0{stage.name}\0{stage.settings}\0".encode())
    for path in sorted(stage.inputs):
        text.update(f"{path.name}\0{sha256(path)}\0".encode())
    return text.hexdigest()


def _is_done(stamp: Path, digest: str, stage: Stage) -> bool:
    try:
        found = json.loads(stamp.read_text(encoding="utf-8"))
        wanted = {str(path) for path in stage.outputs}
        return (
            found["inputs"] == digest
            and set(found["outputs"]) == wanted
            and all(Path(path).is_file() and sha256(Path(path)) == value for path, value in found["outputs"].items())
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a build's folder. Raises FpqvarError when another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FpqvarError(f"{folder}: another process is building here; wait for it, or end it") from error
        yield
