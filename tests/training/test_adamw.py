"""AdamW without its questions is torch's, to the bit."""

import copy

import torch

from ebmood.networks import MLP
from ebmood.training.adamw import FusedAdamW

SETTINGS = {"lr": 1e-2, "betas": (0.3, 0.9), "weight_decay": 0.1, "fused": True}


def test_it_is_torchs_to_the_bit():
    torch.manual_seed(0)
    ours = MLP(3, (8, 8), 2)
    theirs = copy.deepcopy(ours)
    optimisers = {
        ours: FusedAdamW(ours.parameters(), **SETTINGS),
        theirs: torch.optim.AdamW(theirs.parameters(), **SETTINGS),
    }
    for step in range(6):
        gradients = [torch.randn_like(parameter) for parameter in ours.parameters()]
        if step in (0, 3):
            gradients[1] = None  # one that a loss did not reach, even before it has a state
        for network, optimiser in optimisers.items():
            optimiser.zero_grad()
            for group in optimiser.param_groups:
                group["lr"] = 1e-2 / (step + 1)
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter.grad = None if gradient is None else gradient.clone()
            optimiser.step()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(a, b)
    found, expected = (optimiser.state_dict()["state"] for optimiser in optimisers.values())
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_gradients_are_forgotten():
    network = MLP(3, (8,), 1)
    network(torch.ones(2, 3)).sum().backward()
    FusedAdamW(network.parameters(), fused=True).zero_grad()
    assert all(parameter.grad is None for parameter in network.parameters())
