import pytest
from helpers.image_records import image_study
from helpers.records import failed_record, nudged, seeds

from ebmood.cli.study_answer import MOST_LINES, print_answer
from ebmood.study.plan import Plan

BASE = [0.71, 0.74, 0.69, 0.78, 0.73]


def answer(records, folder, capsys, **plan):
    plan = Plan(title="T", keys=tuple(dict.fromkeys(record.key for record in records)), **plan)
    failed = print_answer(plan, records, folder)
    out, err = capsys.readouterr()
    return failed, out, err


def test_the_claims_with_verdicts_and_the_path_of_the_report(tmp_path, capsys):
    records = [*seeds(5, "vera", [0.8 * s for s in BASE]), *seeds(5, "radial", BASE)]
    failed, out, err = answer(records, tmp_path, capsys)
    assert not failed
    assert out.startswith("The paper's claims on segment (AUC-PR, ID positive)\n")
    [line] = [line for line in out.splitlines() if line.startswith("VERA is above the flow")]
    assert line.split()[5:] == ["+4.3", "contradicted", "-20.0", "[-20.0,", "-20.0]"]
    assert err == f"report: {tmp_path / 'results.md'} (as HTML: ebmood report {tmp_path})\n"


@pytest.mark.slow
def test_a_large_study_has_at_most_40_lines(tmp_path, capsys):
    records = [
        *image_study(),
        *image_study(dataset="cifar-10", dataset_digest="c" * 16),
        *(record for i in range(30) for record in seeds(1, "ssm", dataset=f"toy-{i}")),
        *(failed_record("vera", seed, f"reason {seed}") for seed in range(9)),
    ]
    failed, out, err = answer(records, tmp_path, capsys)
    assert failed
    assert out.count("\n") + err.count("\n") <= MOST_LINES
    assert "The paper's claims" in out
    assert "claims were not run: --full prints all tables." in out
    assert "Scores of the methods" in out
    assert err.count("failed: ") == 6
    assert "failed: 4 more reasons, see the report" in err
    assert "9 of" in err.splitlines()[-2]


def test_the_answer_says_whether_nudged_trainings_are_repeatable(tmp_path, capsys):
    records = seeds(2, "vera", 0.8)
    _, _, err = answer([*records, nudged(records[0], 0.6)], tmp_path, capsys)
    assert err.splitlines()[0] == (
        "Not repeatable, 1 of 1 nudged recipes: one last bit of one weight changes some AUROC of "
        "VERA, corrected (by 0.200)"
    )
    failed, _, err = answer([*records, failed_record("vera", 1, twin_of=records[1].key)], tmp_path, capsys)
    assert failed
    assert err.startswith("failed: segment, vera corrected nudged, seed 1: ")
