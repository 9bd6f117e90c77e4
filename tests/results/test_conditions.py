from helpers.records import made_record

from ebmood.results.conditions import conditions_by_data, data_key


def test_a_reduced_image_set_of_the_paper():
    record = made_record(
        "cd", dataset="fmnist-small", small=True, absent={"kmnist": "no files"}, stand_ins=("birds",)
    )
    condition = conditions_by_data([record])[data_key(record)]
    assert (condition.paper, condition.small, condition.images) == ("fmnist", True, True)
    assert condition.flags() == ("small", "stand-ins", "absent: kmnist")
    assert condition.flags("non-natural") == ("small",)
    assert len(condition.remarks) == 3


def test_other_data_are_not_of_the_paper():
    record = made_record("cd", dataset="moons")
    condition = conditions_by_data([record])[data_key(record)]
    assert (condition.paper, condition.images, condition.flags(), condition.remarks) == (None, False, (), ())
