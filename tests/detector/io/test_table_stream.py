import os

import pyarrow
import pytest
from pyarrow import parquet

from ebmood.core.errors import EbmoodError
from ebmood.detector.io import csv_stream
from ebmood.detector.io.open_input import open_table


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_that_is_deleted_or_changed_during_reading_is_an_error(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(csv_stream, "BLOCK_BYTES", 64)
    path = tmp_path / f"t.{suffix}"
    table = pyarrow.table({"a": list(range(10000))})
    for change, message in ((path.unlink, "was deleted"), (lambda: os.utime(path, (1, 1)), "changed")):
        if suffix == "parquet":
            parquet.write_table(table, path)
        else:
            table.to_pandas().to_csv(path, index=False)
        chunks = open_table(path).chunks(["a"])
        next(chunks)
        change()
        with pytest.raises(EbmoodError, match=f"{message} while it was read"):
            list(chunks)
