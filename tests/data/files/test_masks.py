"""Pairs of images and masks: that they stay together, how masks say their classes, and what is wrong with files."""

import dataclasses
import pickle

import numpy as np
from PIL import Image
import pytest
from scipy import ndimage

from deconv.data import DataOptions, EvalBatches, NoSuchSplit, TrainBatches, open_source
from deconv.data.files import decode, voc
from deconv.data.files.mask_coding import read_palette
from deconv.errors import UserError
from tests.data import pictures
from tests.data.files import hostile

NAMES = ('sky', 'sea', 'sand')
COLOURS = np.array([[30, 120, 220], [10, 60, 90], [230, 200, 120]], np.uint8)  # of the pictures, one a class
OPTIONS = DataOptions(source='masks', image_size=16, channels=3, class_names=NAMES)


def pair(height, width, seed):
  """A picture whose colours are its classes, and its mask; blocks of 8 pixels."""
  random = np.random.RandomState(seed)
  blocks = random.randint(0, 3, (-(-height // 8), -(-width // 8)))
  mask = np.kron(blocks, np.ones((8, 8), int))[:height, :width].astype(np.uint8)
  return COLOURS[mask], mask


def indexed(mask):
  image = Image.fromarray(mask)
  image.putpalette([value for colour in range(256) for value in (colour, 255 - colour, 7 * colour % 256)])
  return image


def tree(count=5, code=lambda mask: mask, place=lambda kind, i: f'{kind}/{i:03d}'):
  """{path: bytes} of pictures of several sizes and their masks."""
  files = {}
  for i in range(count):
    picture, mask = pair(40 + 8 * (i % 2), 32 + 16 * (i % 3), i)
    files[place('images', i) + '.png'] = pictures.encode(picture)
    files[place('masks', i) + '.png'] = pictures.encode(code(mask))
  return files


def open_tree(tmp_path, files, **fields):
  return open_source(dataclasses.replace(OPTIONS, path=pictures.write_folder(tmp_path / 'set', files), **fields))


def assert_together(item):
  """Every pixel whose neighbours are of its class is nearest to the colour of this class."""
  mask = item['mask']
  nearest = np.argmin(((item['image'][..., None, :].astype(int) - COLOURS) ** 2).sum(axis=-1), axis=-1)
  inside = (ndimage.minimum_filter(mask, 3) == ndimage.maximum_filter(mask, 3)) & (mask != 255)
  assert inside.sum() > 10
  np.testing.assert_array_equal(nearest[inside], mask[inside])


@pytest.mark.parametrize('fit', ['crop', 'pad'])
@pytest.mark.parametrize('code', [lambda mask: mask, indexed], ids=['grey', 'palette'])
def test_image_and_mask_stay_together(tmp_path, fit, code):
  source = open_tree(tmp_path, tree(6, code), fit=fit, image_size=20)
  assert len(source) == 6 and source.mask_names == NAMES and source.class_names is None
  for i in range(6):
    item = source[i]
    assert item['image'].shape == (20, 20, 3) and item['mask'].shape == (20, 20) and item['mask'].dtype == np.uint8
    assert_together(item)
    whole = source.load_full(i)
    picture, mask = pair(40 + 8 * (i % 2), 32 + 16 * (i % 3), i)
    np.testing.assert_array_equal(whole['image'], picture)
    np.testing.assert_array_equal(whole['mask'], mask)


def test_crop_is_the_nearest_pixel_of_the_centre_square(tmp_path):
  mask = open_tree(tmp_path, tree(1))[0]['mask']  # 40 x 32: rows 4 to 35, halved
  full = pair(40, 32, 0)[1][4:36]
  nearest = np.floor((np.arange(16) + 0.5) * 2).astype(int)
  np.testing.assert_array_equal(mask, full[nearest][:, nearest])


def test_padding_is_background_and_ignored(tmp_path):
  source = open_tree(tmp_path, tree(6), fit='pad', image_size=20, background=(1, 2, 3))
  item = source[2]  # 40 x 64 becomes 12 or 13 x 20
  assert (item['mask'][:3] == 255).all() and (item['mask'][-3:] == 255).all() and (item['mask'][4:15] < 3).all()
  assert (item['image'][:3] == (1, 2, 3)).all() and (item['image'][-3:] == (1, 2, 3)).all()
  grey = open_tree(tmp_path, tree(6), fit='pad', image_size=20, channels=1, background=(255, 0, 0))[2]
  assert (grey['image'][:3] == 76).all()  # 0.299 of 255
  with pytest.raises(UserError, match='data.crop=8 cuts the image and data.fit=pad keeps all of it'):
    dataclasses.replace(OPTIONS, fit='pad', crop=8)


def test_255_is_no_class(tmp_path):
  def bordered(mask):
    mask = mask.copy()
    mask[10:14] = 255
    return mask

  source = open_tree(tmp_path, tree(2, bordered))
  assert (source.load_full(0)['mask'][10:14] == 255).all() and set(np.unique(source[0]['mask'])) <= {0, 1, 2, 255}


def test_colours_of_a_palette_file(tmp_path):
  palette = tmp_path / 'palette.txt'
  palette.write_text('# red green blue name\n\n0 0 0 sky\n255 255 255 the sea\n10 0 0 sand\n9 9 9 sky\n1 2 3 Ignore\n')
  colours = np.array([[0, 0, 0], [255, 255, 255], [10, 0, 0]], np.uint8)

  def code(mask):
    coded = colours[mask]
    coded[0, :4] = (9, 9, 9)
    coded[0, 4:8] = (1, 2, 3)
    return coded

  source = open_tree(tmp_path, tree(3, code), palette=str(palette), class_names=())
  assert source.mask_names == ('sky', 'the sea', 'sand')
  mask, expected = source.load_full(1)['mask'], pair(48, 48, 1)[1]
  np.testing.assert_array_equal(mask[1:], expected[1:])
  assert mask[0, :8].tolist() == [0] * 4 + [255] * 4
  with pytest.raises(UserError, match='classes sky, the sea, sand, not data.class_names .sky, sea, sand'):
    open_tree(tmp_path, tree(3, code), palette=str(palette))
  wrong = tmp_path / 'wrong.txt'
  wrong.write_text('0 0 0 sky\n255 255 255 sea\n')
  with pytest.raises(UserError, match=r'has the colour 9 9 9 .row 0, column 0., not in .*wrong.txt'):
    open_tree(tmp_path, tree(3, code), palette=str(wrong), class_names=())


@pytest.mark.parametrize(
  'text,message',
  [
    ('0 0 sky', "line 1 of .* is '0 0 sky': write"),
    ('0 0 300 sky\n', 'line 1'),
    ('0 0 0 a\n0 0 0 b', 'line 2 .* line above'),
    ('0 0 0 a\n', 'names 1 classes'),
    ('\n1 -2 3 a', 'line 2'),
  ],
)
def test_mistakes_in_a_palette_file(tmp_path, text, message):
  (tmp_path / 'palette.txt').write_text(text)
  with pytest.raises(UserError, match=message):
    read_palette(str(tmp_path / 'palette.txt'))
  with pytest.raises(UserError, match='cannot be read as text'):
    read_palette(str(tmp_path))


def split_above(kind, i):
  return f'{"val" if i > 2 else "train"}/{kind}/{i:03d}'


def split_below(kind, i):
  return f'data/{kind}/{"val" if i > 2 else "train"}/{i:03d}'


@pytest.mark.parametrize('place', [split_above, split_below])
def test_splits_are_folders(tmp_path, place):
  path = pictures.write_folder(tmp_path / 'set', tree(5, place=place))
  archive = pictures.write_zip(tmp_path / 'set.zip', tree(5, place=place))
  for where in (path, archive):
    options = dataclasses.replace(OPTIONS, path=where)
    sources = {split: open_source(options, split) for split in ('train', 'valid', 'all')}
    assert [len(source) for source in sources.values()] == [3, 2, 5]
    np.testing.assert_array_equal(sources['valid'].load_full(0)['mask'], pair(48, 32, 3)[1])
    assert len({source.fingerprint() for source in sources.values()}) == 3
    with pytest.raises(NoSuchSplit, match="no split 'test'"):
      open_source(options, 'test')


def test_batches_in_memory_and_by_workers(tmp_path):
  source = open_tree(tmp_path, tree(7))
  held = TrainBatches(source, 3, 0, dataclasses.replace(source.options, flip=True))
  assert held.source.load_full(2)['mask'].shape == (40, 64) and held.source.mask_names == NAMES
  for kind in ('thread', 'process'):
    options = dataclasses.replace(source.options, memory_limit_mb=0, worker_kind=kind, workers=1, flip=True)
    iterator = TrainBatches(pickle.loads(pickle.dumps(open_source(options))), 3, 0, options).iterate(1)
    for step in range(1, 4):
      batch, expected = next(iterator), held.at(step)
      np.testing.assert_array_equal(batch['image'], expected['image'])
      np.testing.assert_array_equal(batch['mask'], expected['mask'])
      for image, mask in zip(batch['image'], batch['mask']):
        assert_together({'image': image, 'mask': mask})
    iterator.close()
  last = list(EvalBatches(source, 4))[-1]
  assert last['weight'].tolist() == [1, 1, 1, 0] and (last['mask'][3] == 255).all()


def test_the_fingerprint_is_also_of_the_masks(tmp_path):
  first = open_tree(tmp_path / 'a', tree(3)).fingerprint()
  assert open_tree(tmp_path / 'b', tree(3)).fingerprint() == first
  changed = tree(3)
  changed['masks/001.png'] = pictures.encode(np.random.RandomState(0).randint(0, 3, (48, 48)).astype(np.uint8))
  assert open_tree(tmp_path / 'c', changed).fingerprint() != first
  assert open_tree(tmp_path / 'd', tree(3), class_names=('sky', 'sea', 'land')).fingerprint() != first


def test_missing_masks_and_folders(tmp_path):
  files = tree(4)
  del files['masks/002.png'], files['masks/003.png']
  with pytest.raises(UserError, match='2 of the 4 images in .* have no mask, the first images/002.png'):
    open_tree(tmp_path, files)
  with pytest.raises(UserError, match="no folder 'masks'"):
    open_tree(tmp_path / 'images_alone', {name: data for name, data in files.items() if 'images' in name})
  with pytest.raises(UserError, match='data.path=FOLDER'):
    open_source(OPTIONS)
  with pytest.raises(UserError, match='needs the names of the classes'):
    open_source(dataclasses.replace(OPTIONS, path=str(tmp_path), class_names=()))


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_grey_masks_of_few_bits_say_what_is_in_the_file(tmp_path, bits):
  """Pillow enlarges 2 and 4 bits of grey to 0 to 255."""
  values = np.arange(64).reshape(8, 8) % min(2**bits, 16)
  names = tuple('abcdefghijklmnop')[: values.max() + 1]
  files = {'images/a.png': pictures.encode(pictures.smooth(8, 8)), 'masks/a.png': hostile.grey_png(values, bits)}
  np.testing.assert_array_equal(open_tree(tmp_path, files, class_names=names).load_full(0)['mask'], values)
  files['masks/a.png'] = pictures.encode(Image.fromarray(values.astype(np.uint8)))
  np.testing.assert_array_equal(open_tree(tmp_path, files, class_names=names).load_full(0)['mask'], values)
  if bits == 4:
    files['masks/a.png'] = hostile.grey_png(values, bits)
    with pytest.raises(UserError, match='has the value 4, and data.class_names has 4 classes'):
      open_tree(tmp_path, files, class_names=names[:4])


def test_two_images_of_one_mask_are_a_mistake(tmp_path):
  files = tree(3)
  for name in ('images/001.jpg', 'imgs/001.png', 'masks/001.webp'):
    first = f'{"masks" if "masks" in name else "images"}/001'
    with pytest.raises(UserError, match=f'{first}.* and .*001.* in .* differ in folder or ending alone'):
      open_tree(tmp_path / name[:4] / name[-3:], {**files, name: files['images/001.png']})
  files = {**voc_tree(), 'VOCdevkit/VOC2012/JPEGImages/2007_000002.jpg': b'', 'VOCdevkit/VOC2012/JPEGImages/b.jpg': b''}
  options = DataOptions(source='voc', path=pictures.write_folder(tmp_path / 'voc', files), class_names=voc.CLASSES)
  with pytest.raises(UserError, match='JPEGImages/2007_000002.jpg and .*2007_000002.png in .* have one mask'):
    open_source(options)
  assert len(open_source(options, 'val')) == 1


def test_an_archive_with_damaged_masks_is_read_as_far_as_it_goes(tmp_path):
  """What is looked at first, too, is passed over."""
  path = pictures.write_zip(tmp_path / 'a.zip', tree(3))
  with open(path, 'rb') as file:
    data = file.read()
  place = data.index(b'masks/000.png') + 40
  (tmp_path / 'a.zip').write_bytes(data[:place] + bytes(8) + data[place + 8 :])
  source = open_source(dataclasses.replace(OPTIONS, path=path))
  assert_together(source[0])
  assert set(source.broken) == {0}


def test_masks_of_the_wrong_kind(tmp_path):
  with pytest.raises(UserError, match='masks/000.png has the value 3, and data.class_names has 3 classes .0 to 2; 255'):
    open_tree(tmp_path / 'a', tree(2, lambda mask: mask + np.uint8(1) * (mask == 2)))
  with pytest.raises(UserError, match='masks/000.png has colours and not class numbers: set --config.data.palette'):
    open_tree(tmp_path / 'b', tree(2, lambda mask: COLOURS[mask]))
  with pytest.raises(UserError, match='hold only 0 and 255'):
    open_tree(tmp_path / 'c', tree(2, lambda mask: np.uint8(255) * (mask > 0)), class_names=('sea', 'land'))


def test_broken_pairs_are_skipped_and_counted_or_an_error(tmp_path):
  files = tree(5)
  files['masks/001.png'] = b'text'
  files['masks/003.png'] = pictures.encode(np.zeros((9, 9), np.uint8))
  files['images/004.png'] = files['images/004.png'][:50]
  source = open_tree(tmp_path, files)
  weights = EvalBatches(source, 5).at(0)['weight']
  weights = EvalBatches(source, 5).at(0)['weight']  # now that they have been read
  assert weights.tolist() == [1, 0, 1, 0, 0] and len(source.broken) == 3
  assert 'its mask masks/003.png is 9x9 and the image 32x48' in source.broken[3]
  source = open_tree(tmp_path, files, on_broken='error')
  with pytest.raises(UserError, match=r'images/003.png in .* cannot be decoded \(its mask masks/003.png is 9x9'):
    source[3]
  with pytest.raises(decode.BrokenImage):
    source.load_full(1)


def voc_tree(count=4):
  folders = {'images': 'JPEGImages', 'masks': 'SegmentationClass'}
  files = tree(count, indexed, lambda kind, i: f'{folders[kind]}/2007_{i:06d}')
  files['ImageSets/Segmentation/train.txt'] = b'2007_000002\n2007_000000\n'
  files['ImageSets/Segmentation/val.txt'] = b'2007_000003\n'
  files['ImageSets/Segmentation/trainaug.txt'] = b'/JPEGImages/2007_000001.jpg /SegmentationClassAug/2007_000001.png\n'
  return {f'VOCdevkit/VOC2012/{name}': data for name, data in files.items()}


def test_voc(tmp_path):
  path = pictures.write_folder(tmp_path, voc_tree())
  options = DataOptions(source='voc', path=path, image_size=16, channels=3, class_names=voc.CLASSES)
  assert len(voc.CLASSES) == 21 and voc.CLASSES[15] == 'person'
  train = open_source(options)
  assert len(train) == 2 and train.mask_names == voc.CLASSES
  np.testing.assert_array_equal(train.load_full(0)['mask'], pair(40, 64, 2)[1])  # in the order of the list
  assert [len(open_source(options, split)) for split in ('val', 'trainaug', 'all')] == [1, 1, 4]
  with pytest.raises(NoSuchSplit, match="no split 'test': it has all, train, trainaug, val"):
    open_source(options, 'test')
  # The same layout with classes of one's own.
  own = dataclasses.replace(OPTIONS, path=f'{path}/VOCdevkit/VOC2012')
  np.testing.assert_array_equal(open_source(own, 'val').load_full(0)['mask'], pair(48, 32, 3)[1])


def test_mistakes_with_voc(tmp_path):
  options = DataOptions(source='voc', image_size=16, channels=3)
  with pytest.raises(UserError, match='VOCtrainval_11-May-2012.tar'):
    open_source(options)
  with pytest.raises(UserError, match='there is no ImageSets.Segmentation in '):
    open_source(dataclasses.replace(options, path=str(tmp_path)))
  (tmp_path / 'voc.tar').write_bytes(b'')
  with pytest.raises(UserError, match='is a file: unpack it'):
    open_source(dataclasses.replace(options, path=str(tmp_path / 'voc.tar')))
  files = voc_tree()
  del files['VOCdevkit/VOC2012/SegmentationClass/2007_000003.png']
  path = pictures.write_folder(tmp_path / 'partial', files)
  with pytest.raises(UserError, match="the list 'val' of .* names 2007_000003, of which there is no mask"):
    open_source(dataclasses.replace(options, path=path), 'val')
