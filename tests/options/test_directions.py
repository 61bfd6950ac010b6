"""Which value of a metric is the best."""

import pytest

from deconv.errors import UserError
from deconv.options import CheckpointOptions
from deconv.options.directions import best_of


@pytest.mark.parametrize(
  'metric, best',
  [
    ('fid', 'min'),
    ('lenet_fid', 'min'),
    ('classifier_kid', 'min'),
    ('pixels_fid_infinity', 'min'),
    ('knn_error', 'min'),
    ('nll', 'min'),
    ('manifold_coverage', 'max'),
    ('lenet_inception_score', 'max'),
    ('whole_psnr', 'max'),
    ('miou', 'max'),
    ('v_rand_best', 'max'),
    ('v_rand_threshold', None),
    ('loss_gen', None),
    ('lenet_fid_real_halves', None),
  ],
)
def test_the_best_value(metric, best):
  assert best_of(metric) == best
  if best:
    assert CheckpointOptions(best_metric=metric).best_value == best
  else:
    with pytest.raises(UserError, match=f"best_metric='{metric}': whether its largest .* set checkpoint.best_is"):
      CheckpointOptions(best_metric=metric)


def test_what_is_said_counts():
  assert CheckpointOptions(best_metric='lenet_fid', best_is='max').best_value == 'max'
  assert CheckpointOptions(best_metric='loss_gen', best_is='min').best_value == 'min'
  assert CheckpointOptions().best_value is None
