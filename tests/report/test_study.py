from helpers.html_outline import Outline


def test_failed_cells_are_shown(study_html):
    outline = Outline(study_html)
    alerts = ["".join(text) for _, attrs, text in outline.elements if attrs.get("class") == "alert"]
    assert alerts == ["Failed, 1 x (SSM): loss is not finite at step 7"]
