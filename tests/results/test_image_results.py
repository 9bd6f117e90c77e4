"""Tables, claims and marks of studies on images."""

import math

import numpy as np
import pytest
from made_images import CONTENTS, image_seeds, made_image
from made_records import failed_record, seeds, with_pictures
from scipy import stats

from ebmood.results import poster
from ebmood.results.arms import gather
from ebmood.results.claims import all_claims, claims_table
from ebmood.results.comparisons import Change, compare, verdict_on_all, verdict_on_some
from ebmood.results.contrasts import bottleneck_table, embeddings_table, supervision_table
from ebmood.results.flows import flow_table
from ebmood.results.gaps import gap_table, gaps
from ebmood.results.tables import all_tables, legend, overview_table, scores_tables

BASE = [0.51, 0.54, 0.49, 0.58, 0.53]
SMALL = {"dataset": "fmnist-small", "small": True}


def scaled(factor):
    return [factor * score for score in BASE]


def found(table, **wanted):
    rows = [dict(zip((column.key for column in table.columns), row, strict=True)) for row in table.rows]
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def a_study(**changes):
    """CD with five seeds: plain, on embeddings (+50 %, -10 %), and with two bottlenecks (+20 % and -20 %)."""
    return [
        *image_seeds(5, "cd", BASE, gap=0.5, **changes),
        *image_seeds(5, "cd", scaled(1.5), other=0.81, embedding="WRN-28-10", **changes),
        *image_seeds(5, "cd", scaled(1.2), other=0.99, bottleneck=0.1, gap=2.0, **changes),
        *image_seeds(5, "cd", scaled(0.8), bottleneck=0.05, gap=0.1, **changes),
        *image_seeds(5, "realnvp", scaled(0.5), **changes),
    ]


def test_arms_are_told_apart_by_bottleneck_and_embedding():
    arms = gather(a_study())
    names = ["RealNVP", "CD", "CD, bottleneck 0.05", "CD, bottleneck 0.1", "CD on embeddings"]
    assert {arm.name for arm in arms} == set(names)
    assert [arm.name for arm in arms if arm.method == "cd"] == names[1:]
    assert [(arm.bottleneck, arm.embedding) for arm in arms if arm.method == "cd"] == [
        (None, None), (0.05, None), (0.1, None), (None, "WRN-28-10"),
    ]  # fmt: skip
    two = [*image_seeds(1, "cd", embedding="WRN-10-2"), *image_seeds(1, "cd", embedding="resnet18")]
    assert {arm.name for arm in gather(two)} == {
        "CD on embeddings of WRN-10-2",
        "CD on embeddings of resnet18",
    }


def test_a_setting_that_is_absent_does_not_make_another_arm():
    old = {"recipe": {"model": {"kind": "mlp"}}}
    new = {"recipe": {"model": {"kind": "mlp", "bottleneck": None}, "embedding": None}}
    [arm] = gather([*seeds(1, "cd", settings=old), *seeds(2, "cd", settings=new)[1:]])
    assert set(arm.done) == {0, 1}


def test_embeddings_stand_beside_the_posters_numbers():
    table = embeddings_table(gather(a_study()))
    assert len(table.rows) == 2
    [row] = found(table, positive="ID")
    assert row["method"] == "CD on embeddings"
    assert row["natural"].percent == pytest.approx(50)
    assert row["nonnatural"].percent == pytest.approx(-10)
    assert (row["natural_poster"], row["nonnatural_poster"]) == (95.79, -13.52)
    assert (row["natural_verdict"], row["nonnatural_verdict"]) == ("supported", "supported")
    assert row["pairs"] == 5
    assert "WRN-28-10" in table.notes[0]


