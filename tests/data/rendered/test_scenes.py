"""Scenes: masks against shapes of another description, and what the splits and sizes promise."""

import dataclasses
import pickle

import numpy as np
import pytest

from deconv.data import DataOptions, EvalBatches, TrainBatches, open_source
from deconv.data.rendered import scenes
from deconv.errors import UserError

OPTIONS = DataOptions(source='scenes', image_size=32, channels=3)
FINE = 24  # sample points a pixel along each side


def inside_polygon(x, y, corners):
  """Whether points lie in a polygon, by counting the sides that a ray crosses."""
  inside = np.zeros(x.shape, bool)
  for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0)):
    inside ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay + 1e-300) + ax)
  return inside


def corners(name, x, y, radius, angle):
  """The corners of a shape from its circle: square, triangle, or star of ten corners."""
  if name == 'star':
    inner = np.sin(np.pi / 10) / np.sin(7 * np.pi / 10)  # of a pentagram
    turns, lengths = angle - np.pi / 2 + np.pi / 5 * np.arange(10), np.tile([1, inner], 5) * radius
  elif name == 'triangle':
    turns, lengths = angle - np.pi / 2 + 2 * np.pi / 3 * np.arange(3), np.full(3, radius)
  else:
    turns, lengths = angle + np.pi / 4 + np.pi / 2 * np.arange(4), np.full(4, radius)
  return np.stack([x + lengths * np.cos(turns), y + lengths * np.sin(turns)], axis=-1)


def supersampled(number, size):
  """Shares (classes, size, size) of the pixels of a scene."""
  grid = (np.arange(size * FINE) + 0.5) * 2 / (size * FINE) - 1
  x, y = np.meshgrid(grid, grid)
  classes = np.zeros(x.shape, int)
  for kind, *place in scenes.draw_shapes(number):
    name = scenes.CLASSES[kind]
    if name in ('disc', 'ring'):
      distance = np.hypot(x - place[0], y - place[1]) / place[2]
      covered = (distance < 1) & (distance > (0.5 if name == 'ring' else -1))
    else:
      covered = inside_polygon(x, y, corners(name, *place))
    classes[covered] = kind
  return np.stack([(classes == kind).reshape(size, FINE, size, FINE).mean(axis=(1, 3)) for kind in range(6)])


def test_masks_are_the_class_that_covers_most_of_a_pixel():
  seen = np.zeros(6)
  for number in range(12):
    shares = supersampled(number, 32)
    mask = scenes.render_scene(number, 32)[1]
    best, second = np.sort(shares, axis=0)[[-1, -2]]
    clear = best - second > 0.26  # a share is off by an eighth where an edge runs along the rows of sample points
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(mask[clear], np.argmax(shares, axis=0)[clear])
    # Where it is close, the class is still one of the foremost.
    assert (np.take_along_axis(shares, mask[None].astype(int), 0)[0] >= second - 0.13).all()
    seen += np.bincount(mask.ravel(), minlength=6)
  assert (seen > 200).all()


def test_edges_are_blended_by_the_shares():
  """The visible shares themselves, which blend the colours, against those of the finer grid."""
  for number in (3, 5):
    shapes = scenes.draw_shapes(number)
    grid = ((np.arange(32) + 0.5) / 16 - 1).astype(np.float32)
    x, y = np.meshgrid(grid, grid)
    shares = scenes._visible_shares(shapes, x, y, 32)
    assert shares.sum(axis=0) == pytest.approx(1, abs=1e-6)
    of_class = np.zeros((6, 32, 32))
    for kind, share in zip([0, *(shape[0] for shape in shapes)], shares):
      of_class[kind] += share
    assert of_class == pytest.approx(supersampled(number, 32), abs=0.13)
    assert np.abs(of_class - supersampled(number, 32)).mean() < 2e-3


def test_a_scene_is_the_same_at_every_size():
  for number in (0, 7):
    small, large = (scenes.render_scene(number, size)[1] for size in (64, 192))
    assert (small == large[1::3, 1::3]).mean() > 0.97
    small, large = (scenes.render_scene(number, size)[0].astype(float) for size in (64, 192))
    assert np.abs(small - large.reshape(64, 3, 64, 3, 3).mean(axis=(1, 3))).mean() < 14  # noise is of each size


def test_shapes_overlap_but_none_is_hidden():
  overlaps = 0
  for number in range(60):
    shares = supersampled_layers(number)
    overlaps += shares['hidden'] > 0
    assert 2 <= len(shares['visible']) <= 5 and min(shares['visible']) > 0.3
  assert overlaps > 15


