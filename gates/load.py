"""Reads the catalogue and the policy from their files: once per process, frozen."""

from __future__ import annotations

import pathlib

from environments.yaml_file import ConfigurationError, parse, read_yaml
from gates.decide import catalogue
from gates.decide.policy import Policy

ROOT = pathlib.Path(__file__).resolve().parent.parent
FEATURES = ROOT / "features"
POLICY = ROOT / "gates" / "policy"


def load_catalogue(features: pathlib.Path = FEATURES) -> tuple[catalogue.Row, ...]:
    """Return all rows of catalogue.csv and catalogue.d/*.csv; raises ConfigurationError."""
    files = [features / "catalogue.csv", *sorted((features / "catalogue.d").glob("*.csv"))]
    try:
        return catalogue.parse((_shown(file), file.read_text(encoding="utf-8")) for file in files)
    except catalogue.CatalogueError as exc:
        raise ConfigurationError(f"{exc}.") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(
            f"{_shown(features)}/catalogue.csv cannot be read: {exc}."
        ) from exc


def load_policy(folder: pathlib.Path = POLICY) -> Policy:
    """Return the policy of all files in a folder; raises ConfigurationError.

    Each file brings other sections; the same section in two files is refused, since one of them
    would silently win.
    """
    merged: dict[str, object] = {}
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ConfigurationError(f"{_shown(folder)}: holds no *.yaml; the gate has no policy.")
    for file in files:
        data = read_yaml(file, _shown(file))
        for key, value in data.items():
            if key in merged and key != "schema":
                raise ConfigurationError(
                    f"{_shown(file)}: {key}: another policy file has this section too; keep one."
                )
            merged[key] = value
    shown_as = _shown(files[0]) if len(files) == 1 else f"{_shown(folder)}/*.yaml"
    return parse(Policy, merged, shown_as)


def _shown(path: pathlib.Path) -> str:
    try:
        return str(path.relative_to(ROOT))
    except ValueError:
        return str(path)
