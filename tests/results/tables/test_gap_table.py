import pytest
from helpers.image_records import CONTENTS, made_image
from helpers.table_rows import rows_of
from scipy import stats

from ebmood.results.arms import gather
from ebmood.results.tables.gap_table import gap_table


def test_gaps_have_t_intervals_and_paired_differences():
    without, with_it = [0.3, 0.5, 0.1], [1.5, 2.1, 1.2]
    records = [made_image("cd", seed, gap=gap) for seed, gap in enumerate(without)]
    records += [made_image("cd", seed, gap=gap, bottleneck=0.1) for seed, gap in enumerate(with_it)]
    table = gap_table(gather(records))
    assert [column.key for column in table.columns][5:9] == [name.replace("-", "_") for name in CONTENTS]
    [plain] = rows_of(table, method="CD")
    low, high = stats.ttest_1samp(without, 0).confidence_interval(0.95)
    for cell in (plain["edges"], plain["mean"]):
        assert (cell.mean, cell.low, cell.high) == pytest.approx((0.3, low, high))
    [wider] = rows_of(table, method="CD, bottleneck 0.1", what="difference")
    low, high = stats.ttest_rel(with_it, without).confidence_interval(0.95)
    cell = wider["flat_colour"]
    assert (cell.mean, cell.low, cell.high) == pytest.approx((1.3, low, high))
    one = gap_table(gather(records[:1]))
    assert (one.rows[0][5].low, one.texts()[0][5]) == (None, "+0.30")
