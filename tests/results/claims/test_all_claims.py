from helpers.image_records import SMALL, image_study
from helpers.records import seeds

from ebmood.results.arms import gather
from ebmood.results.claims.all_claims import all_claims


def test_claims_on_a_reduced_data_set_are_small():
    verdicts = {v for claim in all_claims(gather(image_study(**SMALL))) for v in claim.verdicts}
    assert verdicts == {"small", "not run", None}


def test_claims_concern_only_data_of_the_study():
    assert not list(all_claims([]))
    assert not list(all_claims(gather(seeds(5, "ssm", dataset="moons"))))
    claims = list(all_claims(gather([*seeds(5, "ssm"), *seeds(5, "ssm", dataset="moons")])))
    assert claims
    assert all("moons" not in claim.data for claim in claims)
