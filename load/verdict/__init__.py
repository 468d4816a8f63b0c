"""What a load run proves: its facts, judged. Pure, and without knowledge of what sends the load.

Every file is called `_*.py`, since Locust reads all others below `load/`.
"""

from load.verdict._generator import EndpointFacts, LoadFacts, StageFacts, WorkerFacts
from load.verdict._judge import (
    LoadResult,
    LoadVerdict,
    SecondFacts,
    StageVerdict,
    bottleneck,
    judge,
    recovery_seconds,
    result_of,
    sustained,
    unprovable,
)

__all__ = [
    "EndpointFacts",
    "LoadFacts",
    "LoadResult",
    "LoadVerdict",
    "SecondFacts",
    "StageFacts",
    "StageVerdict",
    "WorkerFacts",
    "bottleneck",
    "judge",
    "recovery_seconds",
    "result_of",
    "sustained",
    "unprovable",
]
