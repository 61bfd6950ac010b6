"""A name that another project has for a field is answered with the field."""

import pytest

from deconv.options import TASKS, fields_of
from deconv.options.other_names import _OTHER_NAMES, known_field, nearest_field

GAN = fields_of('gan', 'dcgan')


@pytest.mark.parametrize(
  'name, expected',
  [
    ('optimizer.lr', 'optimizer.learning_rate'),
    ('lr', 'optimizer.learning_rate'),
    ('train.lr', 'optimizer.learning_rate'),
    ('bs', 'train.batch_size'),
    ('eval.bs', 'eval.batch_size'),
    ('batchsize', 'train.batch_size'),
    ('batch-size', 'train.batch_size'),
    ('batchSize', 'train.batch_size'),
    ('epochs', 'train.epochs'),
    ('img_size', 'data.image_size'),
    ('imageSize', 'data.image_size'),
    ('nz', 'model.latent_size'),
    ('z_dim', 'model.latent_size'),
    ('ngf', 'model.width'),
    ('workers', 'data.workers'),
    ('num_workers', 'data.workers'),
    ('wd', 'optimizer.weight_decay'),
    ('weight_decay', 'optimizer.weight_decay'),
    ('momentum', 'optimizer.momentum'),
    ('num_steps', 'train.steps'),
    ('niter', 'train.steps'),
    ('beta_1', 'optimizer.beta1'),
    ('dataroot', 'data.path'),
    ('dataset', 'data.source'),
    ('manualSeed', 'seed'),
    ('learning', 'optimizer.learning_rate'),
    ('save_every', 'checkpoint.every'),
  ],
)
def test_names_of_other_projects(name, expected):
  assert known_field(name, GAN) == nearest_field(name, GAN) == expected


@pytest.mark.parametrize(
  'name, expected', [('train.stpes', 'train.steps'), ('widht', 'model.width'), ('optimizer.learning_rat', None)]
)
def test_what_is_only_like_a_field(name, expected):
  assert nearest_field(name, GAN) == (expected or 'optimizer.learning_rate')
  assert expected is None or known_field(name, GAN) is None


def test_what_is_like_nothing():
  assert nearest_field('qqqq', GAN) is None and known_field('gpu', GAN) is None
  assert nearest_field('nz', fields_of('segmentation', 'unet')) is None  # it has no latent


def test_the_fields_of_the_table_exist_and_its_names_are_no_fields():
  fields = {field for task, sections in TASKS.items() for model in sections.models for field in fields_of(task, model)}
  last = {field.rsplit('.', 1)[-1] for field in fields}
  assert set(_OTHER_NAMES) <= fields | last
  others = [name.replace('_', '') for names in _OTHER_NAMES.values() for name in names]
  assert len(set(others)) == len(others)
