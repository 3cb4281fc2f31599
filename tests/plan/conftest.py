"""Plans of presets, as `evoke plan` makes them but for what lies on the disk."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evoke.preset import merged
from pipeline.params import Params, read_yaml
from pipeline.plan.costs import costs_of
from pipeline.plan.counts import counts_of
from pipeline.plan.shapes import shapes_of
from pipeline.plan.work import Setting

ROOT = Path(__file__).parents[2]
ANY = "0" * 40


@cache
def params_of(preset: str) -> Params:
    values: dict[str, Any] = read_yaml(ROOT / f"presets/{preset}.yaml")
    for section in values.values():
        if isinstance(section, dict) and section.get("source") == "hub":
            section["hub_revision"] = ANY
    return merged(ROOT / "params.yaml", values).params


def make_setting(preset: str, **changes: dict[str, Any]) -> Setting:
    """changes: of sections, value by key."""
    params = params_of(preset)
    params = params.model_copy(
        update={name: getattr(params, name).model_copy(update=values) for name, values in changes.items()}
    )
    shapes = shapes_of(params_of(preset), ROOT / "models/miniature", {})
    return Setting(params, counts_of(params, Path("data/miniature")), costs_of(shapes))


@pytest.fixture(scope="session")
def setting() -> Callable[..., Setting]:
    return make_setting
