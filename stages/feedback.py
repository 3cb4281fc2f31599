"""Stage feedback: select the images of uniemo_joint that are used to train it further (UniEmo Algorithm 1).

Every other image gets the reason why it is left out.
"""

from pipeline.artifacts import FEEDBACK, METRICS, SCORES
from pipeline.stage import Run, stage

SCORES = SCORES.of("uniemo_joint")


@stage(reads=(SCORES,), writes=(FEEDBACK, METRICS), sections=("seed", "feedback"))
def main(run: Run) -> None:
    """Rank the generated images and select those to train on."""
    from pipeline.feedback.select import select, summary

    scores = run.read(SCORES, ["image_id", "emotion", "classifier", "clarity"])
    selected = select(scores, run.params, run.generator("control"))
    run.write(FEEDBACK, selected)
    run.metrics(summary(selected))


if __name__ == "__main__":
    main()
