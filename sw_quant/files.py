# SPDX-License-Identifier: Apache-2.0
"""Writing files so that nothing half-written is ever seen: written aside, then renamed."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import FpqvarError

__all__ = ["ensure_writable", "new_file", "new_folder", "sha256"]

_REMEDY = {
    errno.ENOSPC: "free some space, or choose another folder",
    errno.EDQUOT: "free some of your quota, or choose another folder",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that is not read-only",
}


def _cannot_write(path: Path, error: Exception) -> FpqvarError:
    number = error.errno if isinstance(error, OSError) else None
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    remedy = _REMEDY.get(number or 0, "check the folder, or choose another")
    return FpqvarError(f"cannot write {path}: {reason}; {remedy}. Nothing was left behind")


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def ensure_writable(folder: Path) -> None:
    """Try that a file can be written in `folder`, and leave nothing there; raises FpqvarError if it cannot."""
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"fpqvar")
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        for one in made:
            with suppress(OSError):
                one.rmdir()


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it becomes `path` when the block ends well and vanishes when it does not.

    The folder is made if need be.

    Raises FpqvarError when writing fails, a full disk included.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        aside.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, replace: bool = False) -> Iterator[Path]:
    """The same for a folder. With `replace`, an older folder at `path` goes when the new one is whole.

    Raises FpqvarError when `path` is there already and may not be replaced, or when writing fails.
    """
    if path.exists() and not replace and (not path.is_dir() or any(path.iterdir())):
        raise FpqvarError(f"{path} is there already; choose another folder, or allow it to be replaced")
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    older = path.with_name(f".{path.name}.{os.getpid()}.older")
    try:
        aside.mkdir(parents=True)
        yield aside
        if path.exists():
            path.replace(older)
        aside.replace(path)
    except OSError as error:
        if older.exists() and not path.exists():
            older.replace(path)
        raise _cannot_write(path, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(older, ignore_errors=True)
