from ebmood.cli.progress_bar import progress_bar


def test_nothing_is_printed_without_a_terminal(capsys):
    with progress_bar("reading") as update:
        update("reading", 0.5)
        update("fitting", None)
    assert capsys.readouterr() == ("", "")
