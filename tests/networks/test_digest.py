"""The digest of weights."""

import torch
from torch import nn

from ebmood.networks import module_sha256


def test_the_digest_depends_on_every_weight_and_name():
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    digest = module_sha256(network)
    assert digest == module_sha256(network)
    with torch.no_grad():
        network[0].bias[1].nextafter_(torch.tensor(9.0))
    assert module_sha256(network) != digest
    assert module_sha256(nn.Sequential(network)) != module_sha256(network)


def test_the_digest_depends_on_weights_names_and_shapes():
    torch.manual_seed(0)
    layers = [nn.Linear(2, 3), nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 3))]
    layers[2][0].load_state_dict(layers[0].state_dict())
    digests = {module_sha256(layer) for layer in layers}
    assert len(digests) == 3
    with torch.no_grad():
        layers[0].weight[0, 0] += 1e-6
    assert module_sha256(layers[0]) not in digests
