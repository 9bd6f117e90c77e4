from itertools import chain

from helpers.image_records import image_study
from helpers.records import nudged, seeds

from ebmood.results.arms import gather
from ebmood.results.tables.legend import legend


def words(records):
    return {word for word, _ in legend(gather(records))}


def test_words_about_images_are_only_in_image_studies():
    assert not words(seeds(5, "ssm")) & {"low-level", "small", "stand-ins", "absent"}
    assert {"low-level", "small", "stand-ins", "absent"} <= words(image_study())


def test_rollbacks_are_explained_where_they_happened():
    records = seeds(5, "ssm")
    assert "rollback" not in words(records)
    records[0] = records[0].updated(events=("step 90: went back to step 50",))
    assert "rollback" in words(records)
    assert gather(records)[0].marks == ("rollback",)


def test_repeatability_is_explained_in_studies_with_nudged_twins():
    records = seeds(2, "ssm")
    assert "not repeatable" not in words(records)
    assert "not repeatable" in words([*records, nudged(records[0], 0.8)])


def test_names_of_recipes_of_a_sweep_are_explained():
    sweep = [seeds(1, "cd", settings={"recipe": {"x": x}}) for x in (1, 2)]
    long = [seeds(1, "ssm", settings={"recipe": {"x": "y" * length}}) for length in (50, 60)]
    words_of_sweep, words_of_long = words(chain(*sweep)), words(chain(*long))
    assert {"name, setting=value", "name #1a2b"} & words_of_sweep == {"name, setting=value"}
    assert {"name, setting=value", "name #1a2b"} & words_of_long == {"name #1a2b"}
    assert not {"name, setting=value", "name #1a2b"} & words(sweep[0])
