from ebmood.cli.messages import INTERRUPTED, interrupted, print_skipped


def test_many_skipped_images_are_summarized(capsys):
    print_skipped([f"{i}.png" for i in range(7)])
    lines = capsys.readouterr().err.splitlines()
    assert lines == [*(f"skipped: {i}.png" for i in range(5)), "skipped: 2 more"]


def test_an_interrupt_says_what_happened_to_the_output(capsys):
    assert interrupted("model is unchanged").exit_code == INTERRUPTED
    assert capsys.readouterr().err == "ebmood: interrupted; model is unchanged\n"
