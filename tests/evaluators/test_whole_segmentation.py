"""Whole held-out pictures: numbers against scikit-learn, tiles, what is drawn, and the protocol."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.metrics import accuracy_score, jaccard_score

from deconv import data, plots
from deconv.evaluators import EVALUATORS
from deconv.metrics import segmentation as metrics
from deconv.options import Experiment
from deconv.options.evaluation import SegmentationEvalOptions
from deconv.tasks import TASKS
from deconv.tasks.capabilities import PredictsClasses

KEY = jax.random.key(0)
EVALUATOR = EVALUATORS['whole_segmentation']
NAMES = ('black', 'red', 'green')


class Painter(PredictsClasses):
  """Has no network: the class of a pixel is its red level; counts the pictures that it sees."""

  class_names, sides = NAMES, (8, 8)

  def __init__(self):
    self.seen = []

  def predict_image(self, state, image):
    self.seen.append(image.shape)
    return np.eye(3, dtype=np.float32)[image[..., 0]]

  def count_classes(self, masks, classes):
    return {
      'confusion': metrics.confusion(masks, classes, 3),
      'boundary': metrics.boundary_counts(masks, classes, 3, 1),
    }

  def summarize(self, sums):
    return metrics.summarize(sums['confusion'], sums['boundary'], self.class_names)


class Pictures(data.Source):
  """Pictures of sizes of their own; their items, at the size of the network, are not to be asked for.

  Args:
    pictures: list of (image uint8 (h, w, 3), mask uint8 (h, w)).
  """

  def __init__(self, pictures, **fields):
    super().__init__(
      'pictures', data.DataOptions(image_size=8, channels=3, class_names=NAMES, **fields), mask_names=NAMES
    )
    self.pictures = pictures

  def __len__(self):
    return len(self.pictures)

  def load_full(self, index):
    image, mask = self.pictures[index]
    return {'image': image, 'mask': mask}


def draw(number, seed=0):
  """A source of pictures that say the right class at three pixels of four, and a tenth of whose pixels has no truth."""
  rng, pictures = np.random.default_rng(seed), []
  for _ in range(number):
    height, width = rng.integers(5, 30, 2)
    mask, wrong = rng.integers(0, 3, (2, height, width)).astype(np.uint8)
    said = np.where(rng.random(mask.shape) < 0.25, wrong, mask)
    pictures.append(
      (
        np.repeat(said[..., None], 3, axis=-1),
        np.where(rng.random(mask.shape) < 0.1, data.IGNORE, mask).astype(np.uint8),
      )
    )
  return Pictures(pictures)


def measure(task, source, **options):
  return EVALUATOR.measure(task, None, source, KEY, SegmentationEvalOptions(**options))


def test_numbers_are_those_of_all_pixels_of_the_first_pictures():
  task, source = Painter(), draw(5)
  numbers, _, _ = measure(task, source, whole_images=3)
  assert task.seen == [image.shape for image, _ in source.pictures[:3]]  # at their own size, once each
  truth = np.concatenate([mask.ravel() for _, mask in source.pictures[:3]])
  said = np.concatenate([image[..., 0].ravel() for image, _ in source.pictures[:3]])[truth != data.IGNORE]
  truth = truth[truth != data.IGNORE]
  assert numbers['whole_miou'] == pytest.approx(jaccard_score(truth, said, average='macro'))
  assert numbers['whole_pixel_accuracy'] == pytest.approx(accuracy_score(truth, said))
  assert 0.7 < numbers['whole_pixel_accuracy'] < 0.95
  assert {'whole_boundary_iou', 'whole_iou_red'} <= set(numbers)
  assert all(name.startswith('whole_') and isinstance(value, float) for name, value in numbers.items())


def test_no_more_than_there_are():
  task, source = Painter(), draw(2)
  numbers, pictures, protocol = measure(task, source, whole_images=100)
  assert len(task.seen) == protocol['whole_images'] == 2 and set(pictures) == {'whole_0', 'whole_1'}
  assert numbers == measure(task, source, whole_images=2)[0]


def test_nothing_is_read_where_no_pictures_are_asked_for():
  task = Painter()
  assert measure(task, None, whole_images=0) == ({}, {}, {}) == measure(task, None)
  assert not task.seen


def test_the_first_eight_are_drawn():
  source = draw(10)
  numbers, pictures, protocol = measure(Painter(), source, whole_images=10)
  assert list(pictures) == [f'whole_{i}' for i in range(8)] and protocol['whole_images'] == 10
  for i, (image, mask) in enumerate(source.pictures[:8]):
    np.testing.assert_array_equal(
      pictures[f'whole_{i}'], plots.segmentation_panel(image[None], mask[None], image[None, ..., 0], NAMES)
    )
  assert numbers['whole_miou'] != measure(Painter(), source, whole_images=8)[0]['whole_miou']


def test_protocol():
  source = Pictures(draw(2).pictures, eval_split='val')
  _, _, protocol = measure(Painter(), source, whole_images=2, tile_overlap=0.5, flips=True, scales=(1.0, 1.5))
  assert list(protocol.items()) == [
    ('split', 'val'),
    ('whole_images', 2),
    ('tile', 8),
    ('tile_overlap', 0.5),
    ('flips', True),
    ('scales', [1.0, 1.5]),
  ]
  assert json.loads(json.dumps(protocol)) == protocol


def test_any_task_that_predicts_classes_by_its_held_out_pictures():
  assert EVALUATOR.needs is PredictsClasses and EVALUATOR.split == 'eval'


# The task itself, with a network.


@pytest.fixture(scope='module', name='trained')
def _trained():
  """A state of a small U-Net."""
  return make_task().init(KEY, None)


def make_task(**evaluation):
  options = Experiment.from_config(
    {
      'task': 'segmentation',
      'model': {'name': 'unet', 'depth': 1, 'width': 2, 'convs': (1,)},
      'data': {'image_size': 8, 'channels': 3, 'class_names': NAMES},
      'eval': {'whole_images': 2, **evaluation},
    }
  )
  return TASKS['segmentation'](options, optax.sgd, None)


def of_levels(number, seed=0):
  """Pictures of random levels, larger and smaller than a tile."""
  rng = np.random.default_rng(seed)
  return Pictures(
    [
      (rng.integers(0, 256, (*shape, 3), dtype=np.uint8), rng.integers(0, 3, shape, dtype=np.uint8))
      for shape in ((20, 13), (8, 8), (5, 30))[:number]
    ]
  )


@pytest.mark.parametrize('evaluation', [{}, {'flips': True, 'scales': (1.0, 0.5), 'tile_overlap': 0.5}])
def test_experiment_says_how_pictures_are_predicted(trained, evaluation):
  task, source = make_task(**evaluation), of_levels(3)
  numbers, pictures, protocol = EVALUATOR.measure(task, trained, source, KEY, task.options.eval)
  assert protocol == {
    'split': 'test',
    'whole_images': 2,
    'tile': 8,
    'tile_overlap': task.options.eval.tile_overlap,
    'flips': task.options.eval.flips,
    'scales': list(task.options.eval.scales),
  }
  assert list(pictures) == ['whole_0', 'whole_1']
  truth, said = [], []
  for image, mask in source.pictures[:2]:
    probabilities = task.predict_image(trained, image)
    assert probabilities.shape == (*mask.shape, 3)
    truth.append(mask.ravel())
    said.append(probabilities.argmax(-1).ravel())
  assert numbers['whole_pixel_accuracy'] == pytest.approx(np.mean(np.concatenate(truth) == np.concatenate(said)))
  assert 'whole_cross_entropy' not in numbers  # classes are counted, not probabilities


def test_a_picture_of_one_tile_is_measured_as_a_batch_is(trained):
  task, source = make_task(whole_images=1), Pictures(of_levels(2).pictures[1:])
  numbers, _, _ = EVALUATOR.measure(task, trained, source, KEY, task.options.eval)
  image, mask = source.pictures[0]
  sums = jax.jit(task.eval_step)(trained, {'image': jnp.asarray(image[None]), 'mask': jnp.asarray(mask[None])}, KEY)
  expected = task.summarize(jax.tree.map(np.asarray, sums))
  assert numbers == {
    f'whole_{name}': pytest.approx(value, nan_ok=True) for name, value in expected.items() if name != 'cross_entropy'
  }
