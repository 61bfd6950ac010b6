"""What is not finite is named."""

import numpy as np
import pytest

from deconv.training import finite
from deconv.training.finite import NonFiniteError


def test_scalars():
  finite.check_scalars({'loss': np.float32(1.0), 'count': np.int32(3)}, 5, None)
  says = 'step 5 is not finite: a = nan, c = -inf; no checkpoint was written yet'
  with pytest.raises(NonFiniteError, match=says) as error:
    finite.check_scalars({'a': np.nan, 'b': 1.0, 'c': -np.inf}, 5, None)
  assert error.value.step == 5 and error.value.names == ['a', 'c'] and '\n' not in str(error.value)


def test_state():
  good = {'step': np.int32(3), 'w': {'a': np.ones(3, np.float32)}}
  finite.check_state(good, 3, 1)
  bad = {'step': np.int32(3), 'w': {'a': np.array([1, np.inf, 2], np.float32), 'b': np.float32(np.nan)}}
  with pytest.raises(NonFiniteError, match='after step 3 .*: w/a and 1 more; the checkpoint of step 1 is kept'):
    finite.check_state(bad, 3, 1)


def test_the_advice_is_what_the_folder_lets_one_do():
  """With a checkpoint another learning rate needs a flag, and another optimizer does not fit its state."""
  with pytest.raises(NonFiniteError, match='lower optimizer.learning_rate or set optimizer.clip_norm, and start again'):
    finite.check_scalars({'a': np.nan}, 5, None)
  with pytest.raises(
    NonFiniteError, match='lower optimizer.learning_rate and pass --allow_config_change .*another --w'
  ):
    finite.check_scalars({'a': np.nan}, 5, 1)
