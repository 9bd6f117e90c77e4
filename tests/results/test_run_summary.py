from helpers.records import failed_record, made_record, nudged, seeds

from ebmood.results.arms import gather
from ebmood.results.run_summary import repeatability, summarize_run


def remarks(records, missing=()):
    return list(summarize_run(gather(records), missing).remarks)


def test_counts_and_data():
    summary = summarize_run(
        gather([*seeds(2, "ssm"), failed_record("vera", 0, "it broke\nTraceback")]), ["a"]
    )
    assert summary.counts == (
        "3 cells (data set x recipe x seed): 2 done, 1 failed, 1 not run. The sum of their run times is 38 s; "
        "the first started 2026-01-02 03:04 (UTC)."
    )
    assert summary.data == (("segment", "`dddddddddddddddd`", "1584", "198", "198", "194", "0", "0, 1"),)
    assert summary.failures == ("Failed, 1 x (VERA): it broke",)
    assert summarize_run([]).counts == "No cells yet."


def test_rollbacks_are_listed_once_with_their_methods():
    events = ("loss is nan at step 7; back to step 0", "loss is inf at step 9; back to step 0")
    records = [made_record("cd", 0, events=events), made_record("cd", 1, events=events[:1])]
    lines = [line for line in remarks(records) if line.startswith("Rollback")]
    assert lines == [f"Rollback, 2 x (CD): {events[0]}", f"Rollback, 1 x (CD): {events[1]}"]


def test_marks_and_missing_cells_are_explained():
    records = [
        made_record("ssm", 0, degenerate="a constant minimises it"),
        *seeds(2, "cd", [0.2, 0.9], shortened=True),
    ]
    lines = remarks(records, ["segment, vera, seed 0", "segment, vera, seed 1"])
    assert "Versions: ebmood 0.1.0, torch 2.4.0." in lines
    assert "Degenerate: SSM, corrected: a constant minimises it" in lines
    assert "Shorter training than in the protocol: CD." in lines
    assert "Unstable (seeds differ by more than 0.2 in AUROC): CD." in lines
    assert "Not run, 2 x: segment, vera (seeds 0, 1)." in lines


def test_a_note_is_not_repeated():
    about = {"absent": {"kmnist": "no files"}, "dataset": "fmnist-small", "small": True}
    notes = ("natural set kmnist is absent: no files", "small: 16 x 16 pixels")
    lines = remarks([made_record("cd", 0, notes=notes, **about)])
    assert "Absent on fmnist-small: kmnist (no files)." in lines
    assert "fmnist-small is a reduced version of FMNIST: every verdict on it is `small`." in lines
    assert [line for line in lines if line.startswith("Note")] == ["Note, 1 x (CD): small: 16 x 16 pixels"]


def test_recipes_that_are_not_repeatable_are_named_the_worst_first():
    ssm, vera, cd = (made_record(method, 0, 0.5) for method in ("ssm", "vera", "cd"))
    records = [ssm, vera, cd, nudged(ssm, 0.55), nudged(vera, 0.1), nudged(cd, 0.501)]
    arms = gather(records)
    line = (
        "Not repeatable, 2 of 3 nudged recipes: one last bit of one weight changes some AUROC of "
        "VERA, corrected (by 0.400); SSM, corrected (by 0.050)"
    )
    assert repeatability(arms) == line
    assert f"{line}." in remarks(records)
    assert repeatability(arms, most=1).endswith("AUROC of VERA, corrected (by 0.400); 1 more")
    assert repeatability(gather([cd, nudged(cd, 0.501)])) == (
        "Repeatable, 1 of 1 nudged recipes: one last bit of one weight changes AUROC by at most 0.001"
    )
    assert repeatability(gather([cd])) == ""
    assert summarize_run(arms).counts.startswith("3 cells")


def test_a_degenerate_recipe_with_two_texts_is_listed_once():
    texts = ("never negative", "nowhere negative")
    records = [made_record("ssm", seed, degenerate=text) for seed, text in enumerate(texts)]
    lines = [line for line in remarks(records) if line.startswith("Degenerate")]
    assert lines == ["Degenerate: SSM, corrected: nowhere negative"]
