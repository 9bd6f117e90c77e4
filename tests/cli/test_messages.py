from ebmood.cli.messages import INTERRUPTED, describe_segments, interrupted, print_skipped


def test_many_skipped_images_are_summarized(capsys):
    print_skipped([f"{i}.png" for i in range(7)])
    lines = capsys.readouterr().err.splitlines()
    assert lines == [*(f"skipped: {i}.png" for i in range(5)), "skipped: 2 more"]


def test_an_interrupt_says_what_happened_to_the_output(capsys):
    assert interrupted("model is unchanged").exit_code == INTERRUPTED
    assert capsys.readouterr().err == "ebmood: interrupted; model is unchanged\n"


def test_many_segments_are_not_listed_one_by_one():
    segment = {"calibration_rows": 30, "threshold": -1.0, "false_alarm_rate": 0.05}
    own = [segment | {"name": f"s{i}", "pooled": False} for i in range(300)]
    pooled = [segment | {"name": f"p{i}", "pooled": True} for i in range(90)]
    lines = describe_segments([*own, *pooled])
    assert lines[0] == "segment s0: 30 calibration rows, scores below -1 are flagged, 5.00% of normal rows"
    assert lines[20:] == [
        "280 more segments; ebmood inspect --json lists all",
        "segments with too few calibration rows, calibrated together: "
        + ", ".join(f"p{i} (30)" for i in range(20))
        + " and 70 more; scores below -1 are flagged, 5.00% of normal rows",
    ]
