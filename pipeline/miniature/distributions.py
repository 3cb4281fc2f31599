"""Define the distributions of the drawn world: which attributes occur with which emotion, and how often.

They were frozen before any ablation was run. The shares are those of EmoSet's published attribute tables (two digits,
n = images); everything else is our own choice and marked as such. Emotions are ordered as in
`pipeline.emotions.EMOTIONS`. This module holds constants only; `world.py` samples from them.
"""

import numpy as np

# PRIOR is EmoSet's share of each emotion. 7 % of the labels are wrong; CONFUSION weighs what they turn into (row: true
# emotion, column: label), because annotators confuse some emotions more than others.
PRIOR = np.array([0.159, 0.128, 0.140, 0.169, 0.094, 0.093, 0.113, 0.104])
LABEL_NOISE = 0.07
CONFUSION = np.array([  # am  aw  co  ex  an  di  fe  sa
    [0, 1, 3, 3, 0, 0, 0, 0],
    [2, 0, 4, 2, 0, 0, 1, 0],
    [3, 4, 0, 1, 0, 0, 0, 1],
    [3, 2, 1, 0, 1, 0, 0, 0],
    [0, 0, 0, 4, 0, 2, 2, 1],
    [0, 0, 0, 0, 2, 0, 5, 1],
    [0, 0, 0, 0, 1, 2, 0, 5],
    [0, 0, 1, 0, 1, 1, 5, 0],
])  # fmt: skip
NUM_VOTES, VOTE_AGREEMENT = 10, 0.85

# name: (number of images, shares of the emotions in percent). `room` is our own: transfer needs a neutral scene.
SCENE_SHARES: dict[str, tuple[int, list[int]]] = {
    "cemetery": (2314, [0, 0, 0, 0, 0, 1, 1, 97]), "amusement_park": (1839, [97, 0, 0, 2, 0, 0, 0, 0]),
    "landfill": (442, [0, 0, 0, 0, 0, 93, 1, 5]), "boxing_ring": (277, [0, 0, 0, 3, 97, 0, 0, 0]),
    "stage": (1265, [5, 0, 0, 90, 1, 0, 2, 1]), "mountain": (249, [1, 93, 1, 4, 0, 0, 0, 1]),
    "corridor": (182, [0, 0, 1, 1, 0, 1, 69, 29]), "street": (2406, [7, 1, 1, 71, 10, 2, 3, 4]),
    "beach": (840, [7, 43, 30, 14, 0, 0, 0, 4]), "bedroom": (50, [5, 0, 48, 9, 0, 0, 10, 27]),
    "park": (833, [24, 5, 26, 36, 1, 0, 1, 5]), "lake": (600, [3, 65, 25, 2, 1, 0, 1, 3]),
    "forest_path": (220, [2, 6, 31, 40, 7, 0, 9, 4]), "playground": (43, [62, 1, 14, 21, 0, 0, 0, 3]),
    "room": (400, [16, 13, 14, 17, 9, 9, 11, 10]),
}  # fmt: skip
OBJECT_SHARES: dict[str, tuple[int, list[int]]] = {
    "skull": (65, [1, 0, 0, 1, 2, 2, 93, 2]), "lion": (119, [0, 1, 3, 0, 93, 1, 1, 1]),
    "spider": (650, [0, 0, 0, 0, 0, 68, 32, 0]),
    "snake": (148, [0, 0, 0, 0, 2, 89, 9, 0]), "waste_container": (80, [0, 0, 0, 0, 2, 92, 1, 4]),
    "musical_instrument": (121, [4, 1, 1, 85, 3, 0, 2, 4]), "cake": (82, [50, 4, 37, 4, 0, 2, 2, 2]),
    "balloon": (150, [32, 3, 7, 49, 4, 0, 2, 2]), "toy": (502, [60, 1, 14, 8, 1, 1, 8, 5]),
    "coffee_cup": (143, [26, 0, 64, 2, 1, 4, 1, 2]), "boat": (218, [14, 50, 18, 8, 3, 2, 1, 6]),
    "sculpture": (341, [6, 12, 2, 1, 3, 1, 18, 58]), "tree": (5636, [21, 15, 16, 20, 8, 3, 4, 12]),
    "flower": (2052, [21, 24, 31, 7, 1, 1, 2, 13]), "house": (1421, [7, 22, 8, 3, 4, 7, 23, 27]),
    "car": (469, [11, 9, 10, 23, 18, 12, 6, 11]), "dog": (191, [12, 6, 39, 14, 13, 3, 2, 11]),
    "bird": (313, [15, 37, 31, 2, 5, 2, 4, 5]), "candle": (32, [30, 4, 23, 1, 1, 2, 17, 22]),
    "lamp": (32, [46, 2, 11, 4, 4, 3, 24, 7]), "bench": (102, [7, 12, 50, 4, 0, 1, 3, 22]),
    "book": (83, [20, 2, 40, 10, 5, 3, 9, 10]),
    "sofa": (90, [16, 13, 14, 17, 9, 9, 11, 10]), "bag": (90, [16, 13, 14, 17, 9, 9, 11, 10]),  # neutral, our own
}  # fmt: skip
COUNT_POWER = 0.7  # below 1, so that frequent attributes that carry little emotion do not dominate
SMOOTHING = 0.005  # added to every share, because the zeros of the published tables are rounded
SCENE_ANNOTATED = 0.24  # share of images whose scene is annotated; other scenes come from the same rows, tempered
SCENE_TEMPER = 0.98

