"""Default sampling settings for users, in a module of their own so that command-line help does not import torch.

The values suit both Stable Diffusion 1.5 and the miniature model. The multistep solver has converged on both at 25
steps, and the noise that its SDE form adds at each step corrects errors of earlier steps (docs/LOG.md). Guidance 5 lies
between the usual 7.5 of Stable Diffusion, at which the miniature's colours clip, and the 4.5 of params.yaml. The stage
`images` takes its settings from params.yaml instead.
"""

from typing import Final, Literal

SOLVERS: Final = ("sde-dpmsolver++", "dpmsolver++", "unipc", "ddim", "euler")
SOURCES: Final = ("diagonal", "full", "mean", "real")
STEPS, GUIDANCE = 25, 5.0
SOLVER: Final[Literal["sde-dpmsolver++"]] = "sde-dpmsolver++"
SOURCE: Final[Literal["diagonal"]] = "diagonal"
BATCH_SIZE = 8
