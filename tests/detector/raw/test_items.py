from ebmood.detector.raw.items import IMAGES, ROWS, TEXTS, items_in
from ebmood.embedders import EmbedderIdentity


def test_words_follow_from_the_notes_and_the_embedder():
    assert items_in({}, None) == ROWS
    assert items_in({"images": {}}, None) == IMAGES
    assert items_in({"image": None}, None) == ROWS  # a detector of a classifier of rows
    assert items_in({"image": {}}, None) == IMAGES
    for kind, words in (("images", IMAGES), ("texts", TEXTS)):
        identity = EmbedderIdentity(name="a", items=kind, dimension=2, sha256="0" * 64)
        assert items_in({}, identity) == words
