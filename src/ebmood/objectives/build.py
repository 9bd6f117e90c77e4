"""The objective of any density model: that of the settings, with supervision, in whitened coordinates."""

from ebmood.models import DensityModel, WhitenedModel
from ebmood.objectives.objective import Objective, ObjectiveSettings
from ebmood.objectives.supervision import Supervised
from ebmood.objectives.whitened import InWhitenedCoordinates


def build_objective(
    settings: ObjectiveSettings,
    model: DensityModel,
    classes: int,
    shape: tuple[int, ...],
    seed: int,
    gamma: float | None = None,
) -> Objective:
    """Return the objective that trains a model.

    Args:
        settings: settings of the objective.
        model: the model. The inner model of a `WhitenedModel` is trained in its coordinates.
        classes: number of outputs of the model's network.
        shape: shape of one input.
        seed: seed of the objective's own parts, such as a generator.
        gamma: weight of the cross-entropy; None for training without labels.

    Raises:
        TypeError: the objective does not train models of this kind.
    """
    if isinstance(model, WhitenedModel):
        inner = build_objective(settings, model.inner, classes, shape, seed, gamma)
        return InWhitenedCoordinates(model, inner)
    objective = settings.build(model, classes, shape, seed)
    return objective if gamma is None else Supervised(objective, gamma)
