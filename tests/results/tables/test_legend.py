from helpers.image_records import image_study
from helpers.records import seeds

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
