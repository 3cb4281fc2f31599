"""Stage emotion_classifier: train or import the calibrated emotion classifier on CLIP features.

It has two layers, or is the classifier that EmoGen published.
"""

from pipeline.artifacts import EMOTION_CLASSIFIER, FEATURES, IMPORTED_EMOGEN, LABELLED, METRICS, PLOTS
from pipeline.stage import Run, stage

FEATURES = FEATURES.of("${corpus}")


@stage(
    reads=(LABELLED, FEATURES, IMPORTED_EMOGEN),
    writes=(EMOTION_CLASSIFIER, METRICS, PLOTS),
    sections=("seed", "emotion_classifier"),
)
def main(run: Run) -> None:
    """Train or import the classifier, calibrate it on val and report on test."""
    from pipeline.judges.classifier import Pictures, imported_classifier, trained_classifier
    from pipeline.judges.head import save_head
    from pipeline.judges.report import emotion_metrics, save_calibration, save_confusion

    params, pictures = run.params, Pictures.of(run.read(LABELLED, ["image_id", "emotion", "split"]), run.read(FEATURES))
    if params.source == "imported":
        head, num_train = imported_classifier(pictures, run.path(IMPORTED_EMOGEN) / "classifier"), 0
    else:
        head, num_train = trained_classifier(pictures, params, run.seed)
    save_head(head, run.out_folder(EMOTION_CLASSIFIER), {"params": params.model_dump_json(), "seed": str(run.seed)})

    test, temperature, plots = pictures.in_split("test"), float(head.temperature), run.out_folder(PLOTS)
    probabilities = head.probabilities(test.features, test.norms)
    origin = {
        "source": params.source,
        "half": params.half if num_train else None,
        "num_train": num_train or None,
        "epoch": head.epoch or None,
    }
    run.metrics(emotion_metrics(probabilities, temperature, test.emotions) | origin)
    save_confusion(probabilities, test.emotions, plots)
    save_calibration(probabilities, temperature, test.emotions, plots)


if __name__ == "__main__":
    main()
