"""Stage judges: train the networks on pixels that only score emotion, scene and object.

They train on images that the emotion classifier has not seen.
"""

from collections.abc import Iterable
from typing import Any

from pipeline.artifacts import JUDGES, LABELLED, METRICS, PLOTS, PRETRAINED, read_table
from pipeline.stage import Run, stage


@stage(reads=(LABELLED, PRETRAINED), writes=(JUDGES, METRICS, PLOTS), sections=("seed", "judges"))
def main(run: Run) -> None:
    """Train on one half of the train split, calibrate on val and report on test."""
    from pipeline.judges.examples import COLUMNS, attribute_names, examples, in_split, train_half
    from pipeline.judges.fitting import check_weights, fit_judges
    from pipeline.judges.panel import save_judges
    from pipeline.judges.report import save_confusion
    from pipeline.judges.trial import summary, try_judges
    from pipeline.runtime import seed_of, torch_generator

    def tables() -> Iterable[Any]:
        return (read_table(shard, LABELLED.schema, COLUMNS) for shard in run.shards(LABELLED))

    params, names = run.params, attribute_names(run.read(LABELLED, ["scene", "objects"]))
    check_weights(params, run.path(PRETRAINED))
    train = examples(tables(), train_half(params.half), names, params.image_px)
    val = examples(tables(), in_split("val"), names, params.image_px)
    judges = fit_judges(train, val, params, run.path(PRETRAINED), seed_of(run.seed, "judges"), run.work.parts)
    save_judges(judges, run.out_folder(JUDGES), {"params": params.model_dump_json(), "seed": str(run.seed)})

    trial = try_judges(judges, tables(), torch_generator(run.seed, "judges", "destroyed"))
    origin = {"half": params.half, "backbone": params.backbone, "num_train": len(train.targets)}
    run.metrics(summary(trial, judges) | origin)
    save_confusion(trial.verdicts.emotions, trial.targets.emotions, run.out_folder(PLOTS))


if __name__ == "__main__":
    main()
