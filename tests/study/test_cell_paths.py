from ebmood.study.cell_paths import CellPaths


def test_the_newest_checkpoint_ignores_incomplete_files(tmp_path):
    paths = CellPaths(tmp_path, "key")
    assert paths.newest_checkpoint == 0
    paths.checkpoints.mkdir(parents=True)
    for name in ("000003.json", "000012.json", ".000099.json", "000020.safetensors"):
        (paths.checkpoints / name).touch()
    assert paths.newest_checkpoint == 12
