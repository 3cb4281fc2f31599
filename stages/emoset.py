"""Stage emoset: pack an EmoSet folder into checked shards.

Each faulty entry becomes a row of the rejects table, with the reason.
"""

from pipeline.artifacts import EMOSET, EMOSET_FOLDER, EMOSET_METRICS, REJECTS, read_table
from pipeline.stage import Run, stage

REJECTS = REJECTS.of("emoset")


@stage(reads=(EMOSET_FOLDER,), writes=(EMOSET, REJECTS, EMOSET_METRICS), item="corpus")
def main(run: Run) -> None:
    """Read, check and pack the EmoSet folder of params.yaml."""
    import pyarrow as pa

    from pipeline.corpora import emoset, pack
    from pipeline.corpora.validate import report
    from pipeline.engine import map_shards

    folder = run.path(EMOSET_FOLDER)
    rows = emoset.plan(folder)
    names = map_shards(
        lambda: lambda shard: pack.tables(emoset.read(folder, shard)),
        emoset.shards(rows, run.params.shard_images, run.params.max_shard_mb),
        run.work,
        {"records": EMOSET.schema, "rejects": REJECTS.schema},
    )
    rejects = pa.concat_tables([read_table(run.work.part(name)) for name in names["rejects"]])
    parts = (read_table(run.work.part(name), columns=pack.REPORTED) for name in names["records"])
    validation = report(pack.outcomes(parts, rejects), emoset.vocabulary(folder))
    for problem in validation.problems:
        run.log.warning(problem)
    if not validation.is_usable:
        raise ValueError(f"{folder} cannot be used: {'; '.join(validation.problems)}")
    pack.check_rejects(len(rejects), len(rows), run.params.max_reject_frac)
    run.assemble(EMOSET, names["records"])
    run.write(REJECTS, rejects.sort_by("image_id"))
    run.metrics(validation.flat())


if __name__ == "__main__":
    main()
