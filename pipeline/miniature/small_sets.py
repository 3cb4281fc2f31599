"""Write the drawn world as the small data sets of the field, as pipeline/corpora/{fi,emotionroi,twitter} read them.

All have the joint distribution of the drawn EmoSet, each with its own seed. They differ in their classes and in the
number of images per class, so transfer to them tests other classes and shares, not another image distribution.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

from pipeline.emotions import POLARITIES, polarity
from pipeline.miniature.composition import draw
from pipeline.miniature.layouts import encoded
from pipeline.miniature.truth import Truth
from pipeline.miniature.world import World
from pipeline.runtime import numpy_generator, seed_of

Pictures = Iterator[tuple[str, Truth]]
ANY = "any"
EKMAN = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
JOYS = ("amusement", "contentment", "excitement")
TRAINING_FRAC = 0.7  # EmotionROI: 1,386 of 1,980 images
NUM_VOTES = 5  # Twitter I: votes per image, on the polarity
POSITIVE_FRAC = 470 / 603  # Twitter II


def write_fi(world: World, num_images: int, folder: Path) -> Pictures:
    """Draw an FI: emotion_dataset/<emotion>/<emotion>_NNNNN.jpg, with emotions as frequent as in EmoSet.

    Yields (image_id, truth) of each image as it is written; the layout is complete when the iterator is exhausted.
    """
    for _, number, truth in classed(world, "fi", {ANY: num_images}, lambda _: ANY):
        path = f"{truth.label}/{truth.label}_{number:05d}"
        write_picture(truth, folder / "emotion_dataset" / f"{path}.jpg")
        yield f"fi/{path}", truth


def write_emotionroi(world: World, num_images: int, folder: Path) -> Pictures:
    """Draw an EmotionROI: images/<class>/N.jpg, the same number for each class, and training_testing_split/.

    Yields (image_id, truth) as `write_fi` does.
    """
    num_each = num_images // len(EKMAN)
    lists: dict[str, list[str]] = {"training": [], "testing": []}
    for name, number, truth in classed(world, "emotionroi", dict.fromkeys(EKMAN, num_each), ekman):
        write_picture(truth, folder / "images" / name / f"{number}.jpg")
        lists["training" if number < round(TRAINING_FRAC * num_each) else "testing"].append(f"{name}/{number}.jpg")
        yield f"emotionroi/{name}/{number}", truth
    for split, lines in lists.items():
        path = folder / "training_testing_split" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in sorted(lines)))


def write_twitter(world: World, num_first: int, num_second: int, folder: Path) -> Pictures:
    """Draw Twitter I (Twitter_PCNN/) and Twitter II (twitter_ii/<polarity>/N.jpg).

    Yields (image_id, truth) as `write_fi` does.
    """
    yield from write_twitter_i(world, num_first, folder / "Twitter_PCNN")
    positive = round(POSITIVE_FRAC * num_second)
    numbers: dict[str, int] = dict(zip(POLARITIES, (positive, num_second - positive), strict=True))
    for name, number, truth in classed(world, "twitter_ii", numbers, lambda truth: polarity(str(truth.label))):
        write_picture(truth, folder / "twitter_ii" / name / f"{number:05d}.jpg")
        yield f"twitter_ii/{name}/{number:05d}", truth


def write_twitter_i(world: World, num_images: int, folder: Path) -> Pictures:
    """Draw a Twitter I: Agg_AMT_Candidates/N.jpg and amt_result.csv, which counts five of an image's ten votes.

    Yields (image_id, truth) as `write_fi` does.
    """
    lines = ["file,votes,positive,negative"]
    for _, number, truth in classed(world, "twitter_i", {ANY: num_images}, lambda _: ANY):
        votes = [sum(truth.votes[:4]), sum(truth.votes[4:])]
        generator = numpy_generator(world.seed, "miniature", "twitter_i", "votes", number)
        positive, negative = generator.multivariate_hypergeometric(votes, NUM_VOTES).tolist()
        write_picture(truth, folder / "Agg_AMT_Candidates" / f"{number:05d}.jpg")
        lines.append(f"{number:05d}.jpg,{NUM_VOTES},{positive},{negative}")
        yield f"twitter_i/{number:05d}", truth
    (folder / "amt_result.csv").write_text("\n".join(lines) + "\n")


def classed(
    world: World, name: str, numbers: Mapping[str, int], class_of: Callable[[Truth], str | None]
) -> Iterator[tuple[str, int, Truth]]:
    """Yield (class, index within the class, truth) from the data set's own world until every class is full.

    `numbers` gives the images per class; `class_of` returns None for a truth that belongs to no class.
    """
    own, left = World(seed_of(world.seed, "miniature", name), world.polarity_share), dict(numbers)
    for index in count():
        if not any(left.values()):
            return
        truth = own.truth("emoset", index)
        kind = class_of(truth)
        if kind is not None and left[kind]:
            left[kind] -= 1
            yield kind, numbers[kind] - left[kind] - 1, truth


def ekman(truth: Truth) -> str | None:
    """Return one of Ekman's six emotions, or None where none fits.

    A surprised face is surprise; amusement, contentment and excitement are joy; awe fits none.
    """
    if truth.expression == "surprise":
        return "surprise"
    if truth.label in JOYS:
        return "joy"
    return truth.label if truth.label in EKMAN else None


def write_picture(truth: Truth, path: Path) -> None:
    """Draw one image into a JPEG file and create its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(draw(truth)))
