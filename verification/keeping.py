"""What is kept on disk: written whole, sealed by a digest, under a lock.

A file is written aside, flushed to the disk and renamed: a killed process leaves it old or new,
never half. A sealed file carries the SHA-256 of its content, so that damage and edits are seen
(whoever wants to forge a result can seal it again). A lock belongs to a living process: the
system lets go of it when that process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lvebm_theory.errors import ArgumentError

ASIDE: Final = ".aside"
LOCK: Final = ".lock"
# a file that was begun so long ago, outside a locked folder, was left by a process that is gone
STALE_SECONDS: Final = 60.0
# of a file's name; the rest of the 255 bytes that file systems take is for what marks it
_MOST_OF_NAME: Final = 40
# what is wrong with a place that was asked for; anything else is wrong with the machine
_BAD_PLACE: Final = frozenset(
    getattr(errno, name)
    for name in (
        *("ENAMETOOLONG", "ENOENT", "ENOTDIR", "EISDIR", "EACCES", "EPERM", "ELOOP", "EINVAL"),
        *("EROFS", "EEXIST"),
    )
)


# failures of the machine ---------------------------------------------------------------------


def of_place(error: OSError) -> bool:
    """True where the place is at fault (its name, its rights), not the machine (a full disk)."""
    return error.errno in _BAD_PLACE


def sentence(error: OSError) -> str:
    """What went wrong, and where."""
    said = error.strerror or str(error) or type(error).__name__
    return f"{said}: {error.filename}" if error.filename else said


@contextmanager
def writing_to(place: Path) -> Iterator[None]:
    """Raises ArgumentError where the place cannot be written to; a full disk stays an OSError."""
    try:
        yield
    except OSError as error:
        if not of_place(error):
            raise
        raise ArgumentError(f"cannot write to {place}: {error.strerror}") from error


def ready_for(target: Path) -> None:
    """Sees that a file can be written, before the work whose result it is to hold.

    Raises
    ------
    ArgumentError
        The target is there and no file (a folder, a device), or its folder is not there or cannot
        be written.
    """
    with writing_to(target):
        with contextlib.suppress(FileNotFoundError):
            found = target.lstat()  # a name that is too long is said here
            # what is written aside takes the place of what was there: no place for a device
            if not stat.S_ISREG(found.st_mode) and not (target.is_symlink() and target.is_file()):
                raise ArgumentError(f"cannot write to {target}: it is no file")
            if target.is_symlink() and target.parent in (Path("/dev"), Path("/dev/fd")):
                raise ArgumentError(f"cannot write to {target}: it is a stream")
        forget_asides(target.parent, target.name, older=STALE_SECONDS)
        handle, name = _begun_aside(target)
        os.close(handle)
        os.unlink(name)


# whole ---------------------------------------------------------------------------------------


def _begun_aside(target: Path) -> tuple[int, str]:
    prefix = f".{target.name[:_MOST_OF_NAME]}."
    return tempfile.mkstemp(dir=target.parent, prefix=prefix, suffix=ASIDE)


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """A path beside the target; renamed to the target when the block ends well, else removed."""
    handle, name = _begun_aside(target)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        with aside.open("rb") as stream:
            os.fsync(stream.fileno())
        aside.chmod(0o644)
        aside.replace(target)
    except OSError as error:
        if error.filename is None:  # a full disk does not say where
            error.filename = str(target)
        raise
    finally:
        aside.unlink(missing_ok=True)


def forget_asides(folder: Path, name: str = "", *, older: float = 0.0) -> None:
    """Removes what killed processes left half written in a folder and below it.

    Parameters
    ----------
    folder : Path
    name : str
        Only what was to become the file of this name, in the folder itself.
    older : float
        Only what nobody has touched for so many seconds: others may be writing there.
    """
    pattern = f".*{ASIDE}"
    found = folder.glob(pattern) if name else folder.rglob(pattern)
    for path in found:
        with contextlib.suppress(OSError):
            meant = path.name.startswith(f".{name[:_MOST_OF_NAME]}") if name else True
            if meant and time.time() - path.lstat().st_mtime >= older:
                path.unlink()


def write_text(target: Path, text: str) -> None:
    """Text in UTF-8; what no UTF-8 has (bytes of a name, say) is written as an escape."""
    with written_aside(target) as aside:
        aside.write_bytes(text.encode("utf-8", "backslashreplace"))


def write_json(
    target: Path, content: Any, *, indent: int | None = None, allow_nan: bool = False
) -> None:
    """JSON text; ``allow_nan`` only for what nobody else reads."""
    write_text(target, json.dumps(content, indent=indent, allow_nan=allow_nan) + "\n")


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises
    ------
    FileNotFoundError
    ArgumentError
        It cannot be read, or is no JSON, whatever else it is.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ArgumentError(f"cannot read {path}: {error.strerror}") from error
    except RecursionError as error:
        raise ArgumentError(f"{path} cannot be used: it is nested too deep") from error
    except ValueError as error:
        raise ArgumentError(f"{path} cannot be used: {error}") from error


# sealed --------------------------------------------------------------------------------------


def digest_of(data: bytes) -> str:
    """SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def _digest_of_body(body: Mapping[str, Any]) -> str:
    return digest_of(json.dumps(body, sort_keys=True).encode())


