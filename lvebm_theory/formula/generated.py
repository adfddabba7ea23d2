"""Generated source as modules: a file named by the hash of its text, run from the verified text.

The file stays in the cache folder, so that numba's on-disk cache (which is keyed by the source
file) serves the next process too. That cache is code: so the folder is one into which nobody else
can write, and Python's own compiled files are neither read nor written there.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.abc
import importlib.util
import logging
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import CodeType, ModuleType

log = logging.getLogger(__name__)
_PREFIX = "lvebm_generated_"
_ASIDE = ".aside"
# what is half written for so long was left by a process that was killed
_STALE_SECONDS = 60.0
# another thread must not find a module whose text is still running
_LOADING = threading.RLock()


def _user_cache() -> Path:
    if base := os.environ.get("LVEBM_CACHE"):
        return Path(base).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "lvebm-theory"


def cache_folder() -> Path:
    """Where generated modules live: ``$LVEBM_CACHE``, else the platform's user cache.

    A folder that cannot be written, or that others can write to, is not used: then the user's own
    folder among the temporary ones serves, and else one of this process alone. Of rights that are
    too wide, which one can mend, a warning speaks.
    """
    try:
        asked = _user_cache()
    except RuntimeError:  # there is no home
        asked = _temporary()
    return _private(asked)


@functools.cache
def _private(asked: Path) -> Path:
    """The first of the places that is ours alone; it is made if need be."""
    for folder in (asked, _temporary()):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        open_to_others = _open_to_others(folder)
        if open_to_others is not None:
            log.warning(
                "the cache in %s is not used, for it is code and others can write into %s: take "
                "that right away (chmod go-w), or name another folder by LVEBM_CACHE",
                folder,
                open_to_others,
            )
        elif os.access(folder, os.W_OK):
            _forget_half_written(folder)
            return folder
    return _of_this_process()


def _temporary() -> Path:
    return Path(tempfile.gettempdir()) / f"lvebm-cache-{_user()}"


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


@functools.cache
def _of_this_process() -> Path:
    import atexit

    prefix = f"{_temporary().name}-"
    for left in _temporary().parent.glob(f"{prefix}*-*"):
        with contextlib.suppress(OSError, ValueError):
            if not _alive(int(left.name.removeprefix(prefix).split("-")[0])):
                shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _alive(process: int) -> bool:
    """True unless there is surely no such process."""
    if not hasattr(os, "getuid"):  # a signal of 0 ends a process there
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _open_to_others(folder: Path) -> Path | None:
    """Where somebody but this user (and the system's own) can write; None where nobody can.

    Into the folder, or so that another one is put in its place: on the way to it, whoever else can
    write into a folder must not be able to rename what is in it (the sticky bit of temporary
    folders).
    """
    if not hasattr(os, "getuid"):  # rights are kept elsewhere
        return None
    place = folder.resolve()
    for step in (place, *place.parents):
        about = step.stat()
        others = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if step == place and (others or about.st_uid != os.getuid()):
            return step
        if about.st_uid not in (0, os.getuid()) or (others and not about.st_mode & stat.S_ISVTX):
            return step
    # what lies there already was not planted before the folder became ours
    for entry in os.scandir(place):
        if entry.stat(follow_symlinks=False).st_uid not in (0, os.getuid()):
            return place
    return None


def _forget_half_written(folder: Path) -> None:
    """Removes what killed processes left, numba's own half-written files too."""
    patterns = (f".*{_ASIDE}", "__pycache__/*.tmp.*")
    for path in (path for pattern in patterns for path in folder.glob(pattern)):
        with contextlib.suppress(OSError):
            if time.time() - path.lstat().st_mtime > _STALE_SECONDS:
                path.unlink()


def write_aside(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=_ASIDE)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise


def load(text: str) -> ModuleType:
    """The module whose source is ``text``.

    Parameters
    ----------
    text : str
        Complete Python source. Equal texts give the same module object.

    Returns
    -------
    module
        Named by the hash of its text; its ``__file__`` persists between processes.

    Raises
    ------
    OSError
        When neither the cache folder nor a temporary one can be written.
    """
    name = _PREFIX + hashlib.sha256(text.encode()).hexdigest()[:32]
    with _LOADING:
        return sys.modules[name] if name in sys.modules else _loaded(name, text)


def _loaded(name: str, text: str) -> ModuleType:
    path = cache_folder() / f"{name}.py"
    # an interrupted or foreign file under this name is replaced, never trusted
    if not (path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text):
        write_aside(path, text)
    spec = importlib.util.spec_from_file_location(name, path, loader=_Verified(text, path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


class _Verified(importlib.abc.InspectLoader):
    """Loads a module from the text itself, whatever lies beside its file, compiled code included.

    Parameters
    ----------
    text : str
    path : Path
        The file that holds the text: what tracebacks and numba's cache name.
    """

    def __init__(self, text: str, path: Path) -> None:
        self._text, self._path = text, path

    def get_source(self, fullname: str) -> str:
        """The text."""
        return self._text

    def get_code(self, fullname: str) -> CodeType:
        """The text, compiled."""
        return self.source_to_code(self._text, str(self._path))
