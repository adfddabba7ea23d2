"""What all tests share: a cache of their own, and property tests without deadlines or dice."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

# generated modules stay out of the user's cache
os.environ.setdefault(
    "LVEBM_CACHE", str(Path(tempfile.gettempdir()) / f"lvebm-tests-{os.getuid()}")
)

# nothing is timed in a test, and the same commit draws the same examples
settings.register_profile(
    "repository", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repository")
