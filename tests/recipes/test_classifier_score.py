import numpy as np
import torch
from helpers.small_recipes import SIZE, image_split, small_classifier
from torch import nn

from ebmood.models import EnergyModel
from ebmood.recipes import recipe_for
from ebmood.recipes.classifier_score import ClassifierScorer
from ebmood.scores.max_softmax import max_log_softmax


def test_scores_are_functions_of_the_logits(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    split = image_split()
    scores = {}
    for method in ("max-softmax", "logsumexp"):
        recipe = recipe_for(method, "corrected", None, (1, SIZE, SIZE), classifier=small_classifier())
        scorer = recipe.fit(split, seed=0).scorer
        scores[method] = scorer.score_samples(split.train_x)
    assert (scores["max-softmax"] <= 0).all()
    # log max_y p(y|x) = max_y f(x)[y] - logsumexp f(x): it lies between the logarithm of 1 / 10 and 0.
    assert (scores["max-softmax"] >= -np.log(10) - 1e-6).all()
    assert np.isfinite(scores["logsumexp"]).all()


def test_rows_whose_probability_rounds_to_one_still_have_an_order():
    class Logits(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[50.0, 0.0], [60.0, 0.0], [70.0, 0.0]])

    scorer = ClassifierScorer(EnergyModel(Logits()), max_log_softmax, "cpu")
    scores = scorer.score_samples(np.zeros((3, 1, 2, 2), np.uint8))
    np.testing.assert_allclose(scores, -np.exp([-50.0, -60.0, -70.0]))
