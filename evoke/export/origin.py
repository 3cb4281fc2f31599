"""Hold what the model card of an export says of its origin, apart from the card, which imports torch."""

from dataclasses import dataclass


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
