"""Generated modules of the tests go to a cache of their own, shared by the workers of one run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ.setdefault(
    "LVEBM_CACHE", str(Path(tempfile.gettempdir()) / f"lvebm-tests-{os.getuid()}")
)
