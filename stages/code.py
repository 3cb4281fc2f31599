"""Stage code: write the files that each stage consists of, each with a hash of its syntax."""

from pathlib import Path

from pipeline.artifacts import CODE, PIPELINE, STAGES
from pipeline.stage import Run, stage


@stage(reads=(PIPELINE, STAGES), writes=(CODE,), sections=())
def main(run: Run) -> None:
    """Write code/<stage>.txt for every stage, so that an edit reruns only the stages whose file it changes."""
    from pipeline.closure import code_of

    folder = run.out_folder(CODE)
    for path in sorted(run.path(STAGES).glob("[a-z]*.py")):
        if path.stem != run.declaration.stage:
            (folder / f"{path.stem}.txt").write_text(code_of(path, Path()), encoding="utf-8")


if __name__ == "__main__":
    main()