def test_each_bottleneck_has_a_row_of_its_own_beside_the_one_number():
    table = bottleneck_table(gather(a_study()))
    rows = {row["method"]: row for row in found(table, positive="OOD")}
    assert rows["CD, bottleneck 0.1"]["natural"].percent == pytest.approx(20)
    assert rows["CD, bottleneck 0.1"]["natural_verdict"] == "supported"
    assert rows["CD, bottleneck 0.05"]["natural"].percent == pytest.approx(-20)
    assert rows["CD, bottleneck 0.05"]["natural_verdict"] == "contradicted"
    assert {row["natural_poster"] for row in rows.values()} == {67.95}


def test_what_was_not_run_on_images_is_a_row_and_weighted_runs_miss_nothing():
    arms = gather([*image_seeds(5, "ssm"), *image_seeds(5, "ssm", gamma=1.0)])
    for table in (embeddings_table(arms), bottleneck_table(arms)):
        [row] = found(table, positive="ID")
        assert row["natural_verdict"] == "not run"
        assert row["method"] == "SSM"
    assert not embeddings_table(gather(seeds(5, "ssm"))).rows


def test_a_bottleneck_is_never_taken_for_the_plain_model():
    records = [*image_seeds(5, "cd", bottleneck=0.1), *image_seeds(5, "cd", gamma=1.0)]
    arms = gather([*records, *image_seeds(5, "realnvp")])
    [row] = found(supervision_table(arms), positive="ID")
    assert row["natural"].why == "not run: no run without labels of the same length"
    flow = flow_table(arms)
    assert {row["method"] for row in found(flow)} == {"CD"}
    assert {row["gamma"] for row in found(flow)} == {"1"}
    labelled = image_seeds(5, "cd", bottleneck=0.1, gamma=1.0)
    table = supervision_table(gather([*records, *labelled]))
    [row] = found(table, positive="ID", method="CD, bottleneck 0.1")
    assert row["natural"].percent == pytest.approx(0, abs=1e-12)
    assert row["natural_poster"] is None


def test_a_cut_set_is_never_judged_however_narrow_the_interval():
    arms = gather([*a_study(**SMALL), *image_seeds(5, "cd", scaled(1.3), gamma=1.0, **SMALL)])
    for table in (embeddings_table(arms), bottleneck_table(arms), supervision_table(arms)):
        for row in found(table):
            assert row["natural_verdict"] == "small"
            assert row["nonnatural_verdict"] == "small"
            assert (
                row["natural_poster"]
                == {"embeddings": 95.79, "bottleneck": 67.95, "supervision": 47.17}[table.name]
            )
            assert "small" in row["marks"]
    [row] = found(embeddings_table(arms), positive="ID")
    assert row["natural"].percent == pytest.approx(50)
    judged = {v for claim in all_claims(arms) for v in claim.verdicts}
    assert judged == {"small", "not run", None}
    verdicts = {row["verdict"] for row in found(flow_table(arms), data="average (fmnist-small)")}
    assert verdicts == {"small"}
    every = {
        cell
        for table in all_tables([r for arm in arms for r in arm.records.values()])
        for row in table.texts()
        for cell in row
    }
    assert not every & {"supported", "contradicted", "undecided", "survives", "overturned"}


def test_a_gamma_grid_on_a_cut_set_is_small_too():
    records = [with_pictures(r, 2.0) for r in image_seeds(5, "cd", gamma=0.01, **SMALL)]
    records += [with_pictures(r, 1.0 + r.seed / 99) for r in image_seeds(5, "cd", gamma=100.0, **SMALL)]
    claims = [claim for claim in all_claims(gather(records)) if "γ" in claim.text]
    assert [claim.verdicts for claim in claims] == [("small", "small"), ("small", None)]


def test_an_average_over_a_cut_and_a_whole_set_is_small():
    whole = [*seeds(5, "cd", 0.9), *seeds(5, "radial", 0.5)]
    [row] = found(
        flow_table(gather([*whole, *a_study(**SMALL)])), method="CD", variant="corrected", positive="ID",
        data="average (segment, fmnist-small)", flow="radial flow / RealNVP",
    )  # fmt: skip
    assert row["verdict"] == "small"
    assert row["poster"] == 11.9


