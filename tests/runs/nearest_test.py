import pytest

from kegnet_tf.runs import nearest


@pytest.mark.parametrize(
    ("line", "question"),
    [
        ("`dataset` must be one of letter, mnist. Received: 'mnits'.", " Did you mean 'mnist'?"),
        ("`dataset` must be one of letter, mnist. Received: 'MNIST'.", " Did you mean 'mnist'?"),
        ("`students` must be among student1, a. Received: 'stdent1'.", " Did you mean 'student1'?"),
        ("flag --recipe=papr: value should be one of <plus|paper>", ". Did you mean 'paper'?"),
        ("`dataset` must be one of letter, mnist. Received: 'x'.", ""),
        ("`seed` must be whole. Received: 'mnits'.", ""),
    ],
)
def test_refused_word_is_met_by_the_known_one_that_is_nearest(line, question):
    assert nearest.with_nearest(line) == line + question
