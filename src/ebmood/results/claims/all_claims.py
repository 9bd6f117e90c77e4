"""All claims of the poster that concern the data of a study."""

from collections.abc import Iterator, Sequence

from ebmood.results.arms import Arm
from ebmood.results.claims.claim import Claim
from ebmood.results.claims.flow_claims import flow_claims
from ebmood.results.claims.image_claims import image_claims
from ebmood.results.claims.supervision_claims import gamma_claims, supervision_claims


def all_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    """Yield every claim on the data of the study, in the order of the poster."""
    yield from flow_claims(arms)
    yield from supervision_claims(arms)
    yield from gamma_claims(arms)
    yield from image_claims(arms)
