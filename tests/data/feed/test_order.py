"""The order of the images."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np

from deconv.data.feed import order

SEEDS = st.integers(-(2**63), 2**63 - 1)


@given(st.integers(1, 60), st.data(), SEEDS, st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_every_image_at_most_once_an_epoch(num_images, data, seed, epoch):
  batch_size = data.draw(st.integers(1, num_images))
  steps = num_images // batch_size
  seen = np.concatenate(
    [order.epoch_indices(num_images, batch_size, seed, epoch * steps + step) for step in range(steps)]
  )
  assert len(seen) == steps * batch_size == len(set(seen.tolist()))
  assert seen.min() >= 0 and seen.max() < num_images
  if num_images % batch_size == 0:
    assert sorted(seen) == list(range(num_images))


def test_the_numbers_never_change():
  """The order is part of what a resumed run must reproduce: these values are for good."""
  assert order.epoch_indices(10, 5, 0, 0).tolist() == ORDER[0]
  assert order.epoch_indices(10, 5, 0, 3).tolist() == ORDER[1]
  assert order.epoch_indices(10, 5, 2**40 + 1, 0).tolist() == ORDER[2]
  assert order.flips(12, 0, 7).astype(int).tolist() == FLIPS


def test_epochs_seeds_and_both_halves_of_a_seed_matter():
  orders = {tuple(order.epoch_indices(50, 50, seed, step)) for seed in (0, 1, -1, 2**32, 2**33) for step in range(4)}
  assert len(orders) == 20


def test_the_tail_that_is_left_out_changes():
  left = [set(range(11)) - set(order.epoch_indices(11, 10, 3, epoch).tolist()) for epoch in range(12)]
  assert len(set(map(frozenset, left))) > 3


def test_flips_are_fair_and_differ_by_step_and_seed():
  drawn = np.stack([order.flips(64, seed, step) for seed in (0, 1) for step in range(50)])
  assert drawn.dtype == bool and len(np.unique(drawn, axis=0)) == 100
  assert abs(drawn.mean() - 0.5) < 5 * 0.5 / 6400**0.5


def test_a_permutation_cannot_be_spoilt():
  indices = order.epoch_indices(10, 5, 0, 0)
  try:
    indices[0] = 3
  except ValueError:
    pass
  assert order.epoch_indices(10, 5, 0, 0).tolist() == ORDER[0]


ORDER = [[2, 0, 1, 6, 7], [7, 6, 5, 1, 0], [9, 8, 3, 5, 2]]
FLIPS = [1, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0]
