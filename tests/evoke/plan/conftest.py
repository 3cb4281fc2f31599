"""Plans of presets, as `evoke plan` makes them but for what lies on the disk."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evoke.plan.costs import Models
from evoke.plan.inputs import Setting, corpora_of, models_of
from evoke.preset import load_preset, params_with
from pipeline.params import Params

ROOT = Path(__file__).parents[3]
ANY = "0" * 40


@cache
def plan_of(preset: str) -> tuple[Params, Models]:
    params = params_with(ROOT / "params.yaml", load_preset(preset, ROOT / "presets"), ANY)
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
