import pytest
from pydantic import ValidationError

from ebmood.study.schema import DetectorEntry, ImageFiles, MethodEntry, StudyFile


def test_one_value_is_a_list_of_one():
    entry = MethodEntry.model_validate(
        {"method": "ssm", "gamma": 1, "variant": "paper", "datasets": "segment"}
    )
    assert (entry.gamma, entry.variant, entry.datasets) == ((1.0,), ("paper",), ("segment",))


def test_a_number_of_seeds_means_the_first_seeds():
    assert DetectorEntry.model_validate({"detector": "a.B", "seeds": 3}).seeds == (0, 1, 2)
    assert StudyFile.model_validate({"datasets": "segment", "recipes": "knn", "seeds": [4, 2]}).seeds == (
        4,
        2,
    )
    with pytest.raises(ValidationError, match="not a number of seeds"):
        DetectorEntry.model_validate({"detector": "a.B", "seeds": 0})


def test_the_variant_sound_of_version_0_1_is_accepted_with_a_warning():
    with pytest.warns(FutureWarning, match="'sound' is called 'corrected'"):
        entry = MethodEntry.model_validate({"method": "ssm", "variant": ["paper", "sound"]})
    assert entry.variant == ("paper", "corrected")


def test_image_options_do_not_change_other_sources():
    from ebmood.data import FMNIST, Toy

    options = ImageFiles(data="images", skip_missing=True)
    assert options.applied(Toy()) == Toy()
    source = options.applied(FMNIST())
    assert (source.data, source.missing) == ("images", "note")
