"""Whole held-out pictures: the numbers by hand, which pictures, what stands beside, and the panel that shows them."""

import json

import jax
import numpy as np
import pytest

from deconv import data, plots
from deconv.data import DataOptions, Source
from deconv.errors import UserError
from deconv.evaluators import EVALUATORS
from deconv.evaluators.whole_restoration import classical, panel
from deconv.ops.resample import downsample, upsample_bicubic
from deconv.options import DegradeOptions, EvalOptions
from deconv.options.evaluation import RestorationEvalOptions
from deconv.tasks.capabilities import RestoresPictures
from tests.tasks.small_restorers import INPAINT, KEY, RNG, SUPERRES, build, init, lively, smooth

EVALUATOR = EVALUATORS['whole_restoration']


class Pictures(Source):
  """A source by the book: whole pictures, and as many items cut from the first as it is asked for; counts reading."""

  def __init__(self, pictures, items=0, side=16, eval_split='test'):
    super().__init__('pictures', DataOptions(image_size=side, channels=pictures[0].shape[2], eval_split=eval_split))
    self._pictures, self._items, self.read = pictures, items, []

  def __len__(self):
    return self._items

  def __getitem__(self, index):
    self.read.append(('item', index))
    side = self.image_shape[0]
    return {'image': self._pictures[0][index : index + side, index : index + side]}

  def fingerprint(self):
    return 16 * '0'

  @property
  def num_full(self):
    return len(self._pictures)

  def load_full(self, index):
    self.read.append(('full', index))
    return {'image': self._pictures[index]}


def measure(task, state, source, key=KEY, **options):
  return EVALUATOR.measure(task, state, source, key, EvalOptions(**options))


@pytest.fixture(scope='module')
def superres():
  task = build(**SUPERRES)
  return task, lively(init(task))


@pytest.fixture(scope='module')
def noisy():
  """Takes noise off; at step 0 it returns nearly what it is given."""
  task = build('rednet', degrade__noise_sigma=25.0)
  return task, init(task)


