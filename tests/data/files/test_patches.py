"""Patches of whole images: the grid, small and broken images, files."""

import io
import logging

import numpy as np
from PIL import Image
import pytest

from deconv.data import DataOptions, EvalBatches, TrainBatches, open_source
from deconv.data.files import patches
from deconv.errors import UserError


def picture(height, width, seed=0):
  return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def folder(path, **sizes):
  for number, (name, size) in enumerate(sizes.items()):
    Image.fromarray(picture(*size, number)).save(path / f'{name}.png')
  return path


def opened(path, **fields):
  return open_source(
    DataOptions(**{'source': 'folder', 'path': str(path), 'channels': 3, 'image_size': 16, 'fit': 'patches', **fields})
  )


def test_grid_covers_the_image_evenly():
  assert patches._starts(16, 16, 16) == [0]
  assert patches._starts(48, 16, 16) == [0, 16, 32]
  assert patches._starts(33, 16, 16) == [0, 8, 17]
  assert patches._starts(7, 16, 16) == [0]
  for length in range(16, 90):
    for stride in (1, 5, 16):
      starts = patches._starts(length, 16, stride)
      assert starts[0] == 0 and starts[-1] == length - 16
      assert len(starts) == 1 or (np.diff(starts).min() >= 1 and np.diff(starts).max() <= stride)


def test_patches_are_pixels_of_the_files(tmp_path):
  source = opened(folder(tmp_path, a=(32, 48), b=(20, 16), c=(9, 30)))
  assert [len(source), source.num_full] == [6 + 2 + 2, 3]
  first = picture(32, 48, 0)
  for index, (top, left) in enumerate([(0, 0), (0, 16), (0, 32), (16, 0), (16, 16), (16, 32)]):
    np.testing.assert_array_equal(source[index]['image'], first[top : top + 16, left : left + 16])
  np.testing.assert_array_equal(source[7]['image'], picture(20, 16, 1)[4:])
  mirrored = np.concatenate([picture(9, 30, 2), picture(9, 30, 2)[:1:-1]])[:16]
  np.testing.assert_array_equal(source[9]['image'], mirrored[:, 14:])
  np.testing.assert_array_equal(source.load_full(1)['image'], picture(20, 16, 1))
  many = source.load([9, 0, 7])
  for index, item in zip([9, 0, 7], many):
    np.testing.assert_array_equal(item['image'], source[index]['image'])
  with pytest.raises(IndexError):
    source[10]


def test_stride_makes_more_and_another_fingerprint(tmp_path):
  folder(tmp_path, a=(32, 48))
  plain, dense = opened(tmp_path), opened(tmp_path, patch_stride=8)
  assert (len(plain), len(dense)) == (6, 15)
  assert plain.fingerprint() != dense.fingerprint()
  np.testing.assert_array_equal(dense[1]['image'], picture(32, 48)[:16, 8:24])


def test_scaled_copies_follow_their_image(tmp_path):
  """As Pillow's bicubic makes them, of sides that are rounded up; what is evaluated has none."""
  folder(tmp_path, a=(21, 40), b=(16, 16))
  plain, source = opened(tmp_path), opened(tmp_path, patch_scales=(0.9, 0.5))
  sizes = [(21, 40), (19, 36), (11, 20)]
  counts = [np.prod([len(patches._starts(side, 16, 16)) for side in size]) for size in sizes]
  assert (len(plain), len(source)) == (counts[0] + 1, sum(counts) + 3) and source.num_full == 2
  for number, size in enumerate(sizes):
    whole = np.asarray(Image.fromarray(picture(21, 40)).resize(size[::-1], Image.Resampling.BICUBIC))
    last = source[int(sum(counts[: number + 1])) - 1]['image']
    whole = np.pad(whole, ((0, max(0, 16 - size[0])), (0, 0), (0, 0)), mode='symmetric')
    np.testing.assert_array_equal(last, whole[-16:, -16:])
  order = [len(source) - 3, 0, len(source) - 1, 3]
  for index, item in zip(order, source.load(order)):
    np.testing.assert_array_equal(item['image'], source[index]['image'])
  assert source.fingerprint() != plain.fingerprint()
  held_out = open_source(source.options, 'all')
  assert len(held_out) == len(plain) and held_out.fingerprint() == plain.fingerprint()
  (tmp_path / 'a.png').unlink()
  np.testing.assert_array_equal(source[4]['image'], picture(16, 16, 1))  # the next image, at its own size
  for scales in ((1.0,), (0.0,), (0.5, 0.5)):
    with pytest.raises(UserError, match='data.patch_scales'):
      DataOptions(fit='patches', patch_scales=scales)
  with pytest.raises(UserError, match='data.patch_scales.* has no effect'):
    DataOptions(patch_scales=(0.5,))


@pytest.mark.parametrize('ending', ['jpg', 'png', 'webp'])
def test_sizes_are_read_as_the_pixels_are_turned(tmp_path, ending):
  exif = Image.Exif()
  exif[0x0112] = 6
  Image.fromarray(picture(16, 32)).save(tmp_path / f'a.{ending}', exif=exif)
  source = opened(tmp_path)
  assert source.load_full(0)['image'].shape == (32, 16, 3)
  assert len(source) == 2 and source[1]['image'].shape == (16, 16, 3)


