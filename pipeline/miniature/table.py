"""The truth of many pictures as a table: what judges' reports and metrics read, and no training stage declares."""

from collections.abc import Iterable

import pyarrow as pa

from pipeline.miniature.truth import Truth

OBJECT = pa.struct([("name", pa.string()), ("box", pa.list_(pa.float32(), 4))])


def truth_table(rows: Iterable[tuple[str, Truth]]) -> pa.Table:
    """(image_id, truth) in any order -> a row a picture, sorted by image_id; see TRUTH_SCHEMA for the columns."""
    pairs = sorted(rows, key=lambda row: row[0])
    truths = [truth for _, truth in pairs]
    return pa.table({
        "image_id": pa.array([image_id for image_id, _ in pairs], pa.string()),
        "emotion": pa.array([truth.emotion for truth in truths], pa.string()),
        "label": pa.array([truth.label for truth in truths], pa.string()),
        "votes": pa.array([list(truth.votes) for truth in truths], pa.list_(pa.int8())),
        "scene": pa.array([truth.scene for truth in truths], pa.string()),
        "objects": pa.array(
            [[{"name": o.name, "box": o.box} for o in truth.objects] for truth in truths], pa.list_(OBJECT)
        ),
        "trigger": pa.array([truth.trigger for truth in truths], pa.string()),
        "person_box": pa.array([truth.person and truth.person.box for truth in truths], pa.list_(pa.float32(), 4)),
        "expression": pa.array([truth.expression for truth in truths], pa.string()),
        "action": pa.array([truth.action for truth in truths], pa.string()),
        "brightness": pa.array([truth.brightness for truth in truths], pa.float32()),
        "colorfulness": pa.array([truth.colorfulness for truth in truths], pa.float32()),
        "style": pa.array([truth.style for truth in truths], pa.string()),
    })  # fmt: skip
