"""Tiny synthetic data sets in the files and formats in which the real ones are published."""

import gzip
import io
import os
import tarfile

import numpy as np
from PIL import Image

from tests.data import pictures

ATTRIBUTES = [
  '5_o_Clock_Shadow',
  'Arched_Eyebrows',
  'Attractive',
  'Bags_Under_Eyes',
  'Bald',
  'Bangs',
  'Big_Lips',
  'Big_Nose',
  'Black_Hair',
  'Blond_Hair',
  'Blurry',
  'Brown_Hair',
  'Bushy_Eyebrows',
  'Chubby',
  'Double_Chin',
  'Eyeglasses',
  'Goatee',
  'Gray_Hair',
  'Heavy_Makeup',
  'High_Cheekbones',
  'Male',
  'Mouth_Slightly_Open',
  'Mustache',
  'Narrow_Eyes',
  'No_Beard',
  'Oval_Face',
  'Pale_Skin',
  'Pointy_Nose',
  'Receding_Hairline',
  'Rosy_Cheeks',
  'Sideburns',
  'Smiling',
  'Straight_Hair',
  'Wavy_Hair',
  'Wearing_Earrings',
  'Wearing_Hat',
  'Wearing_Lipstick',
  'Wearing_Necklace',
  'Wearing_Necktie',
  'Young',
]
LANDMARKS = [
  'lefteye_x',
  'lefteye_y',
  'righteye_x',
  'righteye_y',
  'nose_x',
  'nose_y',
  'leftmouth_x',
  'leftmouth_y',
  'rightmouth_x',
  'rightmouth_y',
]
CLASSES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']
PETS = [('Abyssinian_100', 1, 1), ('Abyssinian_5', 1, 1), ('beagle_9', 5, 2), ('yorkshire_terrier_1', 37, 2)]


def tar(files):
  """The bytes of a gzipped tar archive of {path: bytes}."""
  file = io.BytesIO()
  with tarfile.open(fileobj=file, mode='w:gz') as archive:
    for name, data in files.items():
      member = tarfile.TarInfo(name)
      member.size = len(data)
      archive.addfile(member, io.BytesIO(data))
  return file.getvalue()


def mnist(train=20, test=10):
  """{file name: bytes} and the images and labels of both splits."""
  random = np.random.RandomState(0)
  files, splits = {}, {}
  for split, prefix, count in (('train', 'train', train), ('test', 't10k', test)):
    images = random.randint(0, 256, (count, 28, 28)).astype(np.uint8)
    labels = random.randint(0, 10, count).astype(np.uint8)
    files[f'{prefix}-images-idx3-ubyte.gz'] = gzip.compress(pictures.idx(images))
    files[f'{prefix}-labels-idx1-ubyte.gz'] = gzip.compress(pictures.idx(labels))
    splits[split] = images, labels
  return files, splits


def cifar10(count=3):
  """{file name: bytes}, images (6, count, 32, 32, 3) and labels (6, count) of the five training files and the test."""
  random = np.random.RandomState(1)
  images = random.randint(0, 256, (6, count, 32, 32, 3)).astype(np.uint8)
  labels = random.randint(0, 10, (6, count)).astype(np.uint8)
  members = {'cifar-10-batches-bin/batches.meta.txt': '\n'.join([*CLASSES, '']).encode()}
  for part, name in enumerate([*(f'data_batch_{i}.bin' for i in range(1, 6)), 'test_batch.bin']):
    members[f'cifar-10-batches-bin/{name}'] = b''.join(
      bytes([label]) + image.transpose(2, 0, 1).tobytes() for image, label in zip(images[part], labels[part])
    )
  return {'cifar-10-binary.tar.gz': tar(members)}, images, labels


def celeb_a(folder):
  """Writes the five files for seven faces, 3 train, 2 valid, 2 test; returns {file name: JPEG bytes}."""
  faces = {f'{i:06d}.jpg': pictures.encode(pictures.smooth(218, 178, i), 'JPEG', quality=90) for i in range(1, 8)}
  os.makedirs(folder, exist_ok=True)
  pictures.write_zip(f'{folder}/img_align_celeba.zip', {f'img_align_celeba/{name}': faces[name] for name in faces})
  rows = {
    'list_eval_partition.txt': ([], [[part] for part in (0, 0, 0, 1, 1, 2, 2)]),
    'list_attr_celeba.txt': (ATTRIBUTES, [[1 if (i + j) % 3 else -1 for j in range(40)] for i in range(7)]),
    'list_landmarks_align_celeba.txt': (LANDMARKS, [[10 * i + j for j in range(10)] for i in range(7)]),
    'identity_CelebA.txt': ([], [[1000 + i] for i in range(7)]),
  }
  for name, (columns, values) in rows.items():
    head = f'7\n{" ".join(columns)} \n' if columns else ''
    lines = [f'{face} {" ".join(map(str, value))}\n' for face, value in zip(faces, values)]
    pictures.write_folder(folder, {name: (head + ''.join(lines)).encode()})
  return faces


def oxford_iiit_pet():
  """{file name: bytes} of four pets, two a split, one of them a PNG with the name of a JPEG as in the real set."""
  images, annotations = {}, {}
  for number, (name, _, _) in enumerate(PETS):
    picture = Image.fromarray(pictures.smooth(40 + number, 50, number))
    images[f'images/{name}.jpg'] = (
      pictures.encode(picture.convert('RGBA'), 'PNG') if name == 'Abyssinian_5' else pictures.encode(picture, 'JPEG')
    )
    annotations[f'annotations/trimaps/{name}.png'] = pictures.encode(
      np.arange((40 + number) * 50, dtype=np.uint8).reshape(40 + number, 50) % 3 + 1
    )
  for list_name, pets in (('trainval', PETS[:2]), ('test', PETS[2:])):
    annotations[f'annotations/{list_name}.txt'] = ''.join(
      f'{name} {label} {species} 1\n' for name, label, species in pets
    ).encode()
  annotations['annotations/xmls/Abyssinian_100.xml'] = (
    b'<annotation><size><width>50</width><height>40</height></size><object><bndbox><xmin>5</xmin><ymin>4</ymin>'
    b'<xmax>25</xmax><ymax>30</ymax></bndbox></object></annotation>'
  )
  return {'images.tar.gz': tar(images), 'annotations.tar.gz': tar(annotations)}
