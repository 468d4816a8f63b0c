"""What Prometheus answers, read strictly: anything that is not exactly a good answer is refused.

The wire format is https://prometheus.io/docs/prometheus/latest/querying/api/; values arrive as strings
because JSON has neither NaN nor infinity, and those two are kept: the caller judges them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import math
from collections.abc import Mapping
from typing import Final

from probes.api import UnusableAnswerError, mapping, sequence
from probes.observation import EVERYTHING, Shown

_INFO: Final = "PromQL info:"
_LARGEST_TIME: Final = 253_402_300_799.0  # the end of the year 9999


@dataclasses.dataclass(frozen=True, slots=True)
class Series(Shown):
    """One element of an instant vector."""

    KEPT = EVERYTHING  # operators' labels and an aggregated value

    labels: Mapping[str, str]
    value: float
    """May be NaN or infinite."""

    @property
    def finite(self) -> bool:
        """Say whether the value is a number one may compare."""
        return math.isfinite(self.value)


@dataclasses.dataclass(frozen=True, slots=True)
class Vector(Shown):
    """The answer to an instant query; a scalar is one series without labels."""

    KEPT = ("result_type", "series", "warnings", "infos", "evaluated_at")

    series: tuple[Series, ...]
    result_type: str
    """`vector` or `scalar`."""
    warnings: tuple[str, ...]
    """Errors that did not stop the query: the result may be partial."""
    infos: tuple[str, ...]
    """Remarks on the query or its data, such as a histogram that is not monotonic."""
    evaluated_at: dt.datetime | None
    """The server's evaluation time as the samples carry it; None without any sample."""


