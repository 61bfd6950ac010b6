"""The flags of a completion: every one has a meaning, and values without one are refused in a sentence."""

import pytest

from deconv.errors import UserError
from deconv.options.completion import CompletionOptions
from deconv.options.options import documentation


def test_defaults_are_those_of_the_paper():
  options = CompletionOptions()
  assert (options.window, options.prior_weight, options.iterations) == (7, 0.003, 1500)  # Yeh et al. 2017, section 4
  assert all(documentation(CompletionOptions).values())


@pytest.mark.parametrize(
  'field, value, sentence',
  [
    ('hole', 'none', "hole is 'none'"),
    ('hole', 'center', "did you mean 'centre'"),
    ('hole_share', 1.0, 'hole_share is 1.0: it must be above 0 and below 1'),
    ('window', 6, 'window=6 must be odd'),
    ('window', 1, 'window=1 must be at least 3'),
    ('restarts', 0, 'restarts=0 must be at least 1'),
    ('iterations', 0, 'iterations=0 must be at least 1'),
    ('learning_rate', 0.0, 'learning_rate=0.0 must be above 0'),
    ('prior_weight', -1.0, 'prior_weight=-1.0 must not be negative'),
  ],
)
def test_refused(field, value, sentence):
  with pytest.raises(UserError, match=sentence):
    CompletionOptions(**{field: value})
