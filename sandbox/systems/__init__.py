"""Systems around the platform that can't be had in small: each speaks the real one's wire format.

All of them live in one process, each on a port of its own; `sandbox.systems.__main__` lists them.
"""

from __future__ import annotations
