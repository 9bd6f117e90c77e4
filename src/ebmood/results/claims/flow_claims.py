"""The claims of the poster on energy-based models and normalizing flows."""

from collections.abc import Iterator, Sequence

from ebmood.results import poster
from ebmood.results.arms import Arm
from ebmood.results.claims.claim import Claim, claim_on_several, judge
from ebmood.results.effects import FlowChoice, flow_average, flow_choices, poster_conditions
from ebmood.results.pairs import in_view, variants_in, views_of


def flow_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    """Yield the claims on flows for each view, flow of the paper and variant; none without data of the poster."""
    for view in views_of(arms):
        members = in_view(arms, view)
        if poster_conditions(members):
            for flows in flow_choices(members):
                if flows.of_poster:
                    for variant in variants_in(members):
                        yield from _claims(members, flows, variant)


def _claims(arms: Sequence[Arm], flows: FlowChoice, variant: str) -> Iterator[Claim]:
    effects = {method: flow_average(arms, method, variant, flows) for method in poster.METHODS}
    data = next((effect.data for effect in effects.values() if effect.data), _data(arms))
    suffix = f" ({flows.name})" if any(condition.images for condition in poster_conditions(arms)) else ""
    for method, effect in effects.items():
        number = poster.FLOW[method]
        relation = "above" if number > 0 else "below"
        text = f"{poster.METHODS[method]} is {relation} the flow{suffix}"
        verdicts = judge(effect, 1 if number > 0 else -1)
        yield Claim(text, effect.data or data, variant, f"{number:+.1f}", effect, verdicts)
    text = f"Some EBM is below the flow{suffix}"
    yield claim_on_several(text, data, variant, list(effects.values()), -1, "1 of 3 below")


def _data(arms: Sequence[Arm]) -> str:
    return f"average ({', '.join(condition.label for condition in poster_conditions(arms))})"
