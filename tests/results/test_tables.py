"""The tables and the claims of a study."""

import pytest
from made_records import failed_record, made_record, made_result, seeds

from ebmood.results import poster
from ebmood.results.arms import gather
from ebmood.results.claims import all_claims, claims_table
from ebmood.results.contrasts import supervision_table
from ebmood.results.flows import flow_table
from ebmood.results.mending import outcome, ssm_table, variants_table
from ebmood.results.tables import all_tables, overview_table, scores_tables
from ebmood.results.weights import gamma_table

BASE = [0.71, 0.74, 0.69, 0.78, 0.73]


def scaled(factor):
    return [factor * score for score in BASE]


def found(table, **wanted):
    """The rows whose cells read as wanted, as dictionaries by column key."""
    rows = [dict(zip((column.key for column in table.columns), row, strict=True)) for row in table.rows]
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def test_flow_table_shows_the_factor_and_the_poster_beside_a_partial_average():
    table = flow_table(gather([*seeds(5, "ssm", scaled(0.9)), *seeds(5, "radial", BASE)]))
    [row] = found(table, data="segment", flow="radial flow", positive="ID")
    assert row["all"].percent == pytest.approx(-10)
    assert row["poster"] is None
    [row] = found(table, data="average (segment)", method="SSM", variant="corrected", positive="ID")
    assert row["all"].percent == pytest.approx(-10)
    assert (row["poster"], row["verdict"], row["pairs"]) == (-4.3, "supported", 5)
    assert "partial: 1 of 4 data sets" in row["marks"]
    [spline] = found(table, flow="spline flow", positive="ID")
    assert spline["all"].why == "not run: no spline flow"


def test_average_over_two_data_sets_is_the_mean_of_their_logs():
    other = {"dataset": "sensorless", "dataset_digest": "e" * 16}
    records = [
        *seeds(5, "ssm", scaled(1.1)),
        *seeds(5, "radial", BASE),
        *seeds(5, "ssm", scaled(1.2), **other),
        *seeds(5, "radial", BASE, **other),
    ]
    [row] = found(
        flow_table(gather(records)), data="average (segment, sensorless)", variant="corrected", positive="ID"
    )
    assert row["all"].percent == pytest.approx(100 * ((1.1 * 1.2) ** 0.5 - 1))
    assert "partial: 2 of 4 data sets" in row["marks"]


def test_a_toy_is_no_part_of_the_papers_average():
    records = [*seeds(5, "ssm", dataset="moons"), *seeds(5, "radial", dataset="moons")]
    assert found(flow_table(gather(records)), data="moons", flow="radial flow")
    assert not [row for row in flow_table(gather(records)).rows if str(row[0]).startswith("average")]


def test_supervision_has_the_posters_columns_and_both_polarities():
    def results(natural, other):
        return [made_result("sky", *natural), made_result("uniform", *other)]

    none = [made_record("ssm", s, results=results((0.5, 0.4), (0.8, 0.6))) for s in range(5)]
    some = [made_record("ssm", s, results=results((0.6, 0.5), (0.6, 0.54)), gamma=1.0) for s in range(5)]
    table = supervision_table(gather([*none, *some]))
    [id_row], [ood_row] = found(table, positive="ID"), found(table, positive="OOD")
    assert id_row["natural"].percent == pytest.approx(20)
    assert id_row["nonnatural"].percent == pytest.approx(-25)
    assert ood_row["natural"].percent == pytest.approx(25)
    assert ood_row["nonnatural"].percent == pytest.approx(-10)
    assert (id_row["natural_poster"], id_row["nonnatural_poster"]) == (25.89, -21.94)
    assert (id_row["natural_verdict"], id_row["nonnatural_verdict"]) == ("supported", "supported")


def test_the_posters_number_stands_only_beside_its_own_weight():
    records = [*seeds(5, "ssm", BASE), *seeds(5, "ssm", BASE, gamma=100.0)]
    [row] = found(supervision_table(gather(records)), positive="ID", gamma="100")
    assert row["natural_poster"] is None
    assert row["natural_verdict"] is None


