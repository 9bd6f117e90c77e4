"""What all scores have in common."""

import pytest

from ebmood.core.errors import InputError
from ebmood.density_scores import SCORES, ScoredModel

FLOW = ScoredModel("glow", normalised=True, images=True, classes=1)
ENERGY = ScoredModel("ssm", normalised=False, images=True, classes=10)
TABLE_FLOW = ScoredModel("spline", normalised=True, images=False, classes=1)


def refused(model: ScoredModel) -> set[str]:
    kinds = set()
    for cls in SCORES:
        try:
            cls().check(model)
        except InputError as error:
            kinds.add(cls().kind if model.name in str(error) and "\n" not in str(error) else str(error))
    return kinds


def test_models_have_the_scores_that_their_log_density_allows():
    assert refused(FLOW) == {"class-probability"}
    assert refused(ENERGY) == {"input-complexity", "waic", "likelihood-ratio"}
    assert refused(TABLE_FLOW) == {"class-probability", "input-complexity"}


def test_kinds_and_titles_are_distinct():
    for names in ([cls().kind for cls in SCORES], [cls().title for cls in SCORES]):
        assert len(set(names)) == len(SCORES)


@pytest.mark.parametrize("cls", SCORES)
def test_settings_can_be_read_from_their_json(cls):
    assert cls.model_validate_json(cls().model_dump_json()) == cls()
