"""Records are sorted into arms without mixing what differs."""

from made_records import failed_record, made_record, seeds

from ebmood.results.arms import gather


def test_duplicates_across_and_other_content_are_conditions_of_their_own():
    arms = gather(
        [
            *seeds(2, "ssm"),
            *seeds(2, "ssm", duplicates="across"),
            *seeds(2, "ssm", dataset_digest="e" * 16),
        ]
    )
    labels = [arm.condition.label for arm in arms]
    assert labels == ["segment (content dddddd)", "segment (duplicates across)", "segment (content eeeeee)"]
    assert all(len(arm.records) == 2 for arm in arms)


def test_recipes_that_differ_in_unnamed_settings_alone_stay_apart_and_get_names_of_their_own():
    short, long = (seeds(2, "cd", settings={"recipe": {"steps": steps}}) for steps in (10, 20))
    arms = gather([*short, *long])
    assert len(arms) == 2
    assert arms[0].name != arms[1].name
    assert all(arm.name.startswith("CD #") for arm in arms)


def test_the_last_record_of_a_cell_stands_but_a_failure_hides_no_result():
    [arm] = gather([failed_record("ssm", 0), made_record("ssm", 0, 0.5), made_record("ssm", 0, 0.6)])
    assert arm.done[0].results[0].aupr_id == 0.6
    [arm] = gather([made_record("ssm", 0, 0.5), failed_record("ssm", 0)])
    assert arm.done[0].results[0].aupr_id == 0.5


def test_marks_say_what_a_reader_must_know():
    flawed = {"degenerate": "piecewise linear", "shortened": True, "selection": "paper"}
    records = [
        *seeds(5, "radial"),
        made_record("ssm", 0, **flawed),
        failed_record("ssm", 1, "it broke", **flawed),
    ]
    ssm = next(arm for arm in gather(records) if arm.method == "ssm")
    assert ssm.marks == ("degenerate", "shortened", "leak", "1 of 5 seeds", "1 failed: it broke")
    radial = next(arm for arm in gather(records) if arm.method == "radial")
    assert radial.marks == ()