def test_both_counts_as_paper_and_as_sound():
    records = [
        *seeds(5, "cd", BASE),
        *seeds(5, "cd", scaled(1.1), gamma=1.0, variant="paper"),
        *seeds(5, "cd", scaled(0.9), gamma=1.0, variant="corrected"),
        *seeds(5, "radial", BASE),
    ]
    arms = gather(records)
    table = supervision_table(arms)
    changes = {row["variant"]: row["natural"].percent for row in found(table, positive="ID")}
    assert changes == pytest.approx({"paper": 10, "corrected": -10})
    claims = [claim for claim in all_claims(arms) if claim.text.startswith("CD is above")]
    assert [claim.variant for claim in claims] == ["paper", "corrected"]
    assert claims[0].finding.aupr_id == claims[1].finding.aupr_id
    same = found(variants_table(arms), gamma="none", positive="ID")
    assert {row["change"] for row in same} == {"the same recipe"}
    [row] = found(variants_table(arms), gamma="1", positive="ID", sets="natural")
    assert row["change"].percent == pytest.approx(100 * (0.9 / 1.1 - 1))


def test_a_shortened_run_is_not_set_against_a_full_one():
    records = [*seeds(5, "cd", gamma=1.0, variant="corrected", shortened=True), *seeds(5, "cd")]
    rows = found(supervision_table(gather(records)), positive="ID", gamma="1")
    assert [row["natural"].why for row in rows] == ["not run: no run without labels of the same length"]


def test_failed_and_missing_cells_stand_in_every_table():
    broken = [failed_record("ssm", seed, "loss is not finite", gamma=1.0) for seed in range(5)]
    halves = [*seeds(3, "ssm", gamma=0.01), failed_record("ssm", 3, "out of memory", gamma=0.01)]
    arms = gather([*seeds(5, "ssm", BASE), *seeds(5, "radial", BASE), *broken, *halves])
    tables = [
        overview_table(arms),
        flow_table(arms),
        supervision_table(arms),
        gamma_table(arms),
        variants_table(arms),
        ssm_table(arms),
        claims_table(arms),
        *scores_tables(arms),
    ]
    for table in tables:
        assert "failed: loss is not finite" in table.markdown(), table.name
        assert "failed: loss is not finite" in table.csv(), table.name
    assert "3 of 5 seeds" in overview_table(arms).markdown()
    assert "1 failed: out of memory" in overview_table(arms).markdown()
    [row] = found(overview_table(arms), gamma="1")
    assert (row["natural_aupr_id"], row["seeds"]) == ("failed", 0)
    [row] = found(ssm_table(arms), positive="ID", claim="helped by supervision on natural sets")
    assert row["sound_verdict"] == "failed"
    assert row["paper_verdict"] == "not run"


def test_scores_keep_their_columns():
    records = [
        made_record("ssm", s, results=[made_result("sky", 0.5 + s / 10, 0.2, auroc=0.7, fpr95=0.9)])
        for s in (0, 1, 2)
    ]
    [table] = scores_tables(gather(records))
    [row] = found(table, ood="sky")
    means = [row[key].mean for key in ("aupr_id", "aupr_ood", "auroc", "fpr95")]
    assert means == pytest.approx([0.6, 0.2, 0.7, 0.9])
    assert row["aupr_id"].sd == pytest.approx(0.1)


def test_duplicates_across_stays_apart():
    across = {"duplicates": "across"}
    records = [
        *seeds(5, "ssm", scaled(0.5), **across),
        *seeds(5, "ssm", BASE),
        *seeds(5, "radial", BASE, **across),
    ]
    arms = gather(records)
    table = flow_table(arms)
    [row] = found(table, data="segment (duplicates across)", flow="radial flow", positive="ID")
    assert row["all"].percent == pytest.approx(-50)
    [row] = found(table, data="segment", flow="radial flow", positive="ID")
    assert row["all"].why == "not run: no radial flow"
    assert {table.name for table in scores_tables(arms)} == {
        "scores-segment",
        "scores-segment-duplicates-across",
    }


