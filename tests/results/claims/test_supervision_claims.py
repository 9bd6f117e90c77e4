from helpers.image_records import SMALL, image_seeds
from helpers.records import made_record, seeds, with_pictures

from ebmood.results.arms import gather
from ebmood.results.claims.supervision_claims import gamma_claims, supervision_claims

BASE = [0.71, 0.74, 0.69, 0.78, 0.73]


def scaled(factor):
    return [factor * score for score in BASE]


def test_each_variant_is_judged_by_itself():
    records = [
        *seeds(5, "vera", BASE, variant="paper"),
        *seeds(5, "vera", BASE, variant="corrected"),
        *seeds(5, "vera", scaled(1.2), variant="paper", gamma=1.0),
        *seeds(5, "vera", scaled(0.8), variant="corrected", gamma=1.0),
    ]
    claims = {(claim.text, claim.variant): claim for claim in supervision_claims(gather(records))}
    natural = "Supervision raises VERA on natural sets"
    assert claims[natural, "paper"].verdicts == ("supported", "supported")
    assert claims[natural, "corrected"].verdicts == ("contradicted", "contradicted")
    general = "Supervision raises some results on natural sets"
    assert claims[general, "paper"].verdicts[0] == "supported"
    assert claims[general, "paper"].reported == "9 of 11 rise"


def test_one_data_set_has_a_claim_per_number_of_the_poster():
    claims = list(supervision_claims(gather(seeds(5, "ssm"))))
    assert sum(not claim.general for claim in claims) == 6
    assert {claim.data for claim in claims} == {"segment"}
    assert not list(supervision_claims(gather(seeds(5, "ssm", dataset="moons"))))


def test_a_larger_gamma_is_compared_with_the_smallest():
    falling = {"sky": 0.6, "uniform": 0.4, "gaussian": 0.4, "constant": 0.4}
    steady = {"sky": 0.6, "uniform": 0.8, "gaussian": 0.8, "constant": 0.8}
    records = [made_record("vera", s, steady, gamma=0.01) for s in range(5)]
    records += [made_record("vera", s, falling, gamma=100.0) for s in range(5)]
    lower, density = gamma_claims(gather(records))
    assert lower.text == "A larger γ lowers VERA on non-natural sets"
    assert lower.verdicts == ("supported", "supported")
    assert density.verdicts == ("not run", None)  # the records have no rays


def test_weights_on_a_reduced_data_set_are_small():
    records = [with_pictures(r, 2.0) for r in image_seeds(5, "cd", gamma=0.01, **SMALL)]
    records += [with_pictures(r, 1.0 + r.seed / 99) for r in image_seeds(5, "cd", gamma=100.0, **SMALL)]
    claims = gamma_claims(gather(records))
    assert [claim.verdicts for claim in claims] == [("small", "small"), ("small", None)]
