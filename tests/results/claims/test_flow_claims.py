from helpers.image_records import IMAGE_BASE, image_seeds, image_study
from helpers.records import seeds

from ebmood.results.arms import gather
from ebmood.results.claims.flow_claims import flow_claims

BASE = [0.71, 0.74, 0.69, 0.78, 0.73]


def scaled(factor):
    return [factor * score for score in BASE]


def test_each_variant_is_judged_by_itself():
    records = [
        *seeds(5, "vera", BASE, variant="paper"),
        *seeds(5, "vera", scaled(0.8), variant="corrected"),
        *seeds(5, "radial", scaled(0.9)),
    ]
    claims = {(claim.text, claim.variant): claim for claim in flow_claims(gather(records))}
    assert claims["VERA is above the flow", "paper"].verdicts[0] == "supported"
    assert claims["VERA is above the flow", "corrected"].verdicts[0] == "contradicted"
    assert claims["SSM is below the flow", "paper"].verdicts[0] == "not run"
    assert claims["Some EBM is below the flow", "paper"].verdicts[0] == "undecided"


def test_a_recipe_of_both_variants_has_the_same_effect_in_both():
    arms = gather(
        [*seeds(5, "cd", BASE), *seeds(5, "ssm", variant="paper"), *seeds(5, "ssm"), *seeds(5, "radial")]
    )
    claims = [claim for claim in flow_claims(arms) if claim.text.startswith("CD is above")]
    assert [claim.variant for claim in claims] == ["paper", "corrected"]
    assert claims[0].effect.aupr_id == claims[1].effect.aupr_id


def test_each_flow_of_the_paper_on_images_has_its_own_claim():
    glow = image_seeds(5, "glow", [2 * score for score in IMAGE_BASE])
    claims = {claim.text: claim for claim in flow_claims(gather([*image_study(), *glow]))}
    assert claims["CD is above the flow (RealNVP)"].verdicts[0] == "supported"
    assert claims["CD is above the flow (Glow)"].verdicts[0] == "contradicted"


def test_data_that_the_poster_does_not_have_have_no_claims():
    assert not list(flow_claims(gather(seeds(5, "ssm", dataset="moons"))))