@pytest.mark.parametrize(
    ("name", "small", "paper"),
    [
        ("fmnist", False, "fmnist"),
        ("FMNIST", False, "fmnist"),
        ("fmnist-small", True, "fmnist"),
        ("fmnist-small", False, None),
        ("fmnist-colourised", False, None),
        ("cifar-10", False, "cifar-10"),
        ("cifar10-small", True, "cifar-10"),
        ("cifar-10-small", True, "cifar-10"),
        ("cifar-100-small", True, None),
        ("segment", False, "segment"),
    ],
)
def test_which_of_the_papers_sets_a_name_stands_for(name, small, paper):
    assert poster.paper_set(name, small) == paper


def test_low_level_content_is_in_no_mean():
    arms = gather(a_study())
    plain = next(arm for arm in arms if arm.name == "CD")
    assert plain.values("all", "aupr_id") == pytest.approx([(score + 0.9) / 2 for score in BASE])
    assert plain.values("non-natural", "aupr_id") == pytest.approx([0.9] * 5)
    flow = next(arm for arm in arms if arm.method == "realnvp")
    ratio = np.log([(score + 0.9) / (0.5 * score + 0.9) for score in BASE]).mean()
    assert compare(plain, flow, "all", "aupr_id").percent == pytest.approx(100 * np.expm1(ratio))
    [table] = scores_tables(arms)
    assert {row["kind"] for row in found(table)} == {"natural", "non-natural", "low-level"}
    assert [row["kind"] for row in found(table)][-1] == "low-level"
    assert found(table, ood="edges", method="CD")[0]["aupr_id"].mean == pytest.approx(0.123)


def test_images_meet_image_flows_and_embeddings_meet_flows_of_the_same_features():
    records = [*a_study(), *image_seeds(5, "radial", scaled(1.25), embedding="WRN-28-10")]
    table = flow_table(gather(records))
    [row] = found(table, data="fmnist", method="CD", positive="ID")
    assert row["flow"] == "RealNVP"
    assert row["natural"].percent == pytest.approx(100)
    [row] = found(table, data="fmnist", method="CD on embeddings", positive="ID")
    assert row["flow"] == "radial flow"
    assert row["natural"].percent == pytest.approx(20)
    [row] = found(table, data="average (fmnist)", method="CD", positive="ID", variant="corrected")
    assert (row["flow"], row["poster"]) == ("RealNVP", 11.9)
    texts = {claim.text for claim in all_claims(gather(records))}
    assert "CD is above the normalizing flow (RealNVP)" in texts
    both = gather([*records, *image_seeds(5, "glow", scaled(2))])
    claims = {claim.text: claim for claim in all_claims(both)}
    assert claims["CD is above the normalizing flow (RealNVP)"].verdicts[0] == "supported"
    assert claims["CD is above the normalizing flow (Glow)"].verdicts[0] == "contradicted"


def test_supervised_vera_of_images_has_its_own_weight():
    records = [*image_seeds(5, "vera", BASE), *image_seeds(5, "vera", scaled(1.1), gamma=100.0)]
    arms = gather([*records, *image_seeds(5, "vera", gamma=1.0), *image_seeds(5, "realnvp")])
    rows = {row["gamma"]: row for row in found(supervision_table(arms), positive="ID")}
    assert rows["100"]["natural_poster"] == 33.66
    assert rows["1"]["natural_poster"] is None
    assert {row["gamma"] for row in found(flow_table(arms), data="fmnist")} == {"none", "100"}


