"""All tables of a study. A new table is one line in `all_tables`."""

from collections.abc import Iterable, Mapping, Sequence

from ebmood.results.arms import gather
from ebmood.results.pairs import correction_pairs, supervision_pairs
from ebmood.results.tables.accuracy_table import accuracy_table
from ebmood.results.tables.bits_table import bits_table
from ebmood.results.tables.change_tables import bottleneck_table, embeddings_table, supervision_table
from ebmood.results.tables.claim_table import claim_table
from ebmood.results.tables.correction_tables import ssm_table, variants_table
from ebmood.results.tables.density_score_table import density_score_tables
from ebmood.results.tables.flow_table import flow_table
from ebmood.results.tables.gamma_table import gamma_table
from ebmood.results.tables.gap_table import gap_table
from ebmood.results.tables.nudge_table import nudge_table
from ebmood.results.tables.score_tables import overview_table, score_tables
from ebmood.results.tables.table import Table
from ebmood.study.records import Record


def all_tables(records: Sequence[Record], seeds: Mapping[str, Iterable[int]] | None = None) -> list[Table]:
    """Return every table of a study in the order of the report.

    Those about the poster are left out if the study has none of its data sets.

    Args:
        records: records of the study.
        seeds: planned seeds by name of the data set.
    """
    arms = gather(records, seeds)
    images = any(arm.condition.images for arm in arms)
    # Without data of the poster, its tables contain only what the study itself compares.
    poster = any(arm.condition.paper for arm in arms)
    supervised = poster or any(pair.a and pair.b for pair in supervision_pairs(arms))
    corrected = poster or any(True for _ in correction_pairs(arms))
    accuracy, bits = accuracy_table(arms), bits_table(arms)
    return [
        overview_table(arms),
        *([claim_table(arms)] if poster else []),
        flow_table(arms),
        *([bits] if bits else []),
        *([accuracy] if accuracy else []),
        *([supervision_table(arms)] if supervised else []),
        *([embeddings_table(arms), bottleneck_table(arms), gap_table(arms)] if images else []),
        gamma_table(arms),
        *([variants_table(arms)] if corrected else []),
        *([ssm_table(arms)] if poster else []),
        *([nudge_table(arms)] if any(arm.twins for arm in arms) else []),
        *density_score_tables(arms),
        *score_tables(arms),
    ]