@dataclasses.dataclass(frozen=True, slots=True)
class RangeSeries:
    """One element of a matrix: its samples by time, oldest first."""

    labels: Mapping[str, str]
    samples: tuple[tuple[dt.datetime, float], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Matrix:
    """The answer to a range query."""

    series: tuple[RangeSeries, ...]
    warnings: tuple[str, ...]
    infos: tuple[str, ...]

    def facts(self) -> Mapping[str, object]:
        """Return labels and samples of each series."""
        return {
            "result_type": "matrix",
            "series": [
                {
                    "labels": dict(one.labels),
                    "samples": [[at.timestamp(), _json_number(value)] for at, value in one.samples],
                }
                for one in self.series
            ],
            "warnings": list(self.warnings),
            "infos": list(self.infos),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Sampled:
    """One series as it was scraped: labels, and samples by time in seconds since 1970, oldest first."""

    labels: Mapping[str, str]
    times: tuple[float, ...]
    values: tuple[float, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class SampleSet:
    """The answer to an instant query of a range selector: the samples themselves."""

    series: tuple[Sampled, ...]
    warnings: tuple[str, ...]
    infos: tuple[str, ...]

    def facts(self) -> Mapping[str, object]:
        """Return how much there was: a large platform has hundreds of thousands of samples."""
        times = [at for one in self.series for at in (one.times[0], one.times[-1])]
        return {
            "result_type": "matrix",
            "series": len(self.series),
            "samples": sum(len(one.times) for one in self.series),
            "first_at": min(times, default=None),
            "last_at": max(times, default=None),
            "warnings": list(self.warnings),
            "infos": list(self.infos),
        }


def read_data(answer: object) -> Mapping[str, object]:
    """Return the `data` object of a successful answer; raises UnusableAnswerError."""
    envelope = mapping(answer, "The answer")
    if envelope.get("status") != "success":
        raise UnusableAnswerError("The answer does not say status=success.")
    return mapping(envelope.get("data"), "The answer's data")


def read_vector(answer: object) -> Vector:
    """Read the answer to an instant query; raises UnusableAnswerError."""
    data = read_data(answer)
    result_type, result = data.get("resultType"), data.get("result")
    match result_type:
        case "vector":
            pairs = [_vector_element(element) for element in sequence(result, "The result")]
        case "scalar":
            pairs = [({}, _sample(result))]
        case _:
            raise UnusableAnswerError("The result is neither a vector nor a scalar.")
    _refuse_twins([labels for labels, _ in pairs])
    warnings, infos = _remarks(answer)
    return Vector(
        series=tuple(Series(labels, value) for labels, (_, value) in pairs),
        result_type=result_type,
        warnings=warnings,
        infos=infos,
        evaluated_at=_one_time([at for _, (at, _) in pairs]),
    )


def read_samples(answer: object) -> SampleSet:
    """Read the answer to an instant query of a range selector; raises UnusableAnswerError."""
    matrix = read_matrix(answer)
    series = tuple(
        Sampled(
            one.labels,
            tuple(at.timestamp() for at, _ in one.samples),
            tuple(value for _, value in one.samples),
        )
        for one in matrix.series
        if one.samples
    )
    return SampleSet(series, matrix.warnings, matrix.infos)


def read_matrix(answer: object) -> Matrix:
    """Read the answer to a range query; raises UnusableAnswerError."""
    data = read_data(answer)
    if data.get("resultType") != "matrix":
        raise UnusableAnswerError("The result is not a matrix.")
    series = tuple(_range_series(element) for element in sequence(data.get("result"), "The result"))
    _refuse_twins([one.labels for one in series])
    return Matrix(series, *_remarks(answer))


def _vector_element(element: object) -> tuple[Mapping[str, str], tuple[dt.datetime, float]]:
    fields = mapping(element, "A series")
    if "histogram" in fields:
        raise UnusableAnswerError("A series is a native histogram where a number was expected.")
    return _labels(fields), _sample(fields.get("value"))


def _range_series(element: object) -> RangeSeries:
    fields = mapping(element, "A series")
    if "histograms" in fields:
        raise UnusableAnswerError("A series holds native histograms where numbers were expected.")
    samples = tuple(_sample(pair) for pair in sequence(fields.get("values"), "A series' values"))
    times = [at for at, _ in samples]
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        raise UnusableAnswerError("The samples of a series are not in the order of time.")
    return RangeSeries(_labels(fields), samples)


def _labels(fields: Mapping[str, object]) -> Mapping[str, str]:
    labels = mapping(fields.get("metric"), "A series' labels")
    if not all(isinstance(value, str) for value in labels.values()):
        raise UnusableAnswerError("A label is not text.")
    return {name: str(value) for name, value in labels.items()}


def _sample(pair: object) -> tuple[dt.datetime, float]:
    match pair:
        case [int() | float() as at, str() as text] if 0 <= at <= _LARGEST_TIME:
            return dt.datetime.fromtimestamp(at, dt.UTC), _value(text)
        case _:
            raise UnusableAnswerError("A sample is not a pair of time and text.")


def _value(text: str) -> float:
    # float() would also take "1_0", " 1 " and "nan(1)"-like spellings that no Prometheus writes.
    if text.strip() != text or "_" in text:
        raise UnusableAnswerError("A sample's value is not a number.")
    try:
        return float(text)
    except ValueError:
        raise UnusableAnswerError("A sample's value is not a number.") from None


def _one_time(times: list[dt.datetime]) -> dt.datetime | None:
    if len(set(times)) > 1:
        raise UnusableAnswerError("The samples of one instant carry different times.")
    return times[0] if times else None


def _refuse_twins(labels: list[Mapping[str, str]]) -> None:
    if len({frozenset(one.items()) for one in labels}) != len(labels):
        raise UnusableAnswerError("The same series is in the answer twice.")


def _remarks(answer: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return warnings and infos: Prometheus up to 2.53 sends its infos as warnings."""
    envelope = mapping(answer, "The answer")
    warnings, infos = (
        [str(one) for one in sequence(envelope.get(name) or [], f"The list of {name}")]
        for name in ("warnings", "infos")
    )
    meant = [one for one in warnings if one.startswith(_INFO)]
    return tuple(one for one in warnings if one not in meant), (*infos, *meant)


def _json_number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
