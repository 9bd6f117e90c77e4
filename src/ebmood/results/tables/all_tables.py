"""All tables of a study. A new table is one line in `all_tables`."""

from collections.abc import Iterable, Mapping, Sequence

from ebmood.results.arms import gather
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

    Args:
        records: records of the study.
        seeds: planned seeds by name of the data set.
    """
    arms = gather(records, seeds)
    images = any(arm.condition.images for arm in arms)
    accuracy, bits = accuracy_table(arms), bits_table(arms)
    return [
        overview_table(arms),
        claim_table(arms),
        flow_table(arms),
        *([bits] if bits else []),
        *([accuracy] if accuracy else []),
        supervision_table(arms),
        *([embeddings_table(arms), bottleneck_table(arms), gap_table(arms)] if images else []),
        gamma_table(arms),
        variants_table(arms),
        ssm_table(arms),
        *([nudge_table(arms)] if any(arm.twins for arm in arms) else []),
        *density_score_tables(arms),
        *score_tables(arms),
    ]
