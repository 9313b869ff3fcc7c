import pytest

from kegnet_tf import synthesis

MIXTURE = {"kegnet": 1.0, "procedural": 1.0, "unlabeled": 2.0}


@pytest.mark.parametrize(
    ("name", "images", "unlabeled", "shares"),
    [
        ("gaussian", True, True, {"gaussian": 1.0}),
        ("unlabeled", True, True, {"unlabeled": 1.0}),
        ("kegnet+", True, False, {"kegnet": 0.5, "procedural": 0.5}),
        ("kegnet+", False, False, {"kegnet": 0.5, "heavy_tailed": 0.5}),
        ("kegnet+", True, True, {"kegnet": 0.25, "procedural": 0.25, "unlabeled": 0.5}),
        ("kegnet+", False, True, {"kegnet": 0.25, "heavy_tailed": 0.25, "unlabeled": 0.5}),
    ],
)
def test_shares_are_fractions_of_what_there_is(name, images, unlabeled, shares):
    assert synthesis.shares_of(name, MIXTURE, images, unlabeled) == shares
