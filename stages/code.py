"""Stage code: hash what each stage uses of the code, so that an edit reruns the stages that it reaches."""

from pathlib import Path

from pipeline.artifacts import CODE, EMOTION_SET, PIPELINE, STAGES
from pipeline.stage import Run, declaration_of, stage


@stage(reads=(PIPELINE, STAGES, EMOTION_SET), writes=(CODE,), sections=("methods",))
def main(run: Run) -> None:
    """Write code/<stage>.txt for every stage, and code/<stage>@<method>.txt where a stage loads a generator."""
    from pipeline.closure import code_of

    folder = run.out_folder(CODE)
    names = {path.stem for path in run.path(STAGES).glob("[a-z]*.py")} - {run.declaration.stage}
    for declaration in (declaration_of(f"stages.{name}") for name in sorted(names)):
        for item in run.section("methods") if declaration.generates else [""]:
            code = code_of(Path(), *declaration.code_files(item))
            (folder / f"{declaration.code_name(item)}.txt").write_text(code, encoding="utf-8")


if __name__ == "__main__":
    main()
