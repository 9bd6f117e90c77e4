"""Modules by import path."""

import sys

import numpy as np
import pytest
import torch

from ebmood.core.errors import EbmoodError
from ebmood.embedders import EmbedderOptions, open_embedder

SOURCE = """
import torch
from torch import nn

torch.manual_seed({seed})
net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

def build():
    return net

def wrong():
    return nn.Linear(7, 3)

number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "my_networks.py").write_text(SOURCE.format(seed=0))
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_networks"
    sys.modules.pop("my_networks", None)


IMAGES = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)
OPTIONS = EmbedderOptions(image_size=8, pixels="unit")


def test_output_and_input_of_a_layer(module):
    embedder = open_embedder(f"{module}:net", OPTIONS)
    network = sys.modules[module].net
    x = torch.from_numpy(IMAGES).float() / 255
    np.testing.assert_allclose(embedder.embed(IMAGES), network(x).detach(), atol=1e-5)
    layer = open_embedder(f"{module}:build#4", OPTIONS)
    np.testing.assert_allclose(layer.embed(IMAGES), network[:4](x).detach(), atol=1e-5)
    assert layer.dimension == 4
    assert layer.identity.output == "4"


def test_what_cannot_be_used_is_refused(module):
    with pytest.raises(EbmoodError, match="has no layer 'pool'; its layers are: 0, 1, 2, 3, 4"):
        open_embedder(f"{module}:net#pool", OPTIONS)
    with pytest.raises(EbmoodError, match=r"does not accept images of shape \(16, 3, 8, 8\)"):
        open_embedder(f"{module}:wrong", OPTIONS)
    with pytest.raises(EbmoodError, match=r"is a int; name an nn.Module"):
        open_embedder(f"{module}:number", OPTIONS)
    with pytest.raises(EbmoodError, match="cannot be imported"):
        open_embedder("no_such_package:net", OPTIONS)
