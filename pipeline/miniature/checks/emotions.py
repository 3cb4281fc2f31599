"""Compare judged emotions with the drawn ones.

On labelled images they are compared beside the best possible classifier, and on art by confidence. Judging and curating
happen elsewhere; this module only compares their answers with the truth.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.emotions import EMOTIONS
from pipeline.judges.calibration import wilson_interval
from pipeline.miniature.checks.rates import mean, of_pictures, share

CONFIDENCE_BINS = ((0.00, 0.30), (0.30, 0.50), (0.50, 0.75), (0.75, 0.90), (0.90, 1.00))  # the last includes both ends


def emotion_checks(judged: Mapping[str, NDArray[np.floating]], truth: pa.Table) -> dict[str, float]:
    """Return the accuracy of each judge and of the Bayes classifier.

    It is measured against the labels, with a 95 % interval, and against the true emotions. `judged` maps a name to
    probabilities N8; `truth` has label, emotion and posterior of the same N images. bayes_expected is the Bayes
    classifier's accuracy averaged over possible labels; it is less noisy than the accuracy on these labels.
    """
    labels, emotions = (places(truth[name]) for name in ("label", "emotion"))
    posterior = np.array(truth["posterior"].to_pylist())
    rates: dict[str, float] = {"num_test": len(truth), "bayes_expected": float(posterior.max(1).mean())}
    for name, probabilities in {**judged, "bayes": posterior}.items():
        answers = probabilities.argmax(1)
        low, high = wilson_interval(int((answers == labels).sum()), len(labels))
        rates[f"{name}_accuracy"] = share(answers == labels)
        rates[f"{name}_accuracy_low"], rates[f"{name}_accuracy_high"] = low, high
        rates[f"{name}_accuracy_true"] = share(answers == emotions)
    return rates


def curation_checks(curation: pa.Table, truth: pa.Table) -> dict[str, float]:
    """Return the share of art kept, and how often its emotion is the drawn one, among the kept and by confidence.

    `curation` has image_id, emotion, confidence and reason; `truth` has image_id and emotion of these rows or more. An
    image drawn for no emotion agrees with none. For each confidence bin, kept or not, the mean confidence is given
    beside the agreement that it predicts, because calibration on photographs need not hold on art. Undefined rates are
    left out.
    """
    true_places = places(of_pictures(truth, curation["image_id"])["emotion"])
    confidence, is_kept = curation["confidence"].to_numpy(), np.array(curation["reason"].to_pylist()) == "kept"
    right, without = places(curation["emotion"]) == true_places, true_places < 0
    low, high = wilson_interval(int(right[is_kept].sum()), int(is_kept.sum()))
    rates: dict[str, float] = {
        "num_art": len(curation), "num_kept": int(is_kept.sum()), "kept_share": share(is_kept),
        "kept_agreement": share(right[is_kept]), "kept_agreement_low": low, "kept_agreement_high": high,
        "kept_agreement_emotional": share(right[is_kept & ~without]),
        "kept_confidence": mean(confidence[is_kept]), "kept_no_emotion": share(without[is_kept]),
    }  # fmt: skip
    for least, most in CONFIDENCE_BINS:
        members = (confidence >= least) & ((confidence < most) | (most == 1))
        at = f"at_{least:.2f}_{most:.2f}"
        rates |= {f"num_{at}": int(members.sum()), f"agreement_{at}": share(right[members])}
        rates |= {f"confidence_{at}": mean(confidence[members]), f"no_emotion_{at}": share(without[members])}
    return {key: value for key, value in rates.items() if np.isfinite(value)}


def places(emotions: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the index of each emotion in EMOTIONS, -1 for none."""
    indices = pc.index_in(emotions.cast(pa.string()), value_set=pa.array(EMOTIONS))
    return indices.fill_null(-1).to_numpy().astype(np.int64)