def test_numbers_are_the_means_over_the_pictures(superres):
  """Of any size, cut to what the scale divides."""
  task, state = superres
  images = [smooth(1, 21, 1)[0][:, :18], smooth(1, 26, 1)[0]]
  source = Pictures(images, eval_split='val')
  numbers, pictures, protocol = measure(task, state, source, whole_images=5, tile_overlap=0.5)
  assert source.read == [('full', 0), ('full', 1)]
  assert protocol.pop('whole_seconds') >= 0
  assert protocol == {'split': 'val', 'whole_images': 2, 'tile_overlap': 0.5, 'flips': False, 'quarter_turns': False}
  assert json.loads(json.dumps(protocol)) == protocol
  found = []
  for image in images:
    levels = np.float64(image[: image.shape[0] // 2 * 2])
    inputs = jax.jit(lambda x: downsample(x, 2))(np.asarray(data.to_signed(np.uint8(levels[None]))))
    bicubic = np.asarray(jax.jit(lambda x: upsample_bicubic(x, 2))(inputs))[0]
    for result in (task.predict_image(state, np.asarray(inputs[0])), bicubic):
      rounded = np.round(np.clip((np.float64(result) + 1) * 127.5, 0, 255))
      found.append(10 * np.log10(255**2 / np.mean((rounded - levels)[2:-2, 2:-2] ** 2)))
  assert set(numbers) == {'whole_psnr', 'whole_psnr_baseline', 'whole_ssim', 'whole_ssim_baseline'}
  assert numbers['whole_psnr'] == pytest.approx(np.mean(found[::2]), abs=1e-2)
  assert numbers['whole_psnr_baseline'] == pytest.approx(np.mean(found[1::2]), abs=1e-2)
  assert abs(numbers['whole_psnr'] - numbers['whole_psnr_baseline']) > 0.1
  assert set(pictures) == {'whole_0', 'whole_1'}
  assert all(picture.dtype == np.uint8 and picture.std() > 0 for picture in pictures.values())


def test_no_whole_pictures_are_read_where_none_are_wanted(superres):
  source = Pictures([smooth(1, 26, 1)[0]])
  assert EvalOptions().whole_images == 0
  assert measure(*superres, source) == ({}, {}, {}) and source.read == []


def test_first_pictures_are_measured_and_four_drawn(superres):
  source = Pictures(list(smooth(6, 24, 1)))
  numbers, pictures, protocol = measure(*superres, source, whole_images=5)
  assert protocol['whole_images'] == 5 and source.read == [('full', i) for i in range(5)]
  assert set(pictures) == {'whole_0', 'whole_1', 'whole_2', 'whole_3'}
  fewer = [measure(*superres, Pictures([picture]), whole_images=1)[0]['whole_psnr'] for picture in source._pictures[:5]]
  assert numbers['whole_psnr'] == pytest.approx(np.mean(fewer), rel=1e-5)


def test_a_source_without_whole_pictures_of_its_own_gives_its_items(superres):
  """As the base class has it."""

  class Items(Pictures):
    num_full, load_full = Source.num_full, Source.load_full

  source = Items([smooth(1, 26, 1)[0]], items=3)
  numbers, _, protocol = measure(*superres, source, whole_images=9)
  assert protocol['whole_images'] == 3 and source.read == [('item', i) for i in range(3)] and len(numbers) == 4


def test_each_picture_has_its_own_noise_of_the_key(noisy):
  pytest.importorskip('skimage')
  task, state = noisy
  picture = np.full((24, 24, 1), 128, np.uint8)
  numbers, _, _ = measure(task, state, Pictures([picture]), whole_images=1)
  assert numbers['whole_psnr_baseline'] == pytest.approx(20 * np.log10(255 / 25), abs=0.5)
  assert {'whole_psnr_median', 'whole_psnr_nlm', 'whole_psnr_nlm_default', 'whole_ssim_nlm'} <= set(numbers)
  assert numbers['whole_psnr_nlm'] > numbers['whole_psnr_median'] > numbers['whole_psnr_baseline'] + 3
  assert not [
    name for name in numbers if name.count('baseline') and name not in ('whole_psnr_baseline', 'whole_ssim_baseline')
  ]
  assert measure(task, state, Pictures([picture]), whole_images=1)[0] == numbers
  assert measure(task, state, Pictures([picture]), jax.random.key(1), whole_images=1)[0] != numbers
  twice = measure(task, state, Pictures([picture, picture]), whole_images=2)[0]
  assert twice['whole_psnr_baseline'] != numbers['whole_psnr_baseline']  # the second is not the first over again


def test_another_baseline_than_the_published_one_gives_no_number(superres, noisy):
  source = Pictures([smooth(1, 26, 1)[0]])
  found = measure(*superres, source, whole_images=1)[0]['whole_psnr_baseline']
  _, _, protocol = measure(*superres, source, whole_images=1, published_baseline=found + 0.009)
  assert protocol['published_baseline'] == pytest.approx(found + 0.009)
  with pytest.raises(UserError, match=r'the baseline has [\d.]+ dB .*eval.published_baseline=0'):
    measure(*superres, source, whole_images=1, published_baseline=found - 0.011)
  assert measure(*superres, source, whole_images=1, published_baseline=9.0, self_tests=False)[0]
  pytest.importorskip('skimage')
  task, state = noisy
  white = Pictures([np.full((256, 256, 1), 255, np.uint8)])  # half of the noise is lost where it is clipped
  numbers, _, _ = measure(task, state, white, whole_images=1, published_baseline=0.0)
  assert numbers['whole_psnr_input'] == pytest.approx(20 * np.log10(255 / 25), abs=0.1)
  assert numbers['whole_psnr_baseline'] > numbers['whole_psnr_input'] + 2
  with pytest.raises(UserError, match='the baseline has 20'):
    measure(task, state, white, whole_images=1, published_baseline=20.5)


def test_a_network_of_one_size_gets_the_items():
  pytest.importorskip('skimage')
  task = build(**INPAINT)
  source = Pictures([smooth(1, 26, 1)[0]], items=3)
  numbers, pictures, protocol = measure(task, init(task), source, whole_images=2)
  assert source.read == [('item', 0), ('item', 1)] and protocol['whole_images'] == 2
  assert {'whole_l1_hole', 'whole_l1_hole_baseline', 'whole_l1_hole_biharmonic'} <= set(numbers)
  assert numbers['whole_l1_hole_biharmonic'] < numbers['whole_l1_hole_baseline']  # smooth pictures
  assert set(pictures) == {'whole_0', 'whole_1'}


def test_classical_methods_stand_beside():
  pytest.importorskip('skimage')
  noise = RNG.normal(size=(1, 24, 24, 1)).astype(np.float32) * 25 / 127.5
  found = classical(DegradeOptions(noise_sigma=25.0), noise, None)
  assert set(found) == {'median', 'nlm', 'nlm_default'}
  assert all(image.std() < 0.6 * noise.std() for image in found.values())
  assert set(classical(DegradeOptions(noise_sigma=5.0, noise_sigma_max=9.0), noise, None)) == {'median', 'nlm_default'}
  assert set(classical(DegradeOptions(salt_pepper=0.1), noise, None)) == {'median'}
  assert not classical(DegradeOptions(scale=2), noise, None) and not classical(DegradeOptions(), noise, None)
  hole = np.zeros((1, 24, 24, 1), np.float32)
  hole[:, 8:12, 8:12] = 1
  ramp = np.broadcast_to(np.linspace(-1, 1, 24, dtype=np.float32)[:, None], (1, 24, 24))[..., None]
  filled = classical(DegradeOptions(hole='box'), ramp * (1 - hole), hole)['biharmonic']
  np.testing.assert_allclose(filled, ramp, atol=1e-3)


def test_panel_enlarges_where_the_baseline_errs_most(monkeypatch):
  """Of an 8x12 picture a crop of 2x2, six times as large, below each of input, baseline, result and truth."""
  captions = []
  monkeypatch.setattr(plots, 'caption', lambda image, text: captions.append(text) or image)
  levels = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12, 1)
  truth = np.asarray(data.to_signed(levels))
  guess = truth.copy()
  guess[4:6, 6:8] += 0.5
  parts = [truth[::2, ::2], guess, truth, truth]
  values = {'psnr': 30.0, 'psnr_baseline': 20.0}
  drawn = panel(parts, values, 'bicubic')
  assert captions == [
    'input | bicubic 20.00 dB | network 30.00 dB | truth; below, 6 times as large, where the second errs most'
  ]
  above, below = drawn[2:10], drawn[14:26]
  columns = [slice(2 + 14 * i, 14 + 14 * i) for i in range(4)]
  np.testing.assert_array_equal(above[:, columns[0]], levels[::2, ::2].repeat(2, 0).repeat(2, 1))
  np.testing.assert_array_equal(above[:, columns[3]], levels)
  np.testing.assert_array_equal(below[:, columns[3]], levels[4:6, 6:8].repeat(6, 0).repeat(6, 1))
  np.testing.assert_array_equal(below[:, columns[1]], data.to_uint8(guess[4:6, 6:8]).repeat(6, 0).repeat(6, 1))
  panel(parts, values, '')
  assert captions[1].startswith('input | input | network 30.00 dB | truth')


def test_any_task_that_restores_by_its_held_out_images():
  assert EVALUATOR.needs is RestoresPictures and EVALUATOR.split == 'eval'
  assert RestorationEvalOptions().evaluators == ('whole_restoration',)
