from helpers.image_records import IMAGE_BASE, image_seeds, image_study
from helpers.records import seeds

from ebmood.results.arms import gather
from ebmood.results.claims.image_claims import image_claims


def scaled(factor):
    return [factor * score for score in IMAGE_BASE]


def test_claims_on_images():
    others = [*image_seeds(5, "ssm", IMAGE_BASE), *image_seeds(5, "ssm", scaled(0.7), embedding="WRN-28-10")]
    claims = {claim.text: claim for claim in image_claims(gather([*image_study(), *others]))}
    assert claims["Embeddings raise CD on natural sets"].verdicts == ("supported", "supported")
    assert claims["Embeddings raise SSM on natural sets"].verdicts == ("contradicted", "contradicted")
    every = claims["Embeddings raise all results on natural sets"]
    assert every.verdicts == ("contradicted", "contradicted")
    assert every.evidence == ("1 up, 1 down, 0 without a verdict (ID +)",)
    assert "partial: 1 of 2 data sets" in every.effect.marks
    assert claims["Embeddings raise some results on non-natural sets"].verdicts[0] == "undecided"
    assert claims["Bottleneck 0.1 raises CD on natural sets"].verdicts[0] == "supported"
    assert claims["Bottleneck 0.1 raises all results on natural sets"].verdicts[0] == "supported"
    assert claims["Bottleneck 0.05 raises all results on natural sets"].verdicts[0] == "contradicted"


def test_bottlenecks_and_gaps():
    claims = {claim.text: claim for claim in image_claims(gather(image_study()))}
    gap = "Bottleneck {} widens the gap to low-level content (CD)"
    assert claims[gap.format(0.1)].verdicts == ("supported", None)
    assert claims[gap.format(0.05)].verdicts == ("contradicted", None)
    assert "mean gap 0.5 without, 2 with" in claims[gap.format(0.1)].evidence


def test_marks_of_natural_sets_are_only_on_claims_about_them():
    about = {"absent": {"kmnist": "KMNIST: no files"}, "stand_ins": ("notmnist",)}
    claims = {claim.text: claim for claim in image_claims(gather(image_study(**about)))}
    assert claims["Embeddings raise CD on natural sets"].effect.marks == ("stand-ins", "absent: kmnist")
    assert claims["Embeddings lower CD on non-natural sets"].effect.marks == ()


def test_claims_that_no_run_addresses_have_one_row_each_and_tables_have_none():
    assert not list(image_claims(gather(seeds(5, "ssm"))))
    claims = list(image_claims(gather(image_seeds(5, "ssm"))))
    assert len(claims) == 6
    assert {claim.data for claim in claims} == {"fmnist"}
    assert {claim.verdicts[0] for claim in claims} == {"not run"}
    assert {claim.evidence for claim in claims} == {
        ("not run: no run on embeddings",),
        ("not run: no run with a bottleneck",),
    }