def test_absent_sets_and_stand_ins_are_told_where_their_numbers_would_stand():
    about = {"absent": {"kmnist": "KMNIST: no files"}, "stand_ins": ("notmnist",)}
    arms = gather(a_study(**about))
    [table] = scores_tables(arms)
    [row] = found(table, ood="kmnist")
    assert (row["kind"], row["aupr_id"], row["auroc"]) == ("natural", "absent", "absent")
    assert row["marks"] == "absent: KMNIST: no files"
    assert {row["marks"] for row in found(table, ood="notmnist")} == {"stand-in"}
    assert {row["marks"] for row in found(table, ood="mnist")} == {""}
    assert "stand-ins; absent: kmnist" in overview_table(arms).markdown()
    claims = {claim.text: claim.finding.marks for claim in all_claims(arms)}
    assert claims["Embeddings raise CD on natural sets"] == ("stand-ins", "absent: kmnist")
    assert claims["Embeddings lower CD on non-natural sets"] == ()
    assert {"stand-ins", "absent"} <= {word for word, _ in legend(arms)}


def test_the_papers_claims_on_images():
    others = [*image_seeds(5, "ssm", BASE), *image_seeds(5, "ssm", scaled(0.7), embedding="WRN-28-10")]
    arms = gather([*a_study(), *others])
    claims = {claim.text: claim for claim in all_claims(arms)}
    assert claims["Embeddings raise CD on natural sets"].verdicts == ("supported", "supported")
    assert claims["Embeddings raise SSM on natural sets"].verdicts == ("contradicted", "contradicted")
    # On natural sets the claim is of every method, on the others of some.
    together = claims["Training on embeddings significantly improves natural sets"]
    assert together.verdicts == ("contradicted", "contradicted")
    assert together.evidence == ("1 up, 1 down, 0 without a verdict (ID +)",)
    assert "partial: 1 of 2 data sets" in together.finding.marks
    assert (
        claims["Training on embeddings improves some results on non-natural sets"].verdicts[0] == "undecided"
    )
    assert claims["A bottleneck of 0.1 raises CD on natural sets"].verdicts[0] == "supported"
    assert (
        claims["Bottlenecks of 1x1 convolutions improve natural sets (bottleneck 0.1)"].verdicts[0]
        == "supported"
    )
    assert (
        claims["Bottlenecks of 1x1 convolutions improve natural sets (bottleneck 0.05)"].verdicts[0]
        == "contradicted"
    )
    gap = "Bottlenecks widen the gap of density between images and low-level features (CD, bottleneck {})"
    assert claims[gap.format(0.1)].verdicts == ("supported", None)
    assert claims[gap.format(0.05)].verdicts == ("contradicted", None)
    assert "mean gap 0.5 without, 2 with" in claims[gap.format(0.1)].evidence


def test_claims_on_images_take_one_row_each_where_nothing_speaks_to_them():
    tabular = [claim for claim in all_claims(gather(seeds(5, "ssm"))) if claim.data == "CIFAR-10, FMNIST"]
    assert len(tabular) == 6
    assert {claim.evidence for claim in tabular} == {("not run: needs CIFAR-10, FMNIST",)}
    images = [
        claim for claim in all_claims(gather(image_seeds(5, "ssm"))) if claim.data == "CIFAR-10, FMNIST"
    ]
    assert [claim.text for claim in images] == [claim.text for claim in tabular]
    assert {claim.evidence for claim in images} == {
        ("not run: no run on embeddings",), ("not run: no run with a bottleneck",),
    }  # fmt: skip


def test_the_gap_is_the_difference_of_means_in_units_of_the_id_spread():
    wanted = {"shuffled-patches": 0.0, "shuffled-pixels": 3.0, "edges": -1.5, "flat-colour": 200.0}
    assert gaps(made_image("cd", gap=wanted)) == pytest.approx(wanted)
    assert gaps(made_image("cd").updated(scores={})) == {}
    flat = made_image("cd")
    assert gaps(flat.updated(scores=dict.fromkeys(flat.scores, (1.0,) * 9))) == {}


