"""Name methods, corpora, readers, stages and data as people read them, here and nowhere else."""

from pipeline.params import Params

CORPORA = {
    "emoset": "EmoSet", "emoart": "EmoArt", "fi": "FI", "emotionroi": "EmotionROI", "twitter_i": "Twitter I",
    "twitter_ii": "Twitter II", "wikiart": "WikiArt", "twitter": "Twitter I and II",
}  # fmt: skip
NAMES = {
    "real": "Real images",
    "stable_diffusion": "Stable Diffusion",
    "caption_prompts": "Stable Diffusion, captions",
    "textual_inversion": "Textual Inversion",
    "dreambooth": "DreamBooth",
    "emogen": "EmoGen",
    "coemogen": "CoEmoGen",
    "coemogen_emoset": "CoEmoGen",
    "uniemo_joint": "UniEmo",
    "uniemo_feedback": "UniEmo after feedback",
    "uniemo_understanding": "UniEmo before joint training",
    "emotion_classifier": "Head on frozen CLIP",
    "clip_zero_shot": "CLIP, zero-shot",
    "clip_probe": "CLIP, linear probe",
    "captioner": "Captioner",
    "judges": "Judge on pixels",
}
COEMOGEN = "coemogen_"


def readable(name: str) -> str:
    """Return the name of a method, corpus, reader or stage as people read it.

    CoEmoGen of another corpus than EmoSet names the corpus: "CoEmoGen on mine" for coemogen_mine. An unknown name
    stays, with spaces for underscores.
    """
    readable_name = NAMES.get(name) or CORPORA.get(name)
    if readable_name is None and name.startswith(COEMOGEN):
        return f"{NAMES['coemogen']} on {readable(name.removeprefix(COEMOGEN))}"
    return readable_name or name.replace("_", " ")


def labelled_data(params: Params) -> str:
    """Return what results call the labelled data: the folder of emoset, or the name of the user's own corpus."""
    return params.emoset.folder if params.corpus == "emoset" else params.corpus


def is_drawn(params: Params) -> bool:
    """Return True if the labelled data are drawn, so that no number is comparable with the papers'."""
    return bool(params.miniature.layouts) and params.corpus == "emoset"
