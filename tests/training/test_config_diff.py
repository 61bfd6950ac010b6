"""Which changes of a config are another experiment."""

import pytest

from deconv.configs import base
from deconv.options import Experiment
from deconv.training import config_diff


def changes(before=None, **after):
  configs = [base.get_config(), base.get_config()]
  for config, overrides in zip(configs, (before or {}, after)):
    config.update_from_flattened_dict({name.replace('__', '.'): value for name, value in overrides.items()})
  return config_diff.scientific_changes(*(config_diff.to_plain(Experiment.from_config(config)) for config in configs))


def test_no_change():
  assert changes() == []


def test_scientific_fields():
  assert changes(seed=1, optimizer__learning_rate=1e-3, data__background=(0, 0, 0), model__width=64) == [
    'data.background: [255, 255, 255] -> [0, 0, 0]',
    'model.width: 128 -> 64',
    'optimizer.learning_rate: 0.0002 -> 0.001',
    'seed: 0 -> 1',
  ]


@pytest.mark.parametrize(
  'field, value',
  [
    ('log__every', 1),
    ('log__tensorboard', False),
    ('samples__num', 4),
    ('checkpoint__keep', 9),
    ('eval__every', 7),
    ('eval__evaluators', ('coverage',)),
    ('data__workers', 9),
    ('data__path', 'elsewhere'),
    ('data__prefetch', 8),
    ('data__worker_kind', 'process'),
    ('data__memory_limit_mb', 1),
    ('train__steps_per_call', 4),
    ('compilation_cache', ''),
    ('cpu_rule', 'avx2'),
    ('train__steps', 99),
    ('train__epochs', 2.0),
  ],
)
def test_operational_fields(field, value):
  assert changes(**{field: value}) == []


@pytest.mark.parametrize(
  'field, value',
  [
    ('eval__num_samples', 5),
    ('eval__use_ema', False),
    ('data__split', 'all'),
    ('data__flip', True),
    ('train__batch_size', 64),
    ('train__dtype', 'bfloat16'),
    ('parallel__mode', 'pmap'),
  ],
)
def test_fields_that_look_operational_but_are_not(field, value):
  assert len(changes(**{field: value})) == 1


def test_a_file_that_somebody_wrote():
  assert config_diff.scientific_changes({'optimizer': 3}, {'optimizer': {'name': 'sgd'}}) == []


def test_another_task():
  assert config_diff.scientific_changes({'task': 'gan'}, {'task': 'vae'}) == ['task: "gan" -> "vae"']


def test_the_length_matters_to_a_schedule_that_ends_with_the_run():
  cosine = {'optimizer__schedule': 'cosine'}
  assert changes(cosine, train__steps=9, **cosine) == ['train.steps: 0 -> 9']
  bounded = {'optimizer__schedule': 'cosine', 'optimizer__decay_steps': 5}
  assert changes(bounded, train__steps=9, **bounded) == []


def test_fields_that_come_and_go():
  old, new = {'a': 1, 'b': {'c': 2}, 'optimizer': {}}, {'a': 1, 'b': {'d': [1, 2]}, 'optimizer': {}}
  assert not config_diff.scientific_changes(old, new)  # a version of deconv took c away and brought d


def test_tuples_are_lists():
  plain = config_diff.to_plain(Experiment.from_config(base.get_config()))
  assert plain['data']['background'] == [255, 255, 255]


def test_what_has_changed_but_for_speed():
  old = {'seed': 0, 'data': {'workers': 1, 'path': 'a'}, 'model': {'name': 'dcgan', 'width': 8}}
  new = {'seed': 0, 'data': {'workers': 2, 'path': 'b'}, 'model': {'name': 'gan28', 'depth': 3}}
  assert config_diff.changed(old, new) == {'data.path': 'b', 'model.name': 'gan28', 'model.depth': 3}
