"""Generated source as modules: a file named by the hash of its text, imported by path.

The file stays in the cache folder, so that numba's on-disk cache (which is keyed by the source
file) serves the next process too. Nothing is ever executed from a string.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
from pathlib import Path
from types import ModuleType

_PREFIX = "lvebm_generated_"
# another thread must not find a module whose text is still running
_LOADING = threading.RLock()


@functools.cache
def _fallback_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="lvebm-cache-"))


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

    Falls back to a folder of this process when that one cannot be written.
    """
    folder = _user_cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _fallback_folder()
    return folder if os.access(folder, os.W_OK) else _fallback_folder()


def write_aside(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.suffix)
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
    spec = importlib.util.spec_from_file_location(name, path)
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
