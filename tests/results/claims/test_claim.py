from helpers.records import seeds

from ebmood.results import poster
from ebmood.results.arms import gather
from ebmood.results.claims.claim import claim_on_several, rises, verdict_on_difference
from ebmood.results.effects import contrast


def test_a_claim_on_several_effects_has_their_marks():
    base, unstable = (
        gather(seeds(5, "cd")),
        gather(seeds(5, "ssm", [0.9, 0.2, 0.9, 0.9, 0.9], shortened=True)),
    )
    effects = [contrast(unstable, base, "natural", "not run"), contrast([], [], "natural", "not run")]
    claim = claim_on_several("text", "data", "paper", effects, 1, "2 of 3 rise", "partial: 1 of 2 data sets")
    assert claim.general
    assert claim.verdicts == ("undecided", "undecided")
    assert claim.effect.marks == ("some shortened", "some unstable", "partial: 1 of 2 data sets")
    assert claim.evidence == ("0 up, 0 down, 2 without a verdict (ID +)",)


def test_the_verdict_on_a_difference():
    assert verdict_on_difference("gap", {}, 1, small=False) == ("not run", "no gap")
    agreeing = dict(enumerate([1.0, 2.0, 3.0, 2.0, 2.0]))
    half = 2.7764 * 0.5**0.5 / 5**0.5  # Student's t with 4 degrees of freedom, and the standard error
    text = f"gap +2 [{2 - half:+.3g}, {2 + half:+.3g}] (5 seeds)"
    assert verdict_on_difference("gap", agreeing, 1, small=False) == ("supported", text)
    assert verdict_on_difference("gap", {0: 2.0}, 1, small=True) == ("small", "gap +2 (1 seed)")


def test_numbers_of_the_poster_are_counted():
    assert rises(poster.EMBEDDINGS, "natural") == "6 of 6 rise"
    assert rises(poster.BOTTLENECK, "non-natural") == "5 of 6 rise"
