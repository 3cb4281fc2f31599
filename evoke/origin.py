"""Find out what the model card of an export can say of its origin: the base model and the licence.

dvc.lock holds the params by which models/foundation/diffusion was made, so it names the base model of models/.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evoke.export.origin import Origin

LOCK = Path("dvc.lock")
OWN_LICENCE = "apache-2.0"  # of the bundled weights, which were trained on drawn images alone (LICENSE)
LICENCES = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "creativeml-openrail-m"
}  # it passes on to what is made of it


def origin_of(
    model: Path, diffusion: Path | None, base_model: str | None, licence: str | None, datasets: tuple[str, ...]
) -> "Origin":
    """Return the origin of a model: what the options name, else what the last run recorded."""
    from evoke.export.origin import Origin
    from pipeline.artifacts import FOUNDATION_DIFFUSION

    name, place, known = base_model, str(diffusion or model.parent / "foundation" / "diffusion"), None
    if model.parent == Path("models") and not model.exists():  # the bundled generator stands in for it
        place, known = FOUNDATION_DIFFUSION.path, OWN_LICENCE
    elif model.parent == Path("models") and name is None and diffusion is None:
        params = _recorded()
        name = params.get("hub_id") if params.get("source") == "hub" else None
    known = known or LICENCES.get(name or "")
    return Origin(name, None if name else place, licence or known, datasets)


def _recorded() -> dict[str, Any]:
    """Return the params of the stage foundation_diffusion in its last run, or none."""
    from pipeline.params import read_yaml

    stage = read_yaml(LOCK).get("stages", {}).get("foundation_diffusion", {}) if LOCK.is_file() else {}
    return dict(stage.get("params", {}).get("params.yaml", {}).get("foundation_diffusion", {}))
