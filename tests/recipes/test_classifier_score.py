import numpy as np
from helpers.small_recipes import SIZE, image_split, small_classifier

from ebmood.recipes import recipe_for


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
