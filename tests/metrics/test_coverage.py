"""Class coverage: by hand, and by the classifier on real digits and on a generator that has collapsed."""

import math

import numpy as np
import pytest
from scipy import stats

from deconv import data
from deconv.metrics import coverage


@pytest.mark.parametrize(
  'counts, share, entropy',
  [
    ([10] * 10, 1.0, math.log(10)),
    ([100] + [0] * 9, 0.1, 0.0),
    ([50, 50, 0, 0], 0.5, math.log(2)),
    # Of 1,000 samples a class of ten needs 10: nine has too few.
    ([981, 10, 9, 0, 0, 0, 0, 0, 0, 0], 0.2, -sum(p * math.log(p) for p in (0.981, 0.01, 0.009))),
  ],
)
def test_by_hand(counts, share, entropy):
  numbers = coverage.summarize(counts)
  assert numbers['coverage'] == pytest.approx(share) and numbers['entropy'] == pytest.approx(entropy)


def test_classifier_tells_digits_apart():
  source = data.open_source(data.DataOptions(image_size=16), 'all')
  drawn = source.take(np.random.default_rng(0).permutation(len(source))[:1000])
  (reference, heldout), labels = (np.split(drawn[name], [800]) for name in ('image', 'label'))
  numbers, protocol = coverage.measure(heldout, reference, heldout, labels, 10)
  assert numbers['classifier_accuracy'] > 0.95 and numbers['coverage'] == 1 and numbers['entropy'] > 2.2
  assert sum(protocol['class_counts']) == 200 and '0.01 of the samples' in protocol['coverage_is']
  # The classifier's count of each class is about the true one: features and labels belong together.
  assert np.abs(np.bincount(labels[1], minlength=10) - protocol['class_counts']).max() <= 6
  ones = reference[labels[0] == 1][:40]
  collapsed, _ = coverage.measure(ones, reference, heldout, labels, 10)
  assert collapsed['coverage'] == pytest.approx(0.1) and collapsed['entropy'] < 0.3


def test_large_images_are_averaged_down():
  images = np.zeros((1, 64, 64, 3), np.uint8)
  images[0, :4, :4] = [255, 0, 51]
  features = coverage._features(images)
  assert features.shape == (1, 16 * 16 * 3)
  np.testing.assert_allclose(features[0, :6], [1, 0, 0.2, 0, 0, 0], atol=1e-6)


def test_modes_and_their_divergence():
  assert coverage.modes([10, 10, 10], [5, 5, 5]) == {'modes': 3, 'mode_kl': pytest.approx(0)}
  assert coverage.modes([7, 0, 0, 0], [5, 5, 5, 5]) == {'modes': 1, 'mode_kl': pytest.approx(np.log(4))}
  found = coverage.modes([30, 10], [20, 60])
  assert found == {'modes': 2, 'mode_kl': pytest.approx(stats.entropy([0.75, 0.25], [0.25, 0.75]))}
  assert coverage.modes([1, 1], [1, 0]) == {'modes': 1, 'mode_kl': np.inf}
  with pytest.raises(ValueError, match='same classes'):
    coverage.modes([1, 1], [1, 1, 1])