def test_broken_files(tmp_path):
  folder(tmp_path, a=(16, 32), b=(16, 32), c=(16, 16))
  whole = (tmp_path / 'b.png').read_bytes()
  (tmp_path / 'b.png').write_bytes(whole[: len(whole) // 2])  # its head is whole
  (tmp_path / 'd.png').write_bytes(b'no image')
  source = opened(tmp_path)
  assert len(source) == 5
  weights = np.concatenate([batch['weight'] for batch in EvalBatches(source, 2)])
  assert weights.tolist() == [1, 1, 0, 0, 1, 0]
  np.testing.assert_array_equal(source[2]['image'], picture(16, 16, 2))  # the next image that can be read
  with pytest.raises(UserError, match='d.png'):
    opened(tmp_path, on_broken='error')


@pytest.mark.parametrize('kind', ['thread', 'process'])
def test_a_truncated_file_does_not_end_training_from_workers(tmp_path, kind, caplog):
  folder(tmp_path, a=(32, 32), b=(32, 48), c=(32, 32))
  whole = (tmp_path / 'b.png').read_bytes()
  (tmp_path / 'b.png').write_bytes(whole[: len(whole) // 2])  # its head is whole, so its patches are on the list
  fields = dict(memory_limit_mb=0, workers=2, worker_kind=kind)
  source = opened(tmp_path, **fields)
  batches = TrainBatches(source, 7, 0, source.options)
  iterator = batches.iterate()
  with caplog.at_level(logging.WARNING, 'absl'):
    try:
      made = [next(iterator)['image'] for _ in range(6)]
    finally:
      iterator.close()
  assert len(source) == 4 + 6 + 4 and set(source.broken) == {4, 5, 6, 7, 8, 9}
  assert sum('b.png cannot be decoded' in record.getMessage() for record in caplog.records) == 1
  other = TrainBatches(opened(tmp_path), 7, 0, opened(tmp_path).options)  # all of it in memory
  for step, images in enumerate(made):
    np.testing.assert_array_equal(images, other.at(step)['image'])
  weights = np.concatenate([batch['weight'] for batch in EvalBatches(opened(tmp_path, **fields), 7)])
  assert weights.tolist() == [1] * 4 + [0] * 6 + [1] * 4
  with pytest.raises(UserError, match='b.png in .* cannot be decoded'):
    strict = opened(tmp_path, on_broken='error', **fields)
    iterator = TrainBatches(strict, 7, 0, strict.options).iterate()
    try:
      for _ in range(2):
        next(iterator)
    finally:
      iterator.close()


@pytest.mark.parametrize('orientation', [0, 5, 8, 9, 300])
def test_sizes_agree_with_pixels_where_the_orientation_is_none(tmp_path, orientation):
  exif = Image.Exif()
  exif[0x0112] = orientation
  Image.fromarray(picture(16, 48)).save(tmp_path / 'a.png', exif=exif)
  source = opened(tmp_path)
  assert source.load_full(0)['image'].shape[:2] == source.full_size(0)
  assert [source[i]['image'].shape for i in range(len(source))] == [(16, 16, 3)] * 3


def test_an_image_that_has_become_smaller_is_broken(tmp_path):
  source = opened(folder(tmp_path, a=(16, 48), b=(16, 16), c=(16, 32)))
  Image.fromarray(picture(16, 32)).save(tmp_path / 'a.png')
  Image.fromarray(picture(9, 32)).save(tmp_path / 'c.png')  # which one patch a column still covers
  for index in range(3):
    np.testing.assert_array_equal(source[index]['image'], picture(16, 16, 1))
  assert set(source.broken) == {0, 1, 2} and 'smaller than' in source.broken[2]
  assert source[5]['image'].shape == (16, 16, 3)


def test_images_that_are_gone_are_a_mistake_and_no_endless_search(tmp_path):
  source = opened(folder(tmp_path, a=(16, 16), b=(16, 32)))
  for name in 'ab':
    (tmp_path / f'{name}.png').unlink()
  with pytest.raises(UserError, match='none of the images in .* can be decoded'):
    source[0]
  assert set(source.broken) >= {0, 1}


def test_any_source():
  source = open_source(DataOptions(source='digits', image_size=4, channels=3, fit='patches'), 'test')
  assert len(source) == 4 * 297 and source[0]['image'].shape == (4, 4, 3)
  full = source.load_full(0)['image']
  np.testing.assert_array_equal(source[3]['image'], full[4:, 4:])
  with pytest.raises(UserError, match='data.fit=patches keeps all of it'):
    DataOptions(fit='patches', crop=8)


def test_grey_of_a_colour_file(tmp_path):
  source = opened(folder(tmp_path, a=(16, 16)), channels=1)
  file = io.BytesIO()
  Image.fromarray(picture(16, 16)).convert('L').save(file, 'PNG')
  np.testing.assert_array_equal(source[0]['image'][..., 0], np.asarray(Image.open(file)))