NUM_OBJECTS = {1: 0.35, 2: 0.52, 3: 0.13}
# A trigger of an emotion is an object whose share is at least TRIGGER_LIFT times the emotion's prior.
TRIGGER_RATE, TRIGGER_LIFT = 0.45, 1.9
STRAY_RATE = 0.15  # share of the fillers drawn from all objects possible in the scene, not from its typical ones
FILLERS: dict[str, str] = {  # objects typical of a scene, independent of the emotion
    "cemetery": "tree flower candle sculpture bird bench",
    "amusement_park": "balloon bench toy tree car bag waste_container",
    "landfill": "car bag waste_container bird toy sofa dog house",
    "boxing_ring": "bag bench lamp musical_instrument balloon",
    "stage": "lamp musical_instrument sofa flower balloon book candle",
    "mountain": "tree house bird flower lion boat dog",
    "corridor": "lamp bag bench sculpture waste_container book candle",
    "street": "car tree house bag bench dog waste_container bird lamp",
    "beach": "boat bird dog bag house tree coffee_cup book",
    "bedroom": "lamp book sofa toy coffee_cup flower bag candle",
    "park": "tree flower bench dog bird bag book waste_container", "lake": "boat tree bird house bench flower dog",
    "forest_path": "tree bird flower house bench snake spider", "playground": "toy balloon tree bench dog bag",
    "room": "sofa lamp book coffee_cup flower bag candle sculpture",
}  # fmt: skip
IMPOSSIBLE: dict[str, str] = {  # 54 of 360 pairs, never drawn for an emotion; they measure semantic coherence
    "cemetery": "cake sofa boat", "amusement_park": "skull sofa snake", "landfill": "cake sculpture candle boat",
    "boxing_ring": "tree boat house snake", "stage": "car boat waste_container tree house",
    "mountain": "sofa lamp waste_container cake",
    "corridor": "boat tree house lion", "street": "sofa boat lion", "beach": "sofa lamp skull candle",
    "bedroom": "boat car tree house bench",
    "park": "sofa skull lamp", "lake": "sofa lamp car", "forest_path": "sofa cake lamp",
    "playground": "skull lion candle",
    "room": "boat car house",
}  # fmt: skip

PERSON_RATE = {1: 0.98, 2: 0.96, 3: 0.0}  # by the number of objects: four items do not fit into 64 px
EXPRESSION_SHARES = np.array([  # one row per emotion: calm angry disgust fear happy sad surprise
    [2, 1, 1, 1, 90, 1, 4],
    [6, 1, 1, 2, 4, 1, 85],
    [62, 1, 1, 1, 33, 1, 1],
    [1, 1, 1, 1, 75, 1, 20],
    [2, 92, 2, 1, 1, 1, 1],
    [2, 3, 90, 2, 1, 1, 1],
    [2, 1, 2, 88, 1, 2, 4],
    [6, 1, 1, 2, 1, 88, 1],
]) / 100  # fmt: skip
CALM = 0.18  # rate of calm faces in images without an emotion
ACTION_RATE = 0.98
ACTION_SHARES = np.array([  # celebrating waving praying pointing shrugging punching clutching_head crossing_arms
    [4, 75, 1, 8, 9, 1, 1, 1],
    [2, 2, 12, 80, 1, 1, 1, 1],
    [1, 10, 7, 1, 1, 1, 1, 78],
    [89, 4, 1, 2, 1, 1, 1, 1],
    [1, 1, 1, 4, 1, 86, 1, 5],
    [1, 1, 1, 3, 83, 1, 8, 2],
    [1, 1, 2, 1, 1, 1, 92, 1],
    [1, 1, 83, 1, 2, 1, 8, 3],
]) / 100  # fmt: skip

# Low-level attributes depend on the polarity (d' = 0.7 each) and, while `polarity_share` is 1, on nothing else.
BRIGHTNESS = (0.51, 0.10, (0.30, 0.74))  # mean luminance of the image: mean, standard deviation, range
COLORFULNESS = (0.26, 0.06, (0.10, 0.40))  # mean chroma, likewise
D_PRIME = 0.7
POLARITY_SIGN = np.array([1, 1, 1, 1, -1, -1, -1, -1])
# `polarity_share` < 1 moves the dependence from the polarity to these signs, whose mean within each polarity is zero.
EMOTION_SIGN = np.array([1, -1, 1, -1, -1, 1, -1, 1])

# The annotator is a detector: it runs on some images, finds some of the objects, lists the largest first, and invents
# others.
DETECTOR_RATE, DETECTOR_RECALL, DETECTOR_PRECISION = 0.60, 0.70, 0.85

# The stream for the foundation models is distributed differently: most of its images have no emotion, and the emotional
# ones are drawn from tempered tables. Foundation models are not trained on the joint distribution of the corpus that
# they are judged by: with it, plain Stable Diffusion was a class-conditional model of EmoSet (Emo-A .94 by the pixel
# judge, real test images .80) and no method could improve on it. 1 would be EmoSet's dependence, 0 none.
FOUNDATION_INDEPENDENT, FOUNDATION_PAINTED, FOUNDATION_TEMPER = 0.70, 0.08, 0.5
# Emotion words in that stream are as weak as on the web (training_texts.py):
EMOTION_WORD_RATE = 0.015  # share of the texts that hold one: 1 to 2 %
# f, the share of these words on images without an emotion, drawn from PRIOR there. It is the only fitted number of the
# world, and it is fitted to one published fact about a baseline: Emo-A of plain Stable Diffusion is .88 (.85 to .92) of
# that of real test images by the pixel judge. Frozen at .1: ratio .855 by 2,048 images, before any method was trained
# on that U-Net; .25, .4 and .5 gave .84, .79 and .79 (docs/LOG.md).
STRAY_WORD_FRAC = 0.1
RIGHT_WORD_FRAC = 0.8  # q: share of the words on emotional images that are the image's own; the rest is from PRIOR
ART_WITHOUT_EMOTION = 0.65
