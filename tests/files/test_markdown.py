"""A table reads well as text, too: numbers stand flush right under their heads."""

from topopt.files.markdown import markdown_table


def test_numbers_are_set_flush_right_and_words_are_not() -> None:
    rows = [["rnn", "1,000", "-0.5 (-0.7)", "1, 2"], ["", "2", "+3", "3"]]
    head, rule, *_ = markdown_table(["cell", "bases", "decades", "every"], rows).splitlines()
    assert head == "| cell | bases | decades | every |"
    assert rule == "|---|--:|--:|---|"
