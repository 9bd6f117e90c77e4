import pytest
import torch

from ebmood.networks import MLP
from ebmood.networks.together import mean_logits


@pytest.mark.parametrize("hidden", [(), (8,), (8, 8), (8, 5, 8)])
def test_one_pass_says_what_each_network_says(hidden):
    torch.manual_seed(0)
    groups = [
        [MLP(4, hidden, outputs, "silu") for _ in range(members)] for outputs, members in ((3, 2), (1, 3))
    ]
    x = torch.randn(7, 4)
    apart = [torch.stack([network.layers(x) for network in group]).mean(0) for group in groups]
    with torch.inference_mode():
        together = mean_logits(groups, x)
    for mine, theirs in zip(together, apart, strict=True):
        torch.testing.assert_close(mine, theirs.detach(), rtol=1e-5, atol=1e-6)


def test_no_networks_have_nothing_to_say():
    assert mean_logits([], torch.zeros(2, 3)) == []
