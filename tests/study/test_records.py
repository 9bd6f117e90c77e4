import json

import pytest
from helpers.records import made_record

from ebmood.core.errors import EbmoodError
from ebmood.study.records import Record, append_record, read_records


def test_records_are_read_in_the_order_of_the_file(tmp_path):
    records = [made_record("ssm", seed) for seed in (2, 0)]
    for record in records:
        append_record(tmp_path / "out" / "records.jsonl", record)
    assert read_records(tmp_path / "out" / "records.jsonl") == records
    assert read_records(tmp_path / "none.jsonl") == []


def test_an_incomplete_last_line_is_ignored_and_then_removed(tmp_path):
    path = tmp_path / "records.jsonl"
    append_record(path, made_record("ssm", 0))
    with path.open("a") as file:
        file.write('{"key": "inc')
    assert len(read_records(path)) == 1
    append_record(path, made_record("ssm", 1))
    assert [record.seed for record in read_records(path)] == [0, 1]


def test_a_line_that_is_not_a_record_is_named(tmp_path):
    path = tmp_path / "records.jsonl"
    append_record(path, made_record("ssm", 0))
    with path.open("a") as file:
        file.write('{"key": 3}\n')
    with pytest.raises(EbmoodError, match=r"records\.jsonl, line 2: not a record of this version \(key: "):
        read_records(path)


def test_a_record_of_version_0_1_is_read_without_a_warning(recwarn):
    values = json.loads(made_record("ssm").model_dump_json())
    del values["title"]
    record = Record.model_validate_json(json.dumps(values | {"variant": "sound"}))
    assert (record.variant, record.title) == ("corrected", "SSM")
    assert not recwarn.list
