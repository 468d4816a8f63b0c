"""What `sandbox status` and `sandbox fault list` print: plain columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sandbox.faults.catalogue import Fault


def status(answer: dict[str, Any]) -> str:
    """Render the supervisor's answer: processes, links, addresses, applied faults."""
    processes = [
        (
            row["name"],
            row["state"],
            row["pid"] or "-",
            row["port"] or "-",
            row["version"],
            row["log"],
        )
        for row in answer["processes"]
    ]
    links = [
        (row["name"], row["mode"], row["port"], row["target"], f"{row['latency_ms']} ms")
        for row in answer["links"]
    ]
    return "\n\n".join(
        (
            _columns(("PROCESS", "STATE", "PID", "PORT", "VERSION", "LOG"), processes),
            _columns(("LINK", "MODE", "PORT", "LEADS TO", "LATENCY"), links),
            _columns(("ADDRESS", "URL"), answer["urls"].items()),
            "\n".join(
                (
                    f"deployment   {answer['deployment']}",
                    f"environment  {answer['environment']}",
                    f"faults       {', '.join(answer['faults']) or 'none'}",
                )
            ),
        )
    )


def faults(catalogue: Iterable[Fault], applied: Sequence[str]) -> str:
    """Render the catalogue; applied faults carry a star."""
    rows = [
        ("*" if fault.name in applied else "", fault.name, fault.decision, fault.description)
        for fault in catalogue
    ]
    return _columns(("", "FAULT", "VERDICT", "WHAT IT IS"), rows)


def _columns(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    table = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )
