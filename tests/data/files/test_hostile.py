"""No file costs more than its place in the list of broken files: kinds of files, limits, formats, links, threads."""

import concurrent.futures
import dataclasses
import hashlib
import logging
import os
import pathlib
import re
import sys
import tracemalloc
import zipfile

import numpy as np
from PIL import Image
import pytest

from deconv.data import DataOptions, EvalBatches, TrainBatches, open_source, read_picture
from deconv.data.feed import memory, prefetch
from deconv.data.files import decode, opening, trees
from deconv.data.files.mask_coding import read_palette
from deconv.errors import UserError
from tests.data import pictures
from tests.data.files import hostile

DATA = pathlib.Path(__file__).resolve().parents[3] / 'deconv' / 'data'
OPTIONS = DataOptions(source='folder', image_size=8, channels=3)


def within(seconds, call):
  """The result of a call that does not hang."""
  pool = concurrent.futures.ThreadPoolExecutor(1)
  try:
    return pool.submit(call).result(seconds)
  finally:
    pool.shutdown(wait=False)


def folder(tmp_path, files, **fields):
  return dataclasses.replace(OPTIONS, path=pictures.write_folder(tmp_path / 'images', files), **fields)


def test_there_is_one_road_for_pictures():
  """Nobody else opens one, nor reads the file of one."""
  for path in DATA.rglob('*.py'):
    text = path.read_text()
    assert path.name == 'opening.py' or 'Image.open(' not in text, path
    if path.name in ('folders.py', 'masks.py', 'mask_files.py', 'encoded.py', 'own_picture.py', 'photos.py'):
      assert not re.search(r'(?<![\w.])open\(', text), path


def test_what_is_no_ordinary_file_is_broken_and_named_once(tmp_path, caplog):
  options = folder(tmp_path, pictures.numbered(3))
  names = hostile.make_no_files(tmp_path / 'images')

  def read():
    source = open_source(options)
    assert len(source.fingerprint()) == len(source.content_fingerprint()) == 16
    weights = np.concatenate([batch['weight'] for batch in EvalBatches(source, 4)])
    return source, [pictures.number(source[i]['image']) for i in range(len(source))], weights

  with caplog.at_level(logging.WARNING, 'absl'):
    source, numbers, weights = within(60, read)
  assert numbers == [0, 1, 2] + [0] * 8 and weights.sum() == 3 and len(source.broken) == 8
  for name in names:
    assert sum(f': {name} cannot' in record.getMessage() for record in caplog.records) == 1
  reasons = dict(zip(names, (source.broken[i] for i in range(3, 11))))
  for name in ('device.png', 'endless.png', 'fifo.png', 'socket.png'):
    assert 'not an ordinary file' in reasons[name]
  assert 'FileNotFoundError' in reasons['nowhere.png'] and 'OSError' in reasons['self.png']


def test_links_to_ordinary_files_are_followed(tmp_path):
  options = folder(tmp_path, pictures.numbered(1))
  (tmp_path / 'far').write_bytes(pictures.numbered(2)['000001.png'])
  os.symlink(tmp_path / 'far', tmp_path / 'images' / 'near.png')
  assert [pictures.number(item['image']) for item in open_source(options).load(range(2))] == [0, 1]


def test_a_fifo_is_no_archive_and_no_picture(tmp_path):
  os.mkfifo(tmp_path / 'a.zip')
  with pytest.raises(UserError, match='a.zip is not an ordinary file'):
    within(20, lambda: open_source(DataOptions(source='zip', path=str(tmp_path / 'a.zip'))))
  with pytest.raises(UserError, match='cannot read .*a.zip.: it is not an ordinary file'):
    within(20, lambda: read_picture(str(tmp_path / 'a.zip')))
  with pytest.raises(UserError, match='data.palette: .* cannot be read as text .it is not an ordinary file'):
    within(20, lambda: read_palette(str(tmp_path / 'a.zip')))


KINDS = ('PNG', 'JPEG', 'WEBP', 'GIF', 'BMP', 'PPM')


@pytest.mark.parametrize('kind', KINDS)
def test_a_picture_with_too_many_pixels_is_broken(tmp_path, kind):
  data = pictures.encode(pictures.smooth(30, 40), kind)
  fits, too_many = (dataclasses.replace(OPTIONS, max_pixels=limit) for limit in (1200, 1199))
  assert decode.decode(data, fits).shape == (8, 8, 3) and decode.full_size(data, fits) == (30, 40)
  for call in (decode.decode, decode.decode_full, decode.full_size):
    with pytest.raises(decode.BrokenImage, match='^40 x 30 pixels are more than data.max_pixels=1199$'):
      call(data, too_many)
  path = tmp_path / 'own'
  path.write_bytes(data)
  assert read_picture(path, fits).shape[:2] == (30, 40)
  with pytest.raises(UserError, match='max_pixels=1199'):
    read_picture(path, too_many)


def test_the_limit_of_pixels_holds_for_every_source(tmp_path):
  files = {**pictures.numbered(2), 'large.png': hostile.huge_png()}
  path, archive = folder(tmp_path, files), pictures.write_zip(tmp_path / 'a.zip', files)
  for options in (path, dataclasses.replace(OPTIONS, source='zip', path=archive)):
    source = open_source(options)
    assert pictures.number(source[2]['image']) == 0 and '13300 x 13300 pixels' in source.broken[2]
    with pytest.raises(decode.BrokenImage, match='data.max_pixels'):
      source.load_full(2)
    patches = open_source(dataclasses.replace(options, fit='patches'))
    assert len(patches) == 2
    with pytest.raises(UserError, match='large.png in .* cannot be decoded .13300 x 13300'):
      open_source(dataclasses.replace(options, on_broken='error'))[2]
  masks = {
    f'{kind}/{i}.png': pictures.encode(np.full((8, 8), i, np.uint8)) for kind in ('images', 'masks') for i in range(2)
  }
  masks['masks/1.png'] = hostile.huge_png()
  options = DataOptions(source='masks', path=pictures.write_folder(tmp_path / 'set', masks), class_names=('a', 'b'))
  source = open_source(options)
  assert (source[1]['mask'] == 0).all() and 'mask: 13300 x 13300 pixels' in source.broken[1]


def test_a_file_of_too_many_bytes_is_broken(tmp_path):
  options = folder(tmp_path, {**pictures.numbered(2), 'large.png': pictures.numbered(1)['000000.png']}, max_file_mb=1)
  os.truncate(tmp_path / 'images' / 'large.png', 3 * 2**30)  # most of it a hole
  tracemalloc.start()
  try:
    source = open_source(options)
    assert pictures.number(source[2]['image']) == 0
    assert tracemalloc.get_traced_memory()[1] < 2**23
  finally:
    tracemalloc.stop()
  assert 'it has 3072.0 MiB, more than data.max_file_mb=1' in source.broken[2]
  with pytest.raises(UserError, match='3072.0 MiB, more than data.max_file_mb=256'):
    read_picture(tmp_path / 'images' / 'large.png')
  assert opening.read_file('/proc/self/maps', 2**20)  # says that it has no bytes
  with pytest.raises(opening.NoOrdinaryFile):
    opening.read_file('/proc/self/maps', 10)


@pytest.mark.parametrize('method', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_of_too_many_bytes_is_broken(tmp_path, method):
  files = {**pictures.numbered(2), 'large.png': bytes(3 * 2**20)}
  path = pictures.write_zip(tmp_path / 'a.zip', files, method)
  options = dataclasses.replace(OPTIONS, source='zip', path=path, max_file_mb=1)
  source = open_source(options)
  assert [pictures.number(source[i]['image']) for i in range(3)] == [0, 1, 0]
  assert 'it has 3.0 MiB, more than data.max_file_mb=1' in source.broken[2]
  tree = trees.Zip(path)
  assert tree.read('large.png', 2**22) == files['large.png'] and tree.read('000001.png', 2**20) == files['000001.png']


def test_an_archive_that_lies_about_sizes_costs_little(tmp_path):
  """zipfile would decompress all of it before it looks at how much it was to be."""
  path = pictures.write_zip(tmp_path / 'a.zip', {'a.png': bytes(2**27)}, zipfile.ZIP_LZMA)
  tree = trees.Zip(path)
  tree._open()[1]['a.png'].file_size = 100
  tracemalloc.start()
  try:
    with pytest.raises(zipfile.BadZipFile):
      tree.read('a.png', 2**20)
    assert tracemalloc.get_traced_memory()[1] < 10**8
  finally:
    tracemalloc.stop()


def test_formats_that_are_not_on_the_list_are_not_tried(tmp_path, monkeypatch):
  pixels = pictures.smooth(8, 8)
  others = {kind: pictures.encode(pixels, kind) for kind in ('EPS', 'TIFF', 'ICO', 'TGA', 'PCX', 'SGI')}
  tried = []
  for kind in others:
    accept = Image.OPEN[kind][1]
    monkeypatch.setitem(Image.OPEN, kind, (lambda *args, kind=kind: tried.append(kind), accept))
  for data in others.values():
    with pytest.raises(decode.BrokenImage, match='^not an image file$'):
      decode.decode(data, OPTIONS)
  for kind in set(others) - {'TIFF'}:
    (tmp_path / 'a.png').write_bytes(others[kind])
    with pytest.raises(UserError, match='not an image file'):
      read_picture(tmp_path / 'a.png')
  assert not tried
  for kind in ('GIF', 'BMP'):  # with the wrong ending, as the net has them
    assert decode.decode(pictures.encode(Image.fromarray(pixels[..., 0]), kind), OPTIONS).shape == (8, 8, 3)


def test_a_pgm_is_grey_and_a_float_map_is_broken(tmp_path):
  """Of one byte, of two, and in plain text; nobody knows where black and white lie in floating point numbers."""
  levels = np.array([[0, 100, 255], [7, 8, 9]], np.uint16)
  head = b'P5\n# made by hand\n3 2\n'
  files = {
    'a.pgm': head + b'255\n' + levels.astype(np.uint8).tobytes(),
    'b.pgm': head + b'65535\n' + (257 * levels).astype('>u2').tobytes(),
    'c.pgm': b'P2 3 2 255 ' + ' '.join(map(str, levels.flat)).encode(),
    'd.ppm': pictures.encode(np.repeat(levels[..., None], 3, axis=-1).astype(np.uint8), 'PPM'),
    'e.bmp': pictures.encode(levels.astype(np.uint8), 'BMP'),
  }
  source = open_source(folder(tmp_path, files, channels=1, image_size=2))
  assert len(source) == 5 and not source.broken
  for index in range(5):
    np.testing.assert_array_equal(source.load_full(index)['image'][..., 0], levels)
    assert source.full_size(index) == (2, 3)
  np.testing.assert_array_equal(read_picture(tmp_path / 'images' / 'b.pgm')[..., 0], 257 * levels)
  floats = b'Pf\n3 2\n-1.0\n' + levels.astype('<f4').tobytes()
  for data, reason in ((floats, 'floating point'), (files['a.pgm'][:-2], 'truncated|not enough'), (b'P5 3 2 ', 'EOF')):
    with pytest.raises(decode.BrokenImage, match=reason):
      decode.decode(data, OPTIONS)


@pytest.mark.parametrize(
  'make', [hostile.huge_png, hostile.large_text_png, hostile.bad_chunk_png, hostile.bad_checksum_png, lambda: b'']
)
def test_an_own_picture_that_is_broken_is_one_sentence(tmp_path, make):
  (tmp_path / 'a.png').write_bytes(make())
  with pytest.raises(UserError, match='^cannot read .*a.png.: it is not a picture that can be decoded [^\n]*$'):
    read_picture(str(tmp_path / 'a.png'))
  with pytest.raises(decode.BrokenImage):
    decode.decode(make(), OPTIONS)


def test_own_pictures_of_other_kinds(tmp_path):
  levels = np.random.RandomState(0).rand(5, 7).astype(np.float32)
  Image.fromarray(levels).save(tmp_path / 'a.tif')
  with pytest.raises(UserError, match='floating point numbers'):
    read_picture(tmp_path / 'a.tif')
  for kind in ('TIFF', 'BMP', 'WEBP'):
    pixels = pictures.smooth(5, 7)
    (tmp_path / 'b').write_bytes(pictures.encode(pixels, kind, **({'lossless': True} if kind == 'WEBP' else {})))
    np.testing.assert_array_equal(read_picture(tmp_path / 'b'), pixels)
  exif = Image.Exif()
  exif[274] = 6
  Image.fromarray(pixels[..., 0]).save(tmp_path / 'c.tif', exif=exif)
  np.testing.assert_array_equal(read_picture(tmp_path / 'c.tif')[..., 0], np.rot90(pixels[..., 0], -1))
  for path in (tmp_path, tmp_path / 'nowhere'):
    with pytest.raises(UserError, match='cannot read'):
      read_picture(path)


def test_a_transparent_level_of_sixteen_bits(tmp_path):
  levels = np.array([[0, 258, 257], [300, 65535, 514]], np.uint16)
  data = hostile.grey_png(levels, 16, hostile.chunk(b'tRNS', (257).to_bytes(2, 'big')))
  found = decode.decode_full(data, dataclasses.replace(OPTIONS, background=(1, 2, 3)))
  assert found[0, 2].tolist() == [1, 2, 3]
  np.testing.assert_array_equal(found[..., 0], [[0, 1, 1], [1, 255, 2]])
  (tmp_path / 'a.png').write_bytes(data)
  own = read_picture(tmp_path / 'a.png')
  assert own.dtype == np.uint16 and own.shape == (2, 3, 2)
  np.testing.assert_array_equal(own[..., 0], levels)
  np.testing.assert_array_equal(own[..., 1], np.where(levels == 257, 0, 65535))


# Broken files that are many, and threads that find them.


def test_threads_find_broken_files_while_others_ask_for_them(tmp_path):
  source = open_source(folder(tmp_path, pictures.numbered(1)))
  interval = sys.getswitchinterval()
  sys.setswitchinterval(1e-6)
  try:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
      found = [pool.submit(source.note_broken, index, 'gone', False) for index in range(20_000)]
      asked = [len(source.broken_since(0)) for _ in range(300)]
      for one in found:
        one.result()
  finally:
    sys.setswitchinterval(interval)
  assert asked == sorted(asked) and len(source.broken_since(0)) == 20_000
  assert source.broken_since(19_998) == list(source.broken.items())[-2:] and source.broken_since(20_000) == []


def test_four_threads_stream_a_folder_of_which_two_fifths_are_empty(tmp_path):
  data = pictures.numbered(1)['000000.png']
  options = folder(
    tmp_path, {f'{i:05d}.png': b'' if i % 5 < 2 else data for i in range(2000)}, memory_limit_mb=0, workers=4
  )
  source = open_source(options)
  batches = TrainBatches(source, 50, 0, options).iterate()
  try:
    for _ in range(40):
      assert next(batches)['image'].shape == (50, 8, 8, 3)
  finally:
    batches.close()
  assert len(source.broken_since(0)) == 800


class Lookups(dict):
  """A dict that counts how often it is asked."""

  number = 0

  def __contains__(self, key):
    self.number += 1
    return super().__contains__(key)


def test_an_archive_that_is_nearly_all_broken(tmp_path):
  """The way to the next image that can be read is gone once, and a worker tells each broken file once."""
  data = pictures.numbered(1)['000000.png']
  path = pictures.write_zip(tmp_path / 'a.zip', {f'{i:05d}.png': data if i % 400 == 9 else b'' for i in range(4000)})
  source = open_source(dataclasses.replace(OPTIONS, source='zip', path=path, memory_limit_mb=0))
  source.broken = Lookups(source.broken)
  order = np.random.RandomState(0).permutation(4000).reshape(-1, 50)
  steps = prefetch._Steps(lambda step: source.take(order[step]), source, 0, len(order))
  told = [pair for step in range(len(order)) for pair in steps[step]['broken']]
  assert len(source.broken) == 3990 and len(told) == len(set(told)) <= 3990
  assert source.broken.number < 60_000  # 800,000 when each looks for itself
  broken = [index for index in range(4000) if index % 400 != 9]
  assert sorted(source.broken) == broken


# Fingerprints.


def test_the_fingerprint_of_names_is_what_older_runs_have_recorded(tmp_path):
  files = {f'{"ab"[i % 2]}/{i}.png': data for i, data in enumerate(pictures.numbered(4).values())}
  source = open_source(folder(tmp_path, files))
  digest = hashlib.sha256()
  for name in sorted(files):
    digest.update(repr((name, len(files[name]), int(name[0] == 'b'))).encode())
  assert source.fingerprint() == digest.hexdigest()[:16]


@pytest.mark.parametrize('of', ['all', 'a sample'])
def test_the_content_counts(tmp_path, monkeypatch, of):
  if of == 'a sample':
    monkeypatch.setattr(trees, '_WHOLE_FILES', 2)
    monkeypatch.setattr(trees, '_SAMPLED_FILES', 2)
  pixels = np.random.RandomState(0).randint(0, 256, (4, 8, 8, 3)).astype(np.uint8)
  files = {f'{i}.png': pictures.encode(pixels[i], 'BMP') for i in range(4)}
  first = open_source(folder(tmp_path / 'a', files))
  same = open_source(folder(tmp_path / 'b', files))
  files['2.png'] = pictures.encode(255 - pixels[2], 'BMP')  # of the same size
  other = open_source(folder(tmp_path / 'c', files))
  assert first.fingerprint() == same.fingerprint() == other.fingerprint()
  assert first.content_fingerprint() == same.content_fingerprint() != other.content_fingerprint()
  held = [memory.hold(source, source.options) for source in (first, other)]
  assert (held[0][2]['image'] != held[1][2]['image']).any()
  assert held[1].content_fingerprint() == other.content_fingerprint()
  patches = [open_source(dataclasses.replace(source.options, fit='patches')) for source in (first, other)]
  assert patches[0].content_fingerprint() != patches[1].content_fingerprint()


def test_the_content_of_masks_counts(tmp_path):
  files = {
    f'{kind}/{i}.png': pictures.encode(np.full((8, 8), i, np.uint8), 'BMP')
    for kind in ('images', 'masks')
    for i in range(2)
  }
  options = DataOptions(source='masks', path=pictures.write_folder(tmp_path / 'a', files), class_names=('a', 'b'))
  changed = {**files, 'masks/1.png': pictures.encode(np.zeros((8, 8), np.uint8), 'BMP')}
  other = dataclasses.replace(options, path=pictures.write_folder(tmp_path / 'b', changed))
  assert open_source(options).fingerprint() == open_source(other).fingerprint()
  assert open_source(options).content_fingerprint() != open_source(other).content_fingerprint()


def test_a_file_that_vanishes_ends_nothing(tmp_path):
  """Its fingerprint is taken once; a source that is asked for it later takes it without the file."""
  options = folder(tmp_path, pictures.numbered(6), memory_limit_mb=0)
  source, late = open_source(options), open_source(options)
  taken = source.fingerprint(), source.content_fingerprint()
  (tmp_path / 'images' / '000003.png').unlink()
  assert (source.fingerprint(), source.content_fingerprint()) == taken
  assert late.fingerprint() != taken[0] and late.content_fingerprint() != taken[1]
  fits = dataclasses.replace(options, memory_limit_mb=10)
  vanishing = open_source(fits)
  (tmp_path / 'images' / '000004.png').unlink()
  weights = np.concatenate([batch['weight'] for batch in EvalBatches(vanishing, 5)])
  assert weights.tolist() == [1, 1, 1, 0, 1] and pictures.number(source[3]['image']) == 5
