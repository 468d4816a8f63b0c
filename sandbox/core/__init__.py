"""What every part of the platform stands on: processes, links, ports, state. Knows no system."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
