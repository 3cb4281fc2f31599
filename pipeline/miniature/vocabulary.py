"""List the scenes, objects, expressions, actions and styles of the drawn world.

Keys are EmoSet's names in snake_case, and values the words that captions use. Styles are named as in WikiArt.
"""

SCENES: dict[str, str] = {
    "amusement_park": "amusement park",
    "beach": "beach",
    "bedroom": "bedroom",
    "boxing_ring": "boxing ring",
    "cemetery": "cemetery",
    "corridor": "corridor",
    "forest_path": "forest",
    "lake": "lake",
    "landfill": "landfill",
    "mountain": "mountain",
    "park": "park",
    "playground": "playground",
    "room": "room",
    "stage": "stage",
    "street": "street",
}
OBJECTS: dict[str, str] = {
    "skull": "skull",
    "lion": "lion",
    "spider": "spider",
    "snake": "snake",
    "waste_container": "trash can",
    "musical_instrument": "guitar",
    "cake": "cake",
    "balloon": "balloon",
    "toy": "teddy bear",
    "coffee_cup": "cup",
    "boat": "boat",
    "sculpture": "statue",
    "tree": "tree",
    "flower": "flower",
    "house": "house",
    "car": "car",
    "dog": "dog",
    "bird": "bird",
    "candle": "candle",
    "lamp": "lamp",
    "bench": "bench",
    "book": "book",
    "sofa": "sofa",
    "bag": "bag",
}
EXPRESSIONS: dict[str, str] = {
    "angry": "angry",
    "disgust": "disgusted",
    "fear": "scared",
    "happy": "happy",
    "sad": "sad",
    "surprise": "surprised",
}
ACTIONS: dict[str, str] = {
    "celebrating": "celebrating",
    "waving": "waving",
    "praying": "praying",
    "pointing": "pointing",
    "shrugging": "shrugging",
    "punching": "punching",
    "clutching_head": "clutching the head",
    "crossing_arms": "crossing arms",
}
STYLES: tuple[str, ...] = ("Impressionism", "Pointillism", "Cubism", "Expressionism", "Minimalism", "Ukiyo_e")