def sealed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with the digest of all its other keys under ``digest``."""
    return {"digest": _digest_of_body(body), **body}


def unsealed(content: Any, what: Path | str) -> dict[str, Any]:
    """The body of sealed content; raises ArgumentError where it is not what was sealed."""
    body = dict(content) if isinstance(content, dict) else {}
    digest = body.pop("digest", None)
    if digest is None:
        raise ArgumentError(f"{what} cannot be used: it carries no digest of its content")
    if digest != _digest_of_body(body):
        raise ArgumentError(
            f"{what} cannot be used: it was altered or damaged (its digest is not of its content)"
        )
    return body


def read_sealed(path: Path) -> dict[str, Any]:
    """The body of a sealed file; raises FileNotFoundError, or ArgumentError as ``unsealed``."""
    return unsealed(read_json(path), path)


# locked --------------------------------------------------------------------------------------


class Lock:
    """A folder, or a file to be written, that belongs to one process at a time.

    Parameters
    ----------
    place : Path
        A folder that is there, or a file whose folder is there.

    Raises
    ------
    ArgumentError
        Another process, which is named, is at work there.
    """

    def __init__(self, place: Path) -> None:
        folder = place.is_dir()
        name = LOCK if folder else f".{place.name[:_MOST_OF_NAME]}{LOCK}"
        self.file = (place if folder else place.parent) / name
        self._handle = -1
        with writing_to(place):
            while not self._taken(place):
                pass
        if folder:
            forget_asides(place)

    def _taken(self, place: Path) -> bool:
        """True once the lock is ours; False where its file was removed while we waited for it."""
        handle = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _try_lock(handle):
                owner = _owner(handle)
                raise ArgumentError(
                    f"another process{f' ({owner})' if owner else ''} is at work in {place}; wait "
                    "for its end, or choose another place"
                )
            if not self._in_place(handle):
                os.close(handle)
                return False
            with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
                os.ftruncate(handle, 0)
                os.write(handle, f"{os.getpid()}\n".encode())
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(handle)
            raise
        self._handle = handle
        return True

    def _in_place(self, handle: int) -> bool:
        try:
            there = os.stat(self.file)
        except FileNotFoundError:
            return False
        ours = os.fstat(handle)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def release(self) -> None:
        """Lets others in; the lock's file goes too."""
        if self._handle >= 0:
            # removed while it is ours: who opens it meanwhile finds that it is not in place
            with contextlib.suppress(OSError):
                self.file.unlink()
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _owner(handle: int) -> str:
    """The id of the process that holds a lock; nothing where it cannot be read."""
    try:
        return os.read(handle, 32).decode("ascii", "replace").strip()
    except OSError:
        return ""


if sys.platform == "win32":

    def _try_lock(handle: int) -> bool:
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _try_lock(handle: int) -> bool:
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            # a file system without locks: nothing can be refused there
            return error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
        return True
