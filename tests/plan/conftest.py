"""Plans of presets, as `evoke plan` makes them but for what lies on the disk."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evoke.preset import merged
from pipeline.params import Params, read_yaml
from pipeline.plan.costs import Models
from pipeline.plan.inputs import Setting, corpora_of, models_of

ROOT = Path(__file__).parents[2]
ANY = "0" * 40


@cache
def plan_of(preset: str) -> tuple[Params, Models]:
    values: dict[str, Any] = read_yaml(ROOT / f"presets/{preset}.yaml")
    for section in values.values():
        if isinstance(section, dict) and section.get("source") == "hub":
            section["hub_revision"] = ANY
    params = merged(ROOT / "params.yaml", values).params
    return params, models_of(params, ROOT / "models/miniature", {})


@pytest.fixture(scope="session")
def setting() -> Callable[..., Setting]:
    def make(preset: str, **changes: dict[str, Any]) -> Setting:
        """changes: of sections, value by key."""
        params, models = plan_of(preset)
        sections = {name: getattr(params, name).model_copy(update=values) for name, values in changes.items()}
        params = params.model_copy(update=sections)
        return Setting(params, corpora_of(params, Path("data/miniature")), models)

    return make