def supersampled_layers(number):
  grid = ((np.arange(128) + 0.5) / 64 - 1).astype(np.float32)
  x, y = np.meshgrid(grid, grid)
  covered = [scenes._depth(shape, x, y) > 0 for shape in scenes.draw_shapes(number)]
  visible, hidden = [], 0
  for layer, area in enumerate(covered):
    above = np.any(covered[layer + 1 :], axis=0) if covered[layer + 1 :] else np.zeros_like(area)
    visible.append((area & ~above).sum() / area.sum())
    hidden += (area & above).sum() > 10
  return {'visible': visible, 'hidden': hidden}


def test_colour_says_nothing_about_the_class():
  """The mean colour of a class over many scenes is that of every other, and differs from its surroundings in each."""
  sums, counts = np.zeros((6, 3)), np.zeros(6)
  for number in range(80):
    image, mask = scenes.render_scene(number, 32)
    present = np.unique(mask)
    means = np.array([image[mask == kind].mean(axis=0) for kind in present])
    sums[present] += means
    counts[present] += 1
    assert max(np.linalg.norm(means[1:] - means[0], axis=1)) > 25
  assert (counts > 20).all()
  assert np.ptp(sums / counts[:, None], axis=0).max() < 45


def test_splits_are_disjoint_and_fixed():
  train, test, everything = (open_source(OPTIONS, split) for split in ('train', 'test', 'all'))
  assert (len(train), len(test), len(everything)) == (4000, 500, 4500)
  np.testing.assert_array_equal(everything[4003]['image'], test[3]['image'])
  np.testing.assert_array_equal(everything[3]['mask'], train[3]['mask'])
  assert len({scenes.render_scene(number, 8)[0].tobytes() for number in (*range(150), *range(4000, 4150))}) == 300
  assert len({source.fingerprint() for source in (train, test, everything)}) == 3
  assert open_source(OPTIONS).fingerprint() == train.fingerprint()
  assert open_source(dataclasses.replace(OPTIONS, channels=1)).fingerprint() != train.fingerprint()
  with pytest.raises(UserError, match="no split 'valid': it has all, test, train"):
    open_source(OPTIONS, 'valid')


def test_items_and_batches():
  source = open_source(OPTIONS)
  item = source[5]
  assert item['image'].shape == (32, 32, 3) and item['mask'].shape == (32, 32)
  assert item['image'].dtype == item['mask'].dtype == np.uint8
  assert source.mask_names == scenes.CLASSES and source.num_classes is None
  np.testing.assert_array_equal(source.load_full(5)['mask'], item['mask'])
  with pytest.raises(IndexError):
    source[4000]
  copy = pickle.loads(pickle.dumps(source))
  np.testing.assert_array_equal(copy[5]['image'], item['image'])

  options = dataclasses.replace(OPTIONS, flip=True)
  batches, plain = TrainBatches(source, 8, 0, options), TrainBatches(source, 8, 0, OPTIONS)
  batch, straight = batches.at(3), plain.at(3)
  mirrored = (batch['image'] == straight['image']).all((1, 2, 3)) == 0
  assert 0 < mirrored.sum() < 8
  for i in range(8):
    way = slice(None, None, -1 if mirrored[i] else 1)
    np.testing.assert_array_equal(batch['mask'][i], straight['mask'][i][:, way])
    np.testing.assert_array_equal(batch['image'][i], straight['image'][i][:, way])
  made = batches.iterate(3)
  np.testing.assert_array_equal(next(made)['mask'], batch['mask'])
  made.close()


def test_an_item_is_rendered_once(monkeypatch):
  source = open_source(OPTIONS)
  first = source[9]
  first['image'] = None  # what a reader does to its dict is not kept
  monkeypatch.setattr(scenes, 'render_scene', None)
  assert source[9]['image'].shape == (32, 32, 3)
  with pytest.raises(TypeError):
    source[10]


def test_no_memory_no_keeping():
  source = open_source(dataclasses.replace(OPTIONS, memory_limit_mb=1))
  source[9]
  assert not source._kept


def test_padding_of_the_last_batch_is_ignored():
  source = open_source(dataclasses.replace(OPTIONS, image_size=8), 'test')
  last = EvalBatches(source, 64).at(7)
  assert last['weight'].sum() == 500 - 7 * 64
  assert (last['mask'][last['weight'] == 0] == 255).all() and (last['mask'][last['weight'] == 1] < 6).all()


def test_patches_have_no_masks():
  with pytest.raises(UserError, match='data.fit=patches cuts images and not their masks'):
    open_source(dataclasses.replace(OPTIONS, fit='patches', class_names=scenes.CLASSES))


def test_grey():
  image = scenes.render_scene(0, 32, 1)[0]
  assert image.shape == (32, 32, 1) and image.std() > 10
