"""Find out what the model card of an export can say of its origin: the base model and the licence.

dvc.lock holds the params by which models/foundation/diffusion was made, so it names the base model of models/.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCK = Path("dvc.lock")
OWN_LICENCE = "apache-2.0"  # of the bundled weights, which were trained on drawn images alone (LICENSE)
LICENCES = {"stable-diffusion-v1-5/stable-diffusion-v1-5": "creativeml-openrail-m"}  # passed on to what is made of them


@dataclass(frozen=True)
class Origin:
    """Hold what a card says of the origin of an export.

    `base_model` is the base model's name on the hub, `place` the folder that it is loaded from otherwise, `licence` an
    identifier of the hub, `datasets` the names of the training images on the hub.
    """

    base_model: str | None = None
    place: str | None = None
    licence: str | None = None
    datasets: tuple[str, ...] = ()

    @property
    def base(self) -> str | None:
        """Return the name or the folder by which `from_pretrained` loads the base model."""
        return self.base_model or self.place


def origin_of(
    model: Path, diffusion: Path | None, base_model: str | None, licence: str | None, datasets: tuple[str, ...]
) -> Origin:
    """Return the origin of a model: what the options name, else what the last run recorded."""
    from pipeline.artifacts import FOUNDATION_DIFFUSION

    name, place, licence_known = base_model, str(diffusion or model.parent / "foundation" / "diffusion"), None
    if model.parent == Path("models") and not model.exists():  # the bundled generator stands in for it
        place, licence_known = FOUNDATION_DIFFUSION.path, OWN_LICENCE
    elif model.parent == Path("models") and name is None and diffusion is None:
        params = _recorded()
        name = params.get("hub_id") if params.get("source") == "hub" else None
    licence_known = licence_known or LICENCES.get(name or "")
    return Origin(name, None if name else place, licence or licence_known, datasets)


def _recorded() -> dict[str, Any]:
    """Return the params of the stage foundation_diffusion in its last run, or none."""
    from pipeline.params import read_yaml

    stage = read_yaml(LOCK).get("stages", {}).get("foundation_diffusion", {}) if LOCK.is_file() else {}
    return dict(stage.get("params", {}).get("params.yaml", {}).get("foundation_diffusion", {}))
