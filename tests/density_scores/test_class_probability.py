import numpy as np
import pytest
import torch
from helpers.gaussians import CPU, gaussian_scorer

from ebmood.core.errors import InputError
from ebmood.density_scores import ClassProbability
from ebmood.models import DensityScorer, EnergyModel

X = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)


def test_two_classes_have_the_logistic_function_of_the_difference_of_their_logits():
    network = torch.nn.Linear(2, 2)
    score = ClassProbability().fit(DensityScorer(EnergyModel(network), CPU), X)
    w, b = network.weight.detach().double().numpy(), network.bias.detach().double().numpy()
    difference = X @ (w[1] - w[0]) + b[1] - b[0]
    expected = -np.log1p(np.exp(-np.abs(difference)))
    np.testing.assert_allclose(score.score_samples(X), expected, rtol=1e-5)


def test_equal_logits_give_one_over_the_number_of_classes_whatever_the_density():
    class Equal(torch.nn.Module):
        def forward(self, x):
            return x[:, :1].expand(-1, 5)

    score = ClassProbability().fit(DensityScorer(EnergyModel(Equal()), CPU), X)
    np.testing.assert_allclose(score.score_samples(X), np.log(1 / 5))


@pytest.mark.parametrize(
    "scorer", [gaussian_scorer([0, 0]), DensityScorer(EnergyModel(torch.nn.Linear(2, 1)), CPU)]
)
def test_a_model_without_classes_is_refused(scorer):
    with pytest.raises(InputError, match="needs a model of classes"):
        ClassProbability().fit(scorer, X)
