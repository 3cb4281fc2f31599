"""The kinds of generators, and where each is loaded.

Modules are named as text and imported when they are needed: so the images of one method depend on the code of that
method alone, and a new method resamples nobody else's (pipeline/closure.py reads names).
"""

LOADERS = {
    "prompt": "pipeline.generation.plain",
    "caption": "pipeline.generation.captioned",
    "coemogen": "pipeline.coemogen.generator",
    "uniemo": "pipeline.uniemo.generator",
    "textual_inversion": "pipeline.baselines.generators",
    "dreambooth": "pipeline.baselines.generators",
    "emogen": "pipeline.baselines.generators",
}


KINDS = {"stable_diffusion": "prompt", "caption_prompts": "caption"}  # of methods not named after their kind


def loader_of(method: str) -> str:
    """Return the module that loads a method of params.yaml, such as pipeline.uniemo.generator for uniemo_joint."""
    family = method.partition("_")[0]
    return LOADERS[KINDS.get(method, method if method in LOADERS else family)]
