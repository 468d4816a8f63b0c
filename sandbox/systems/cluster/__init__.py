"""A Kubernetes cluster in small: what it is told, what becomes of it in time, and who may read it."""

from __future__ import annotations
