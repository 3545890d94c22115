# SPDX-License-Identifier: Apache-2.0
"""Drawing for an evaluation: shards that survive a kill, and the same images from any number of processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from host.shards import Shards, Workers, save_npz
from sw_quant.errors import FpqvarError

ALONE = Workers(0, 1, 0)
RUN = {"model": "tiny", "seed": 0, "recipe": None}


def _filled(folder: Path, images: int = 10, size: int = 4) -> Shards:
    shards = Shards(folder, images, size)
    shards.begin(RUN)
    for shard in shards.missing(ALONE):
        part = shards.indices(shard)
        shards.save(shard, np.array([np.full((2, 2, 1), i) for i in part], np.uint8))
    return shards


def test_every_image_is_in_one_shard_whatever_the_workers(tmp_path: Path) -> None:
    shards = Shards(tmp_path / "a", 10, 4)
    assert [list(shards.indices(i)) for i in range(shards.count)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    for world in (1, 2, 3, 5):
        drawn = [i for rank in range(world) for i in shards.missing(Workers(rank, world, rank))]
        assert sorted(drawn) == [0, 1, 2]


def test_only_what_is_missing_is_drawn_again(tmp_path: Path) -> None:
    shards = _filled(tmp_path / "a")
    assert shards.load()[:, 0, 0, 0].tolist() == list(range(10))
    (tmp_path / "a" / "shard-000001.npy").unlink()
    (tmp_path / "a" / ".shard-000001.npy.1.partial").write_bytes(b"killed here")
    assert shards.missing(ALONE) == [1]
    with pytest.raises(FpqvarError, match=r"shard-000001.npy: .*it is drawn anew"):
        shards.load()
    assert _filled(tmp_path / "a").load()[:, 0, 0, 0].tolist() == list(range(10))


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    shards = _filled(tmp_path / "a")
    path = tmp_path / "a" / "shard-000002.npy"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(FpqvarError, match=r"shard-000002.npy: .*remove the file"):
        shards.load()
    shards.save(2, np.zeros((5, 2, 2, 1), np.uint8))
    with pytest.raises(FpqvarError, match=r"uint8 \[5, 2, 2, 1\], where 2 images are expected"):
        shards.load()


def test_the_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    _filled(tmp_path / "a")
    other = Shards(tmp_path / "a", 10, 4)
    other.begin(RUN)
    with pytest.raises(FpqvarError, match=r"begun with recipe None, not {'name': 'fp4-rtn'}; choose another --out"):
        other.begin(RUN | {"recipe": {"name": "fp4-rtn"}})
    (tmp_path / "a" / "run.json").write_text("{")
    with pytest.raises(FpqvarError, match="is not JSON"):
        other.begin(RUN)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("mine")
    with pytest.raises(FpqvarError, match="holds other files"):
        Shards(tmp_path / "b", 10, 4).begin(RUN)


def test_the_npz_is_what_openais_evaluator_reads(tmp_path: Path) -> None:
    pixels = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4, 1)
    save_npz(tmp_path / "a.npz", pixels, [2, 0, 1])
    with np.load(tmp_path / "a.npz") as file:
        assert file["arr_0"].shape == (3, 4, 4, 3)
        assert file["arr_0"].dtype == np.uint8
        assert all((file["arr_0"][..., channel] == pixels[..., 0]).all() for channel in range(3))
        assert file["arr_1"].tolist() == [2, 0, 1]


def _command(out: Path, *arguments: str) -> list[str]:
    recipe = ("--recipes", "fp4-rtn", "--images", "12", "--batch", "3", "--npz", "--out", str(out))
    return ["-c", "from host.cli import main; main()", "evaluate", *recipe, *arguments]


def _images(out: Path) -> bytes:
    with np.load(out / "fp4-rtn.npz") as file:
        assert file["arr_0"].shape == (12, 32, 32, 3)
        found: bytes = file["arr_0"].tobytes()
    return found


def test_two_processes_and_a_kill_change_no_image(tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    one, two = tmp_path / "one", tmp_path / "two"
    # Alone, killed after the first shard, and begun again.
    alone = subprocess.Popen([sys.executable, *_command(one)], env=environment, stderr=subprocess.DEVNULL)
    first = one / "fp4-rtn.images" / "shard-000000.npy"
    end = time.monotonic() + 120
    while not first.exists() and alone.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    alone.send_signal(signal.SIGKILL)
    alone.wait(30)
    assert first.exists()
    assert not (one / "fp4-rtn.json").exists()
    before = first.stat().st_mtime_ns
    kept = first.read_bytes()
    (one / "watch").hardlink_to(first)
    subprocess.run([sys.executable, *_command(one)], env=environment, check=True, timeout=200)
    assert (one / "watch").read_bytes() == kept
    assert (one / "watch").stat().st_mtime_ns == before  # drawn once
    # Two at a time.
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--no-python"]
    launch = [*launch, "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", sys.executable]
    subprocess.run([sys.executable, *launch, *_command(two)], env=environment, check=True, timeout=250)
    assert _images(one) == _images(two)
    results = [json.loads((out / "fp4-rtn.json").read_text()) for out in (one, two)]
    assert [result["workers"] for result in results] == [1, 2]
    assert results[0]["frechet_distance"] == results[1]["frechet_distance"]
    assert results[0]["versions"]["torch"]
    assert not (two / "fp4-rtn.images").exists()  # the images are in the npz
