"""Find the models of a folder, load them once, and let one of them compute at a time."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoke.bundled import BUNDLE, GENERATORS

if TYPE_CHECKING:
    from evoke.classifier import ClassifierReader
    from evoke.pipeline import EmotionPipeline
    from pipeline.params import Source
    from pipeline.uniemo.reader import EmotionReader

    Reader = ClassifierReader | EmotionReader

MODELS = Path("models")
BUNDLED = " (bundled)"
CLASSIFIER, ZERO_SHOT = "emotion classifier on CLIP", "CLIP zero-shot"
DEFAULT = "coemogen_emoset"  # of `evoke generate`
OWN_METHODS = ("coemogen", "uniemo")
NUM_GENERATORS = 2  # kept in memory: two side by side


def generators(models: Path = MODELS) -> dict[str, Path]:
    """Return the folders of the generators by the name that people see, those of the papers first, bundled ones last.

    The folder of a bundled one need not exist: `evoke.emotion_model.at_hand` finds it.
    """
    from pipeline.generation.folder import read_meta
    from pipeline.generation.kinds import LOADERS

    ranked = []
    for folder in sorted(models.glob("*/")):
        with suppress(ValueError):
            if (kind := read_meta(folder)["kind"]) in list(LOADERS):
                ranked.append((folder.name != DEFAULT, kind not in OWN_METHODS, folder.name))
    trained = {name: models / name for *_, name in sorted(ranked)}
    return trained | {name + BUNDLED: models / name for name in _bundled(models) if name not in trained}


def readers(models: Path = MODELS) -> dict[str, Path]:
    """Return the folders of the readers by the name that people see, the most capable first."""
    from pipeline.uniemo.folder import KIND, META, UNDERSTANDING

    named = {}
    for folder in sorted(models.glob("*/")):
        own = folder / UNDERSTANDING if (folder / UNDERSTANDING).is_dir() else folder
        with suppress(OSError, ValueError):
            if f'"{KIND}"' in (own / META).read_text(encoding="utf-8"):
                named[folder.name] = folder
    named |= {name + BUNDLED: models / name for name in _bundled(models) if "uniemo" in name and name not in named}
    if (models / "emotion_classifier").is_dir():
        named[CLASSIFIER] = models / "emotion_classifier"
    if (models / "foundation/clip").is_dir():
        named[ZERO_SHOT] = models / "foundation/clip"
    return named


def _bundled(models: Path) -> list[str]:
    """Return the names of the bundled generators, which stand in for those of the folder models alone."""
    if models != MODELS:
        return []
    return sorted(path.stem for path in (BUNDLE / GENERATORS).glob("*.safetensors"))


@dataclass(frozen=True)
class Studio:
    """The folder of models, the folder for made images, and the models that are loaded.

    `busy` is held while a model computes or loads: two at a time would take twice the memory and be no faster.
    """

    models: Path
    out: Path
    busy: threading.RLock
    loaded: "OrderedDict[tuple[str, str], Any]"

    @classmethod
    def of(cls, models: Path, out: Path) -> "Studio":
        return cls(models, out, threading.RLock(), OrderedDict())

    @property
    def images(self) -> Path:
        """Return the folder that made images are written to."""
        return self.out / "images"

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Hold the models for one computation. Threads are counted anew in each thread, and change low bits."""
        from pipeline.runtime import device

        with self.busy:
            device()
            yield

    def generator(self, name: str, source: "Source" = "diagonal") -> "EmotionPipeline":
        """Return a generator by the name that people see. Raises ValueError if it is unknown or cannot be loaded."""
        from evoke.emotion_model import load_model

        folder = chosen(name, generators(self.models))
        return self._once((name, source), lambda: load_model(folder, None, None, source), NUM_GENERATORS)

    def reader(self, name: str) -> "Reader":
        """Return a reader by the name that people see. Raises ValueError if it is unknown or cannot be loaded."""
        folder = chosen(name, readers(self.models))
        return self._once((name, "reader"), lambda: _reader(name, folder), len(readers(self.models)))

    def preload(self, generator: str, reader: str | None) -> threading.Thread:
        """Load models in the background, so that the first click does not wait. An error waits for that click."""

        def load() -> None:
            from evoke.pipeline import planned
            from pipeline.generation.sampling import Sampling

            with suppress(ValueError, OSError), self.computing():
                pipeline = self.generator(generator)
                next(pipeline.pictures(planned(pipeline.generator.emotions[0], 1, 0), Sampling(1, 2.0)))
            if reader:
                with suppress(ValueError, OSError):
                    self.reader(reader)

        thread = threading.Thread(target=load, name="preload", daemon=True)
        thread.start()
        return thread

    def _once(self, key: tuple[str, str], load: Callable[[], Any], room: int) -> Any:
        with self.busy:
            if key not in self.loaded:
                alike = [other for other in self.loaded if (other[1] == "reader") == (key[1] == "reader")]
                for other in alike[: max(0, len(alike) - room + 1)]:
                    del self.loaded[other]
                self.loaded[key] = load()
            self.loaded.move_to_end(key)
            return self.loaded[key]


def chosen(name: str | None, found: Mapping[str, Path]) -> Path:
    """Return the folder of a name that people see. Raises ValueError if there is none."""
    if name is None or name not in found:
        raise ValueError(f"there is no model {name!r}; there are {', '.join(found) or 'none: run `evoke repro`'}")
    return found[name]


def _reader(name: str, folder: Path) -> "Reader":
    """Load a UniEmo model, or a classifier on CLIP features."""
    from pipeline.runtime import forbid_downloads

    forbid_downloads()
    if name in (CLASSIFIER, ZERO_SHOT):
        from evoke.classifier import Classifier, ClassifierReader

        clip = folder.parent / "foundation/clip" if name == CLASSIFIER else folder
        return ClassifierReader(*Classifier(clip, folder if name == CLASSIFIER else None, "").load())
    from evoke.emotion_model import at_hand
    from pipeline.uniemo.reader import EmotionReader

    return EmotionReader.from_pretrained(at_hand(folder))
