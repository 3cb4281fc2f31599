"""How pictures are made for people where they say nothing; apart from the rest, as help of commands imports no torch.

For Stable Diffusion 1.5 and for the miniature alike: the multistep solver has converged on both at 25 steps, and the
noise that its SDE form adds at each mends what earlier ones got wrong (docs/LOG.md); 5 is between the usual 7.5 of the
one, at which the other's colours clip, and the 4.5 of params.yaml. The stage images takes its own from params.yaml.
"""

from typing import Final, Literal

SOLVERS: Final = ("sde-dpmsolver++", "dpmsolver++", "unipc", "ddim", "euler")
SOURCES: Final = ("diagonal", "full", "mean", "real")
STEPS, GUIDANCE = 25, 5.0
SOLVER: Final[Literal["sde-dpmsolver++"]] = "sde-dpmsolver++"
SOURCE: Final[Literal["diagonal"]] = "diagonal"
BATCH_SIZE = 8