def test_the_gap_table_has_t_intervals_and_paired_differences():
    without, with_it = [0.3, 0.5, 0.1], [1.5, 2.1, 1.2]
    records = [made_image("cd", seed, gap=gap) for seed, gap in enumerate(without)]
    records += [made_image("cd", seed, gap=gap, bottleneck=0.1) for seed, gap in enumerate(with_it)]
    table = gap_table(gather(records))
    assert [column.key for column in table.columns][5:9] == [name.replace("-", "_") for name in CONTENTS]
    [plain] = found(table, method="CD")
    low, high = stats.ttest_1samp(without, 0).confidence_interval(0.95)
    for cell in (plain["edges"], plain["mean"]):
        assert (cell.mean, cell.low, cell.high) == pytest.approx((0.3, low, high))
    [wider] = found(table, method="CD, bottleneck 0.1", what="wider than without")
    low, high = stats.ttest_rel(with_it, without).confidence_interval(0.95)
    cell = wider["flat_colour"]
    assert (cell.mean, cell.low, cell.high) == pytest.approx((1.3, low, high))
    one = gap_table(gather(records[:1]))
    assert (one.rows[0][5].low, one.texts()[0][5]) == (None, "+0.30")


def test_a_tabular_study_has_no_table_and_no_word_on_images():
    records = seeds(5, "ssm")
    names = {table.name for table in all_tables(records)}
    assert not names & {"embeddings", "bottleneck", "gaps"}
    assert {"embeddings", "bottleneck", "gaps"} <= {table.name for table in all_tables(a_study())}
    assert "low-level" not in {word for word, _ in legend(gather(records))}
    assert "small" not in {word for word, _ in legend(gather(records))}


def test_healing_is_marked_and_explained():
    records = seeds(5, "ssm")
    arms = gather([records[0].updated(events=("step 90: went back to 50",)), *records[1:]])
    assert arms[0].marks == ("healed",)
    assert "healed" in {word for word, _ in legend(arms)}


def test_failed_image_cells_stand_in_the_new_tables():
    broken = [
        failed_record("cd", seed, "loss is not finite", dataset="fmnist", family="energy", bottleneck=0.1)
        for seed in range(5)
    ]
    arms = gather([*image_seeds(5, "cd"), *broken])
    [row] = found(bottleneck_table(arms), positive="ID")
    assert row["natural_verdict"] == "failed"
    assert "5 failed: loss is not finite" in row["marks"]
    assert "CD, bottleneck 0.1: 5 failed" in claims_table(arms).markdown()


def change(low, high, small=False):
    return Change(percent=(low + high) / 2, low=low, high=high, seeds=(0, 1, 2, 3, 4), small=small)


@pytest.mark.parametrize(
    ("changes", "on_all", "on_some"),
    [
        ([change(1, 9), change(2, 3)], "supported", "supported"),
        ([change(1, 9), change(-1, 3)], "undecided", "supported"),
        ([change(1, 9), change(-3, -1)], "contradicted", "supported"),
        ([change(1, 9), Change(why="not run")], "undecided", "supported"),
        ([change(1, 9, small=True), change(2, 3, small=True)], "small", "small"),
        ([change(1, 9, small=True), Change(why="failed: x")], "small", "small"),
        ([change(1, 9, small=True), change(-1, 3)], "undecided", "undecided"),
        ([Change(why="not run")], "not run", "not run"),
        ([], "not run", "not run"),
    ],
)
def test_verdicts_on_several(changes, on_all, on_some):
    assert verdict_on_all(changes, 1) == on_all
    assert verdict_on_some(changes, 1) == on_some


def test_bits_per_dimension_stand_beside_flows_that_tell_them():
    records = [
        *(made_image("glow", seed, bits_per_dim=3.0 + seed) for seed in (0, 1)),
        made_image("realnvp"),  # of a version that did not measure it
        made_image("cd"),
    ]
    (table,) = [table for table in all_tables(records) if table.name == "bits"]
    (row,) = table.rows
    assert row[1] == "Glow"
    assert (row[4].mean, row[4].sd) == pytest.approx((3.5, math.sqrt(0.5)))
    assert not [table for table in all_tables(records[2:]) if table.name == "bits"]
