"""Count what a corpus holds, compare it with the published EmoSet-118K, and say in plain words what is wrong.

Records and rejects are read in one pass; only the hash and the id of each image stay in memory. The module repairs and
decides nothing: `problems` says what to do.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pipeline.corpora.emoset import ATTRIBUTES, Vocabulary
from pipeline.corpora.records import SPLITS, Reason, Record, Reject, Split
from pipeline.emotion_set import Emotion
from pipeline.emotions import EMOTIONS

# Counts of EmoSet-118K's val.json and test.json (REFERENCE D). Train is the rest of the published 118,102.
PUBLISHED_TOTAL = 118_102
PUBLISHED_SPLITS: tuple[Split, ...] = ("val", "test")
PUBLISHED: dict[Emotion, dict[Split, int]] = {
    "amusement": {"val": 994, "test": 2770},
    "awe": {"val": 755, "test": 2260},
    "contentment": {"val": 817, "test": 2484},
    "excitement": {"val": 977, "test": 3014},
    "anger": {"val": 518, "test": 1708},
    "disgust": {"val": 538, "test": 1661},
    "fear": {"val": 693, "test": 1974},
    "sadness": {"val": 613, "test": 1845},
}
FULL_SIZE_FRAC = 0.9  # a folder with at least this share of EmoSet-118K's rows is compared with it count by count
NEAR_EMPTY_FRAC = 0.01  # an attribute on a smaller share of the images teaches nothing
RARE_IMAGES = 10  # a name on fewer images is rare
LEVELS = ("brightness", "colorfulness")
MAX_EXAMPLES = 3
REPEATS = {
    "within_split": "have the same bytes as another image of their split, so each epoch uses them twice",
    "across_splits": "have the same bytes as an image of another split, which inflates scores on val and test",
    "across_emotions": "have the same bytes as an image of another emotion, so no model can classify both correctly",
}


def published_total(emotion: Emotion) -> int:
    """Return the number of EmoSet-118K's images of an emotion.

    It is estimated as five times the sum of val and test, which are 5 % and 15 % of all images.
    """
    return 5 * sum(PUBLISHED[emotion].values())


@dataclass
class Report:
    """Counts over one corpus.

    `annotated` counts images per attribute, `names` counts images per attribute and name. `repeats` counts images with
    the same bytes as an earlier image, by the kinds of REPEATS.
    """

    vocabulary: Vocabulary
    images: Counter[tuple[Split, Emotion]] = field(default_factory=Counter)
    annotated: Counter[str] = field(default_factory=Counter)
    names: dict[str, Counter[str]] = field(default_factory=lambda: {attribute: Counter() for attribute in ATTRIBUTES})
    rejects: Counter[Reason] = field(default_factory=Counter)
    reject_examples: dict[Reason, list[Reject]] = field(default_factory=dict)
    repeats: Counter[str] = field(default_factory=Counter)
    repeat_examples: dict[str, str] = field(default_factory=dict)

    @property
    def num_images(self) -> int:
        """Return the number of usable images."""
        return self.images.total()

    @property
    def num_rows(self) -> int:
        """Return the number of usable images and rejects."""
        return self.num_images + self.rejects.total()

    @property
    def is_usable(self) -> bool:
        """Return True if each split has at least one usable image: without one no later stage can run."""
        return all(self.in_split(split) for split in SPLITS)

    def in_split(self, split: Split) -> int:
        """Return the number of usable images of a split."""
        return sum(self.images[split, emotion] for emotion in EMOTIONS)

    def of_emotion(self, emotion: Emotion) -> int:
        """Return the number of usable images of an emotion."""
        return sum(self.images[split, emotion] for split in SPLITS)

    def coverage(self, attribute: str) -> float:
        """Return the share, in [0, 1], of the usable images that have an attribute."""
        return self.annotated[attribute] / self.num_images if self.num_images else 0.0

    def rare(self, attribute: str) -> int:
        """Return the number of names of an attribute that occur on fewer than RARE_IMAGES images."""
        return sum(count < RARE_IMAGES for count in self.names[attribute].values())

    def unlisted(self, attribute: str) -> Counter[str]:
        """Return images per name that info.json does not list; empty if it lists no name of the attribute."""
        listed = self.vocabulary.names.get(attribute)
        counts = self.names[attribute]
        return Counter({name: counts[name] for name in counts if listed is not None and name not in listed})

    def flat(self) -> dict[str, float]:
        """Return every count and share under a flat key, the form of metrics files."""
        numbers: dict[str, float] = {
            "num_rows": self.num_rows,
            "num_images": self.num_images,
            "num_rejects": self.rejects.total(),
        }
        numbers |= {f"images.{split}": self.in_split(split) for split in SPLITS}
        numbers |= {
            f"images.{split}.{emotion}": self.images[split, emotion] for split in SPLITS for emotion in EMOTIONS
        }
        numbers |= {f"coverage.{attribute}": self.coverage(attribute) for attribute in (*LEVELS, *ATTRIBUTES)}
        for attribute in ATTRIBUTES:
            numbers[f"names.{attribute}"] = len(self.names[attribute])
            numbers[f"rare_names.{attribute}"] = self.rare(attribute)
            numbers[f"unlisted_names.{attribute}"] = len(self.unlisted(attribute))
        numbers |= {f"repeats.{kind}": self.repeats[kind] for kind in REPEATS}
        return numbers | {f"rejects.{reason.value}": self.rejects[reason] for reason in Reason}

    @property
    def problems(self) -> list[str]:
        """Return what is wrong and what to do about it, a sentence or two each; empty for a sound corpus."""
        checks = (_empty_parts, _rejected_rows, _equal_content, _attributes, _differences_from_published)
        return [problem for check in checks for problem in check(self)]


def report(stream: Iterable[Record | Reject], vocabulary: Vocabulary | None = None) -> Report:
    """Return the counts over a stream, which is read to its end.

    vocabulary: the names of info.json; without it the report is for a folder that has no info.json.
    """
    counts = Report(vocabulary or Vocabulary())
    places: dict[bytes, list[_Place]] = {}
    for item in stream:
        if isinstance(item, Reject):
            counts.rejects[item.reason] += 1
            examples = counts.reject_examples.setdefault(item.reason, [])
            if len(examples) < MAX_EXAMPLES:
                examples.append(item)
        else:
            counts.images[item.split, item.emotion] += 1
            _count_attributes(counts, item)
            _count_repeats(counts, item, places.setdefault(bytes.fromhex(item.sha256), []))
    return counts


def to_text(counts: Report) -> str:
    """Return the report as text for people, at most 110 columns wide except for examples."""
    sections = (_size_lines, _emotion_lines, _attribute_lines, _repeat_lines, _reject_lines, _problem_lines)
    return "\n\n".join("\n".join(section(counts)) for section in sections)


@dataclass(frozen=True, slots=True)
class _Place:
    image_id: str
    split: Split
    emotion: Emotion


def _count_attributes(counts: Report, record: Record) -> None:
    single = {"scene": record.scene, "facial_expression": record.facial_expression, "human_action": record.human_action}
    names = {"object": record.objects} | {attribute: (name,) if name else () for attribute, name in single.items()}
    for attribute, values in names.items():
        counts.annotated[attribute] += bool(values)
        counts.names[attribute].update(values)
    counts.annotated["brightness"] += record.brightness is not None
    counts.annotated["colorfulness"] += record.colorfulness is not None


def _count_repeats(counts: Report, record: Record, places: list[_Place]) -> None:
    """Compare a record with earlier records of the same bytes, and count its repeats.

    places: the first record of each split and emotion with these bytes.
    """
    kinds = {
        "within_split": next((place for place in places if place.split == record.split), None),
        "across_splits": next((place for place in places if place.split != record.split), None),
        "across_emotions": next((place for place in places if place.emotion != record.emotion), None),
    }
    for kind, place in kinds.items():
        if place:
            counts.repeats[kind] += 1
            counts.repeat_examples.setdefault(
                kind, f"{record.image_id} ({record.split}) = {place.image_id} ({place.split})"
            )
    if all((place.split, place.emotion) != (record.split, record.emotion) for place in places):
        places.append(_Place(record.image_id, record.split, record.emotion))


def _empty_parts(counts: Report) -> Iterator[str]:
    for split in SPLITS:
        absent = [emotion for emotion in EMOTIONS if not counts.images[split, emotion]]
        if len(absent) == len(EMOTIONS):
            yield f"{split} has no usable images, so the pipeline cannot run: check {split}.json and the rejected rows."
        elif absent:
            yield f"{split} has no usable images of {', '.join(absent)}, so its scores are meaningless: add some."


def _rejected_rows(counts: Report) -> Iterator[str]:
    rejected = counts.rejects.total()
    if rejected:
        yield (
            f"{rejected:,} of {counts.num_rows:,} rows ({rejected / counts.num_rows:.2%}) are rejected for the reasons "
            "listed: repair the files (often an incomplete download) or delete the rows."
        )


def _equal_content(counts: Report) -> Iterator[str]:
    for kind, meaning in REPEATS.items():
        if counts.repeats[kind]:
            example = counts.repeat_examples[kind]
            yield f"{counts.repeats[kind]:,} images {meaning}, e.g. {example}: delete one row of each pair."


def _attributes(counts: Report) -> Iterator[str]:
    for attribute in (*LEVELS, *ATTRIBUTES):
        if counts.num_images and counts.coverage(attribute) < NEAR_EMPTY_FRAC:
            yield (
                f"only {counts.coverage(attribute):.2%} of the images have {attribute}, too few to train on: check "
                f'that the annotation files use the key "{attribute}", or do not use this attribute.'
            )
    if counts.vocabulary.missing:
        yield (
            f"info.json is missing or has no list of {', '.join(counts.vocabulary.missing)}; the names are taken from "
            "the annotations. Copy info.json from EmoSet's repository if their number or order matters."
        )
    for attribute in ATTRIBUTES:
        unlisted = counts.unlisted(attribute)
        if unlisted:
            most = ", ".join(name for name, _ in unlisted.most_common(MAX_EXAMPLES))
            yield (
                f"{len(unlisted)} names of {attribute} on {unlisted.total():,} images are not in info.json ({most}): "
                "they are kept. Correct their spelling or add them to info.json."
            )


def _differences_from_published(counts: Report) -> Iterator[str]:
    """Yield the differences from EmoSet-118K's counts, only for a folder of its size.

    A part of EmoSet-118K, or the miniature, need not have its counts.
    """
    if counts.num_rows < FULL_SIZE_FRAC * PUBLISHED_TOTAL:
        return
    for emotion, published in PUBLISHED.items():
        for split, number in published.items():
            count = counts.images[split, emotion]
            if count != number:
                yield (
                    f"{split} has {count:,} usable images of {emotion}, but EmoSet-118K has {number:,}: its scores are "
                    "not comparable with published ones. Compare the folder with the official download."
                )


def _size_lines(counts: Report) -> Iterator[str]:
    yield f"{counts.num_images:,} usable images in {counts.num_rows:,} rows"


def _emotion_lines(counts: Report) -> Iterator[str]:
    head = f"{'':12}{'train':>9}{'val':>8}{'test':>8}{'all':>9}{'share':>8}"
    yield f"{head}   EmoSet-118K:{'val':>6}{'test':>8}{'all, est.':>11}{'share':>8}"
    estimate = sum(published_total(emotion) for emotion in EMOTIONS)
    for emotion in EMOTIONS:
        total, published = counts.of_emotion(emotion), PUBLISHED[emotion]
        splits = [counts.images[split, emotion] for split in SPLITS]
        share, published_share = total / max(counts.num_images, 1), published_total(emotion) / estimate
        yield (
            f"{emotion:12}{splits[0]:9,}{splits[1]:8,}{splits[2]:8,}{total:9,}{share:8.1%}   "
            f"{published['val']:18,}{published['test']:8,}{published_total(emotion):11,}{published_share:8.1%}"
        )
    splits = [counts.in_split(split) for split in SPLITS]
    val, test = (sum(published[split] for published in PUBLISHED.values()) for split in PUBLISHED_SPLITS)
    yield (
        f"{'all':12}{splits[0]:9,}{splits[1]:8,}{splits[2]:8,}{counts.num_images:9,}{'':11}"
        f"{val:18,}{test:8,}{PUBLISHED_TOTAL:11,}"
    )


def _attribute_lines(counts: Report) -> Iterator[str]:
    yield f"{'':19}{'on images':>9}{'names':>8}{f'under {RARE_IMAGES} images':>17}{'not in info.json':>18}"
    for attribute in LEVELS:
        yield f"{attribute:19}{counts.coverage(attribute):9.1%}"
    for attribute in ATTRIBUTES:
        unlisted = "no list" if attribute in counts.vocabulary.missing else len(counts.unlisted(attribute))
        names = f"{len(counts.names[attribute]):8}{counts.rare(attribute):17}{unlisted:>18}"
        yield f"{attribute:19}{counts.coverage(attribute):9.1%}{names}"


def _repeat_lines(counts: Report) -> Iterator[str]:
    repeats = ", ".join(f"{counts.repeats[kind]:,} {kind.replace('_', ' ')}" for kind in REPEATS)
    yield f"equal content: {repeats}"


def _reject_lines(counts: Report) -> Iterator[str]:
    yield f"rejected: {counts.rejects.total():,}"
    for reason, number in counts.rejects.most_common():
        yield f"  {number:,} {reason.value}: {reason.doc}"
        for example in counts.reject_examples[reason]:
            yield f"      {example.image_id_or_path}: {example.detail}"


def _problem_lines(counts: Report) -> Iterator[str]:
    problems = counts.problems
    yield f"{len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'}"
    yield from (f"  - {problem}" for problem in problems)