def test_gamma_is_compared_with_the_smallest_weight():
    falling = {"sky": 0.6, "uniform": 0.4, "gaussian": 0.4, "constant": 0.4}
    steady = {"sky": 0.6, "uniform": 0.8, "gaussian": 0.8, "constant": 0.8}
    records = [made_record("vera", s, steady, gamma=0.01) for s in range(5)]
    records += [made_record("vera", s, falling, gamma=100.0) for s in range(5)]
    arms = gather(records)
    [row] = found(gamma_table(arms), gamma="100", positive="ID")
    assert row["nonnatural_change"].percent == pytest.approx(-50)
    assert row["natural_change"].percent == pytest.approx(0, abs=1e-12)
    [claim] = [c for c in all_claims(arms) if c.text.startswith("A larger γ")]
    assert claim.verdicts == ("supported", "supported")


@pytest.mark.parametrize(
    ("paper", "corrected", "expected"),
    [
        ("supported", "supported", "survives"),
        ("supported", "contradicted", "overturned"),
        ("supported", "undecided", "undecided"),
        ("supported", "not run", "not run"),
        ("contradicted", "supported", "not reproduced"),
        ("undecided", "supported", "undecided"),
    ],
)
def test_outcome_of_the_mending(paper, sound, expected):
    assert outcome(paper, sound) == expected


def test_the_verdict_on_ssm_is_overturned_where_only_the_mended_recipe_beats_the_flow():
    records = [
        *seeds(5, "ssm", scaled(0.8), variant="paper", degenerate="piecewise linear"),
        *seeds(5, "ssm", scaled(1.1), variant="corrected"),
        *seeds(5, "radial", BASE),
    ]
    [row] = found(ssm_table(gather(records)), claim="below the radial flow (all sets)", positive="ID")
    assert (row["paper_verdict"], row["sound_verdict"], row["outcome"]) == (
        "supported",
        "contradicted",
        "overturned",
    )
    assert "paper: degenerate" in row["marks"]


def test_every_claim_of_the_poster_has_a_row_even_where_nothing_was_run():
    table = claims_table([])
    texts = [row[0] for row in table.rows]
    assert sum(text.startswith("Supervision") and "some results" not in text for text in texts) == 24
    assert sum(text.endswith("the normalizing flow") for text in texts) == 3
    for word in ("embeddings", "Bottlenecks", "γ", "semantic", "low-level"):
        assert any(word in text for text in texts), word
    verdicts = {row["verdict_id"] for row in found(table)}
    assert verdicts == {"not run"}
    assert all("needs CIFAR-10" in row["marks"] for row in found(table, data="CIFAR-10"))


def test_claims_are_judged_for_each_variant_on_its_own():
    records = [
        *seeds(5, "vera", BASE, variant="paper"),
        *seeds(5, "vera", BASE, variant="corrected"),
        *seeds(5, "radial", scaled(0.9), variant="both"),
        *seeds(5, "vera", scaled(1.2), variant="paper", gamma=1.0),
        *seeds(5, "vera", scaled(0.8), variant="corrected", gamma=1.0),
    ]
    claims = {
        (claim.text, claim.variant): claim for claim in all_claims(gather(records)) if claim.data != "FMNIST"
    }
    natural = "Supervision raises VERA on natural sets"
    assert claims[natural, "paper"].verdicts == ("supported", "supported")
    assert claims[natural, "corrected"].verdicts == ("contradicted", "contradicted")
    assert claims["VERA is above the normalizing flow", "paper"].verdicts[0] == "supported"
    outperform = "EBMs do not consistently outperform flows: at least one method is below"
    assert claims[outperform, "paper"].verdicts[0] == "undecided"  # SSM and CD are not there


def test_poster_numbers_are_complete():
    assert len(poster.SUPERVISION) == 24
    assert len(poster.EMBEDDINGS) == len(poster.BOTTLENECK) == 12
    unreadable = [r for r in poster.SUPERVISION if r.percent is None]
    assert [(r.method, r.dataset, r.kind) for r in unreadable] == [("ssm", "sensorless", "natural")]
    assert poster.number(poster.SUPERVISION, "vera", "sensorless", "natural").percent == 97.93
    assert poster.number(poster.SUPERVISION, "cd", "segment", "non-natural").percent == 0.89


def test_all_tables_of_nothing_can_be_read():
    for table in all_tables([]):
        assert table.markdown()
