"""CoEmoGen as one module: a batch of latents, emotions and features -> L_LDM + weight * L_SEM (Eq. 4-5).

Only the embedding (mapper and visual-perception encoder) and the adapters are trained; the U-Net's own weights and the
text encoder are frozen. L_LDM is in pipeline/training/denoising.py.
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.adapters import HiLora, add_adapters
from pipeline.coemogen.embedding import EmotionEmbedding, Mapper, PerceptionEncoder
from pipeline.emotion_set import EMOTIONS, POLARITIES
from pipeline.foundation.base import Base
from pipeline.params import Distance
from pipeline.training.denoising import diffusion_errors

if TYPE_CHECKING:
    from pipeline.params import Coemogen


def semantic_loss(
    joint: Tensor, caption: Tensor, distance: Distance = "cosine", equalised: bool = False, temperature: float = 0.07
) -> Tensor:
    """Return L_SEM: condition BD, caption BD, unit vectors in CLIP's joint space -> scalar (Eq. 5, Table 2c).

    - `cosine`: 1 - cos.
    - `mae`, `mse`: the mean over entries.
    - `kl`: KL(caption || condition) of the softmaxes over entries at `temperature`.

    Unscaled, these differ by orders of magnitude (the mse of unit vectors is 2/D (1 - cos)), so Table 2c also compares
    loss weights. With `equalised`, each is scaled to about 1 for orthogonal vectors, as the cosine distance is.
    """
    width = joint.shape[-1]
    match distance:
        case "cosine":
            return (1 - (joint * caption).sum(-1)).mean()
        case "mae":
            return F.l1_loss(joint, caption) * ((torch.pi * width) ** 0.5 / 2 if equalised else 1)
        case "mse":
            return F.mse_loss(joint, caption) * (width / 2 if equalised else 1)
        case "kl":
            said, wanted = (F.log_softmax(vector / temperature, -1) for vector in (joint, caption))
            divergence = F.kl_div(said, wanted, log_target=True, reduction="batchmean")
            return divergence * (width * temperature**2 if equalised else 1)


class CoEmoGen(nn.Module):
    """The trained parts, named as in weights.safetensors, with the frozen models around them."""

    def __init__(self, embedding: EmotionEmbedding, hilora: HiLora, base: Base, settings: "Coemogen") -> None:
        super().__init__()
        self.embedding, self.unet, self.encoder = embedding, hilora.unet, base.encoder
        self.hilora, self.base, self.settings = hilora, base, settings
        self.prompt = base.encoder.tokenize([settings.prompt])

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of a batch by name: total, ldm, sem.

        `batch` holds latents and noise BCHW; steps B; emotions B8; visual and caption BD; dropped B bool. Dropped
        samples are trained without a condition, for classifier-free guidance; their adapters stay on.
        """
        settings, device = self.settings, batch["latents"].device
        rows = torch.zeros(len(batch["steps"]), dtype=torch.long, device=device)
        embeddings = self.embedding(batch["emotions"], batch["visual"])
        condition = self.encoder(self.prompt.to(device).take(rows), embeddings)
        empty = self.encoder.empty()
        with self.hilora.route(batch["emotions"]):
            errors = diffusion_errors(self.base, batch, condition, empty, settings.snr_cap)
        said = condition.text_vectors(settings.sem_space)
        sem = semantic_loss(
            said, batch["caption"], settings.sem_distance, settings.sem_equalised, settings.kl_temperature
        )
        ldm = errors.mean()
        return {"total": ldm + settings.sem_weight * sem, "ldm": ldm, "sem": sem}


def build(settings: "Coemogen", base: Base, visual_width: int, generator: torch.Generator) -> CoEmoGen:
    """Return a fresh CoEmoGen on a base, whose denoiser receives the adapters.

    All randomness comes from `generator`.
    """
    encoder = base.encoder
    seed = int(torch.randint(2**31, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        with torch.no_grad():
            name_features = encoder.of(EMOTIONS).joint.cpu()
        mapper = Mapper(encoder.width, settings.mapper_hidden, settings.input, name_features)
        perception = PerceptionEncoder(encoder.width, visual_width, settings.visual_tokens, settings.perception)
    embedding = EmotionEmbedding(mapper, perception, encoder.tokens)
    hilora = add_adapters(base.denoiser, base.adapted, ranks(settings), generator)
    return CoEmoGen(embedding, hilora, base, settings)


def ranks(settings: "Coemogen") -> dict[str, int]:
    """Return the enabled adapters with their ranks (the ablations of Table 1 disable one kind).

    With `matched_rank`, the kind that remains has twice the rank, so a sample passes through as many hidden units as
    with both kinds.
    """
    kinds = {EMOTIONS: settings.emotion_adapters, POLARITIES: settings.polarity_adapters}
    rank = settings.rank * (2 if settings.matched_rank and sum(kinds.values()) == 1 else 1)
    return {name: rank for names, is_on in kinds.items() if is_on for name in names}
