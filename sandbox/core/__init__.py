"""What every part of the platform stands on: processes, links, ports, state. Knows no system."""
