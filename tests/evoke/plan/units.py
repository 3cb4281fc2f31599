"""The work of every unit of dvc.yaml in a setting, as `evoke plan` finds it."""

from pathlib import Path
from typing import Any

from evoke.dag import stage_items
from evoke.plan.inputs import Setting
from evoke.plan.stages import workload
from evoke.plan.table import Stage
from pipeline.params import read_yaml

ROOT = Path(__file__).parents[3]
DAG: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")["stages"]


def work_of(setting: Setting) -> list[Stage]:
    values = setting.params.model_dump(mode="json")
    return list(workload(setting, {name: stage_items(entry, values) for name, entry in DAG.items()}))
