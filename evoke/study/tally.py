"""Tally the answers of a user study: whom to leave out, preference, agreement, and how many people are needed.

A preference is the mean over participants of the share of answers for the first method. Answers of one person resemble
each other, so that Wilson's interval, which takes them as independent, is too narrow where people differ, and the
bootstrap over participants is too narrow where all agree: `low` and `high` are the hull of the two.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, ValidationError

from evoke.study.design import OTHER, Key, Name, Record, Side, first_problem
from pipeline.figure import DROPPED_COLOR, drawn
from pipeline.judges.calibration import wilson_interval
from pipeline.metrics.means import resampled_means
from pipeline.runtime import numpy_generator

CHANCE = 0.05  # a random clicker passes the checks less often than this
SIDE_CHANCE = 0.001  # someone who sees both sides is taken for one-sided less often than this
MIN_PEOPLE = 5  # fewer say nothing about people
ALL = "all"
PAPER = {(ALL, "coherence"): 0.8842, ("emogen", ALL): 0.7867}  # CoEmoGen, Fig. 6: the means that its text states
CORRELATION = 0.1  # of two answers of one person, assumed before there are answers


class Answer(Record):
    """The side chosen at a step of the form."""

    step: Annotated[int, Field(ge=0)]
    question: Name
    side: Side


class Answers(Record):
    """The file that a participant sends."""

    study: str
    participant: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    form: Annotated[int, Field(ge=0)]
    about: dict[str, str]
    answers: list[Answer]


@dataclass(frozen=True)
class Participant:
    """A file of answers and, if it is left out, why."""

    file: str
    participant: str
    reason: str
    checks: str = ""
    left: float = math.nan
    about: str = ""


def judge(key: Key, files: Mapping[str, object]) -> tuple[list[Participant], pd.DataFrame]:
    """Return every participant, and the answers of those who are not left out, one per row.

    files: the value of each file of answers by its name, or a line that says why it has none. Left out are files that
    are not whole answers to this study, second files of one participant, and people who fail the checks or choose one
    side whatever it shows.
    """
    people: list[Participant] = []
    rows: list[dict[str, object]] = []
    for file, value in files.items():
        try:
            answers = _checked(key, value)
        except ValueError as error:
            people.append(Participant(file, "", f"not used: {error}"))
            continue
        earlier = next((person.file for person in people if person.participant == answers.participant), None)
        person, chosen = _judged(key, file, answers, f"the same participant as {earlier}" if earlier else "")
        people.append(person)
        rows += [] if person.reason else chosen
    return people, pd.DataFrame(rows)


def _checked(key: Key, value: object) -> Answers:
    """Return whole answers. Raises ValueError if they are of another study, or not what the form asks."""
    if isinstance(value, str):
        raise ValueError(value)
    try:
        answers = Answers.model_validate(value)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None
    if answers.study != key.study:
        raise ValueError("it answers another study")
    if answers.form >= len(key.forms):
        raise ValueError(f"form {answers.form} does not exist, there are {len(key.forms)}")
    options = {item.name: item.options for item in key.questionnaire.about}
    if strange := [name for name, text in answers.about.items() if text not in options.get(name, ())]:
        raise ValueError(f"about: {strange[0][:40]!r} has an answer that was not offered")
    names = [question.name for question in key.questionnaire.questions]
    expected = [
        (index, name)
        for index, step in enumerate(key.forms[answers.form])
        for name in (["check"] if step.check else names)
    ]
    if [(answer.step, answer.question) for answer in answers.answers] != expected:
        raise ValueError(f"it has {len(answers.answers)} answers, not the {len(expected)} of its form in their order")
    return answers


def _judged(key: Key, file: str, answers: Answers, reason: str) -> tuple[Participant, list[dict[str, object]]]:
    """Return a participant with the reason to leave them out, and their answers to the questions."""
    from scipy.stats import binomtest

    form, rows, right = key.forms[answers.form], [], []
    for answer in answers.answers:
        step = form[answer.step]
        if step.check:
            right.append(answer.side == step.check)
            continue
        pair = key.pairs[step.pair]
        group = step.left if answer.side == "left" else OTHER[step.left]
        rows.append({"participant": answers.participant, "pair": step.pair, "against": pair.against,
                     "emotion": pair.emotion, "question": answer.question, "side": answer.side, "group": group,
                     "first": int(group == pair.first)})  # fmt: skip
    left, num_pairs = float(np.mean([row["side"] == "left" for row in rows])), sum(not step.check for step in form)
    if not reason and binomtest(sum(right), len(right), alternative="greater").pvalue >= CHANCE:
        reason = f"{sum(right)} of {len(right)} attention checks right"
    if not reason and binomtest(round(left * num_pairs), num_pairs).pvalue < SIDE_CHANCE:
        reason = f"left in {left:.0%} of the answers, where either side is right equally often"
    checks = f"{sum(right)}/{len(right)}"
    about = "; ".join(f"{name}: {text}" for name, text in answers.about.items())
    return Participant(file, answers.participant, reason, checks, left, about), rows


def preferences(key: Key, answers: pd.DataFrame) -> pd.DataFrame:
    """Return the preference for the first method against each other one by question, and over all of either.

    `deviation` is the standard deviation over participants.
    """
    rows = []
    for against in (*key.methods[1:], ALL):
        for question in (*(question.name for question in key.questionnaire.questions), ALL):
            is_in = answers["against"].isin([against] if against != ALL else key.methods)
            own = answers[is_in & answers["question"].isin([question] if question != ALL else answers["question"])]
            shares = own.groupby("participant")["first"].mean().to_numpy()
            generator = numpy_generator(key.seed, "study", "tally", against, question)
            ends = np.quantile(resampled_means(shares, generator), [0.025, 0.975])
            wilson = wilson_interval(int(own["first"].sum()), len(own))
            low, high = float(min(wilson[0], ends[0])), float(max(wilson[1], ends[1]))
            rows.append({
                "against": against, "question": question, "preference": shares.mean(), "low": low, "high": high,
                "wilson_low": wilson[0], "wilson_high": wilson[1], "people_low": ends[0], "people_high": ends[1],
                "deviation": shares.std(ddof=1) if len(shares) > 1 else math.nan, "people": len(shares),
                "answers": len(own), "verdict": _verdict(low, high, len(shares)),
            })  # fmt: skip
    return pd.DataFrame(rows)


def _verdict(low: float, high: float, people: int) -> str:
    if people < MIN_PEOPLE:
        return f"none: {people} of {MIN_PEOPLE} people"
    return "preferred" if low > 0.5 else "not preferred" if high < 0.5 else "unresolved"


def agreement(answers: pd.DataFrame) -> dict[str, float]:
    """Return Krippendorff's alpha by question and over all: whether people choose the same group of a pair.

    The groups are a and b at random. If they were named by their methods, people who all prefer one method would count
    as agreeing by chance.
    """
    parts = {ALL: answers, **dict(list(answers.groupby("question", sort=False)))}
    return {
        str(name): krippendorff_alpha([own["group"].tolist() for _, own in part.groupby(["pair", "question"])])
        for name, part in parts.items()
    }


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float:
    """Return the nominal alpha of Krippendorff (2011): 1 for full agreement, 0 for agreement by chance.

    units: the values that each unit was given, by any number of people; units with fewer than two do not count. NaN if
    all values are equal, as then there is nothing to agree on.
    """
    counts = [Counter(unit) for unit in units if len(unit) > 1]
    total = sum(counts, Counter[Hashable]())
    num = total.total()
    observed = sum(_differing(count) / (count.total() - 1) for count in counts)
    expected = _differing(total) / (num - 1) if num else 0.0
    return 1 - observed / expected if expected else math.nan


def _differing(count: Counter[Hashable]) -> int:
    """Return the number of ordered pairs of different values."""
    return count.total() ** 2 - sum(number**2 for number in count.values())


def people_needed(share: float, num_answers: int, deviation: float | None = None) -> int:
    """Return how many people resolve a preference of `share` from one half in four of five studies.

    num_answers: of each person. deviation: the standard deviation over people; without it, CORRELATION between the
    answers of one person is assumed. Raises ValueError unless the share is in (.5, 1).
    """
    if not 0.5 < share < 1:
        raise ValueError(f"{share:g} cannot be resolved from one half: allowed is a share between .5 and 1")
    independent = share * (1 - share) / num_answers
    variance = independent * (1 + (num_answers - 1) * CORRELATION) if deviation is None else max(
        deviation**2, independent)  # fmt: skip
    return max(MIN_PEOPLE, math.ceil(2.8**2 * variance / (share - 0.5) ** 2))  # 2.8 = 1.96 + .84


def plot(key: Key, table: pd.DataFrame, path: Path) -> None:
    """Draw the preferences as CoEmoGen's Fig. 6, with the paper's means beside if CoEmoGen is the first method."""
    names = [*(question.name for question in key.questionnaire.questions), ALL]
    methods = list(dict.fromkeys(table["against"]))
    height = 1.2 + 0.22 * len(names) * len(methods)
    with drawn(path, 1, 1, figsize=(7, height), layout="constrained") as (_, axis):
        for index, name in enumerate(names):
            part = table[table["question"] == name].set_index("against").loc[methods]
            places = np.arange(len(methods)) + 0.8 * index / len(names)
            errors = np.abs(part[["low", "high"]].to_numpy().T - part["preference"].to_numpy())
            color = "0.7" if name == ALL else f"C{index}"
            axis.barh(places, part["preference"], 0.75 / len(names), xerr=errors, label=name, color=color)
        marks = [
            (number, methods.index(against) + 0.8 * names.index(question) / len(names))
            for (against, question), number in PAPER.items()
            if against in methods and question in names
        ]
        if marks and key.methods[0].startswith("coemogen"):
            axis.plot(*zip(*marks, strict=True), "D", color="black", mfc="white", label="CoEmoGen's paper, 17 people")
        axis.axvline(0.5, color=DROPPED_COLOR, linewidth=1)
        axis.set(yticks=np.arange(len(methods)) + 0.4, yticklabels=[f"against {name}" for name in methods], xlim=(0, 1))
        axis.invert_yaxis()
        axis.set_title(f"preference for {key.methods[0]}, {table['people'].max()} people, 95 % intervals", fontsize=9)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.05), ncols=3, fontsize=8, frameon=False)
