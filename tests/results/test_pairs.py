from helpers.image_records import image_seeds
from helpers.records import seeds

from ebmood.results.arms import gather
from ebmood.results.claims.flow_claims import flow_claims
from ebmood.results.pairs import correction_pairs, flow_pairs, pick, supervision_pairs


def test_supervised_arms_pair_with_unsupervised_ones_of_the_same_variant():
    arms = gather(
        [
            *seeds(1, "cd"),
            *seeds(1, "cd", gamma=1.0, variant="paper"),
            *seeds(1, "cd", gamma=1.0, variant="corrected"),
            *seeds(1, "ssm", gamma=1.0, variant="paper"),
            *seeds(1, "ssm"),
        ]
    )
    pairs = [
        (pair.a and pair.a.label, pair.b and pair.b.label, pair.missing) for pair in supervision_pairs(arms)
    ]
    assert pairs == [
        ("CD, paper, γ = 1", "CD", ""),
        ("CD, corrected, γ = 1", "CD", ""),
        ("SSM, paper, γ = 1", None, "not run: no run without labels of the same length"),
    ]


def test_corrected_recipes_pair_with_those_of_the_paper():
    arms = gather([*seeds(1, "ssm", variant="paper"), *seeds(1, "ssm"), *seeds(1, "vera"), *seeds(1, "cd")])
    assert [(pair.first.label, pair.b.label) for pair in correction_pairs(arms)] == [
        ("SSM, corrected", "SSM, paper")
    ]


def test_modern_recipes_pair_with_flows_and_are_no_side_of_a_claim_or_a_correction():
    records = [*seeds(3, "cd", 0.9, variant="modern"), *seeds(3, "ssm", 0.8), *seeds(3, "radial", 0.7)]
    arms = gather(records)
    assert [(pair.first.label, pair.variant) for pair in flow_pairs(arms, "radial")] == [
        ("CD, modern", "modern"),
        ("SSM, corrected", "corrected"),
    ]
    assert not list(correction_pairs(arms))
    claims = {(claim.text, claim.variant): claim for claim in flow_claims(arms)}
    assert {variant for _, variant in claims} == {"corrected"}
    assert claims["CD is above the flow", "corrected"].effect.aupr_id.percent is None
    assert not pick(arms, arms[0].condition, "cd", "corrected", None)


def test_models_of_embeddings_pair_with_flows_of_the_same_embeddings():
    features = {"embedding": "WRN"}
    records = [
        *image_seeds(1, "cd"), *image_seeds(1, "cd", **features), *image_seeds(1, "cd", bottleneck=0.1),
        *image_seeds(1, "realnvp"), *image_seeds(1, "radial", **features),
    ]  # fmt: skip
    arms = gather(records)
    assert [pair.first.name for pair in flow_pairs(arms, "realnvp")] == ["CD"]
    assert [pair.first.name for pair in flow_pairs(arms, "radial")] == ["CD on embeddings"]


def test_the_most_reliable_arm_is_picked_first():
    short = seeds(5, "ssm", shortened=True, settings={"recipe": {"steps": 1}})
    full = seeds(2, "ssm", settings={"recipe": {"steps": 2}})
    arms = gather([*short, *full])
    matches = pick(arms, arms[0].condition, "ssm", "corrected", None)
    assert [arm.shortened for arm in matches] == [False, True]
    assert not pick(arms, arms[0].condition, "ssm", "paper", None)


def sweep(*sigmas: float, gamma: float | None = None, variant: str = "corrected"):
    settings = [{"recipe": {"sigma": sigma, "gamma": gamma, "variant": variant}} for sigma in sigmas]
    return [r for s in settings for r in seeds(1, "ssm", gamma=gamma, variant=variant, settings=s)]


def sides(pairs):
    return [tuple(side and side.settings["sigma"] for side in (pair.a, pair.b)) for pair in pairs]


def test_recipes_of_a_sweep_pair_with_those_of_equal_settings():
    both = gather([*sweep(0.05, 0.3), *sweep(0.05, 0.3, gamma=1.0)])
    assert sides(supervision_pairs(both)) == [(0.05, 0.05), (0.3, 0.3)]
    one = gather([*sweep(0.3), *sweep(0.05, 0.3, gamma=1.0)])
    assert sides(supervision_pairs(one)) == [(0.05, None), (0.3, 0.3)]
    other = gather([*sweep(0.05, 0.3), *sweep(0.3, gamma=1.0)])
    assert sides(supervision_pairs(other)) == [(0.3, 0.3), (None, 0.05)]
    corrections = gather([*sweep(0.05, 0.3), *sweep(0.3, 0.05, variant="paper")])
    assert sides(correction_pairs(corrections)) == [(0.05, 0.05), (0.3, 0.3)]


def test_recipes_of_a_sweep_pair_with_every_flow():
    arms = gather([*sweep(0.05, 0.3), *seeds(1, "radial", settings={"recipe": {"sigma": 7}})])
    assert sides(flow_pairs(arms, "radial")) == [(0.05, 7), (0.3, 7)]
