"""The linear read-out of maps and pixels, with a task whose maps tell more than its pixels."""

import dataclasses

import jax
import numpy as np
import pytest

from deconv import data
from deconv.data import DataOptions
from deconv.evaluators import EVALUATORS, linear_readout
from deconv.tasks.capabilities import InfersMaps

OPTIONS = DataOptions(source='digits', image_size=8, per_class=6, eval_split='test')


class Teller(InfersMaps):
  """Its first layer has the label in it, its second nothing; and a map that belongs to no layer."""

  def __init__(self):
    everything = data.open_source(dataclasses.replace(OPTIONS, per_class=0), 'all')
    items = everything.take(np.arange(len(everything)))
    self.labels = {image.tobytes(): label for image, label in zip(items['image'], items['label'])}

  def explain(self, state, images, weights=None):
    labels = np.array([self.labels[image.tobytes()] for image in data.to_uint8(images)])
    first = np.zeros((len(images), 8, 8, 10), np.float32)
    first[np.arange(len(images)), :, :, labels] = 1
    maps = {'layer1': first, 'layer2': np.zeros((len(images), 10, 10, 2), np.float32), 'smooth': first}
    return {'layer1': images, 'layer2': images}, maps


def test_labels_are_read_where_they_are():
  source = data.open_source(OPTIONS)
  numbers, _, protocol = linear_readout.measure(Teller(), None, source, jax.random.key(0), None)
  assert set(numbers) == {f'linear_accuracy_{name}' for name in ('pixels', 'layer1', 'layer2', 'layers')}
  assert numbers['linear_accuracy_layer1'] == 1 and numbers['linear_accuracy_layers'] == 1
  assert numbers['linear_accuracy_layer2'] < 0.2 < 0.6 < numbers['linear_accuracy_pixels'] < 1
  assert protocol['trained_on'] == 60 and protocol['unseen'] == 297 and protocol['unseen_split'] == 'test'


@pytest.mark.parametrize('changes', [{'eval_split': ''}, {'eval_split': 'train'}, {'source': 'photos'}])
def test_nothing_without_classes_or_unseen_images(changes):
  options = dataclasses.replace(OPTIONS, **{**changes, **({'per_class': 0} if 'source' in changes else {})})
  source = data.open_source(options)
  assert linear_readout.measure(None, None, source, None, None) == ({}, {}, {})


def test_it_is_in_the_table():
  assert EVALUATORS['linear_readout'].needs is InfersMaps and EVALUATORS['linear_readout'].split == 'train'
