"""A whole config as options: sections by task and network, checks across sections, configs of older versions."""

import json

import pytest

from deconv import layers, models
from deconv.configs import base
from deconv.errors import UserError
from deconv.models import dcign, vae, vgg
from deconv.objectives import gan as gan_losses
from deconv.objectives import likelihoods, regularizers
from deconv.options import TASKS, DegradeOptions, Experiment, defaults, fields_of
from deconv.options.models import autoencoders, classifiers, gan, model, restorers, segmenters, sparse_coders
from deconv.options.objectives import gan as gan_objective
from deconv.options.objectives import vae as vae_objective
from deconv.tasks import TASKS as CLASSES


def config_of(task='gan', name='dcgan', **overrides):
  config = base.get_config(model=name, task=task)
  config.update_from_flattened_dict({field.replace('__', '.'): value for field, value in overrides.items()})
  return config


def test_the_names_that_options_know_are_those_that_there_are():
  """Options are free of JAX, so they cannot ask the tables of builders for their names."""
  assert set(TASKS) == set(CLASSES)
  assert set(gan.MODELS) == set(models.MODELS) and set(autoencoders.MODELS) == set(models.AUTOENCODERS)
  assert set(restorers.MODELS) == set(models.RESTORERS) and set(segmenters.MODELS) == set(models.SEGMENTERS)
  assert set(classifiers.MODELS) == set(models.CLASSIFIERS)
  assert set(sparse_coders.MODELS) == set(models.SPARSE_CODERS)
  assert set(model.UPSAMPLE_KINDS) == set(layers.KINDS)
  assert set(autoencoders.ACTIVATIONS) == set(vae.ACTIVATIONS)
  assert set(segmenters.PIXELS) == set(vgg.PIXELS)
  assert set(gan_objective.LOSSES) == set(gan_losses.OBJECTIVES)
  assert set(vae_objective.LIKELIHOODS) == set(likelihoods.LIKELIHOODS)
  assert set(vae_objective.BOUNDS) == {*regularizers.REGULARIZERS, 'iwae'}
  assert set(gan.PRESETS) == set(dcign.PRESETS)


@pytest.mark.parametrize('task', TASKS)
def test_a_config_is_its_options_and_back(task):
  for name in TASKS[task].models:
    config = base.get_config(model=name, task=task)
    nested = json.loads(json.dumps(config.to_dict()))
    assert nested == json.loads(json.dumps(defaults(task, name)))
    assert set(fields_of(task, name)) == {
      f'{section}.{field}' if isinstance(value, dict) else section
      for section, value in nested.items()
      for field in (value if isinstance(value, dict) else [''])
    }


def test_types_come_back_from_json():
  experiment = Experiment.from_config(config_of(data__background=(1, 2, 3)))
  again = Experiment.from_config(json.loads(json.dumps(experiment.to_dict())))
  assert again == experiment and again.data.background == (1, 2, 3)
  assert Experiment.from_config(experiment) is experiment


def test_a_config_of_an_older_version_gets_the_defaults_of_what_came_since():
  old = json.loads(json.dumps(config_of(model__width=32).to_dict()))
  del old['eval']['evaluators'], old['log']
  experiment = Experiment.from_config(old)
  assert experiment.eval.evaluators == ('neighbours', 'coverage') and experiment.log.every == 50
  assert experiment.model.width == 32


@pytest.mark.parametrize(
  'change, sentence',
  [
    (lambda c: c.update(task='gann'), "task='gann' does not exist (did you mean 'gan'?)"),
    (lambda c: c['model'].update(name='dcgam'), "model.name is 'dcgam' (did you mean 'dcgan'?); choose one of"),
    (lambda c: c['model'].update(name='unet'), "model.name is 'unet'; choose one of: dcgan, dcgan28, gan28"),
    (lambda c: c['model'].update(widht=3), "model.name='dcgan' has no field model.widht (did you mean 'width'?)"),
    (lambda c: c['train'].update(stepz=3), 'the section train has no field train.stepz'),
    (lambda c: c.update(modle={}), "the config has no field 'modle' (did you mean 'model'?)"),
    (lambda c: c.update(degrade={}), "the config has no field 'degrade'"),
    (lambda c: c.update(train=3), 'train=3 is a section'),
    (lambda c: c.update(seed='x'), "seed='x': the field needs a whole number"),
    (lambda c: c['objective'].update(name='hinged'), "objective.name is 'hinged'"),
    (lambda c: c['model'].update(upsample='deconvv'), "called 'deconvv' (did you mean 'deconv'?)"),
    (lambda c: c['train'].update(dtype='float23'), "train.dtype='float23' does not exist"),
    (lambda c: c['train'].update(ema_decay=2.0), 'train.ema_decay=2.0 must be at least 0 and below 1'),
    (lambda c: c['checkpoint'].update(every=-1), 'checkpoint.every=-1 must not be negative'),
    (lambda c: c['samples'].update(gif_fps=0), 'samples.gif_fps=0 must be from 1 to 100'),
    (lambda c: c['samples'].update(num=100_000), 'samples.num=100000 must be from 1 to 4096'),
    (
      lambda c: c['eval'].update(scales=(0.5,)),
      'eval.scales=(0.5,) has no effect in a run of this task; leave it at (1.0,)',
    ),
    (lambda c: c['eval'].update(evaluators=('coverage', 'coverage')), 'names one of them twice'),
  ],
)
def test_mistakes(change, sentence):
  config = json.loads(json.dumps(config_of().to_dict()))
  change(config)
  with pytest.raises(UserError) as error:
    Experiment.from_config(config)
  assert sentence in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize(
  'task, name, overrides, sentence',
  [
    ('restoration', 'fsrcnn', {}, 'enlarges by 2 or more, not by 1'),
    ('restoration', 'conv_deconv', {'degrade__scale': 3}, 'enlarges by 2, 4, 8, ..., not by 3'),
    ('restoration', 'rednet', {'objective__colour': 'y', 'data__channels': 1}, 'needs data.channels=3'),
    ('restoration', 'context_encoder', {'degrade__scale': 2}, 'fills holes and does not enlarge'),
    ('segmentation', 'unet', {}, '2 to 255 classes in data.class_names'),
    (
      'segmentation',
      'fcn',
      {'data__class_names': ('a', 'b'), 'objective__deep_supervision': 1.0},
      'choose unet, linknet',
    ),
    ('segmentation', 'unet', {'data__class_names': ('a', 'b'), 'augment__crop': 64}, 'augment.crop=64 is larger'),
    ('segmentation', 'unet', {'data__class_names': ('a', 'b'), 'model__pixels': 'caffe'}, 'is a scale of RGB images'),
    ('inverse_graphics', 'dcign', {}, 'set data.vary'),
    ('vae', 'vae_mlp', {'data__channels': 2, 'data__image_size': 1}, "which only task='gan' learns, not 'vae'"),
    ('gan', 'mlp_gan', {'data__channels': 2, 'data__image_size': 1}, 'points of the plane: set model.output to linear'),
    ('gan', 'mlp_gan', {'model__output': 'linear'}, r'images in \[-1, 1\]: set model.output to tanh'),
    (
      'inverse_graphics',
      'dcign',
      {'data__vary': (1.0, 1.0), 'model__latent_size': 1},
      'at least the number of factors, 2',
    ),
  ],
)
def test_sections_that_do_not_fit_together(task, name, overrides, sentence):
  config = base.get_config(model=name, task=task)
  if task == 'restoration':
    config.data.channels = 3
  config.update_from_flattened_dict({field.replace('__', '.'): value for field, value in overrides.items()})
  with pytest.raises(UserError, match=sentence):
    Experiment.from_config(config)


@pytest.mark.parametrize(
  'old, set_there, new, expected',
  [
    ('fsrcnn', {}, 'espcn', 'subpixel'),  # ESPCN is ESPCN
    ('espcn', {}, 'fsrcnn', 'deconv'),
    ('fsrcnn', {'model.upsample': 'resize_nearest'}, 'espcn', 'resize_nearest'),
  ],
)  # what the config has set stays
def test_another_model_brings_its_own_defaults(old, set_there, new, expected):
  config = base.get_config(model=old, task='restoration')
  config.update_from_flattened_dict(set_there)
  base.set_model(config, new)
  assert config.model.upsample == expected and config.model.name == new
  assert set(config.model) == set(base.get_config(model=new, task='restoration').model)


def test_dcign_is_dcign_after_another_model():
  config = base.get_config(model='vae_conv', task='vae')
  config.model.latent_size = 7
  base.set_model(config, 'dcign')
  assert config.model.upsample == 'resize_nearest' and config.model.latent_size == 7


@pytest.mark.parametrize('steps, epochs, good', [(5, 0.0, True), (0, 1.5, True), (0, 0.0, False), (5, 1.0, False)])
def test_length(steps, epochs, good):
  train = Experiment.from_config(config_of(train__steps=steps, train__epochs=epochs)).train
  if good:
    assert train.total_steps(187) == (steps or 280)
  else:
    with pytest.raises(UserError, match='set one of train.steps .* and train.epochs'):
      train.check_length()


# What is measured by these, in a run of which tasks: see the docstring of EvalOptions.
USED_BY = {
  'importance_samples': {'vae', 'factor_vae', 'inverse_graphics'},
  'batch_stats': {'gan'},
  'num_samples': {'gan', 'vae', 'factor_vae', 'inverse_graphics', 'restoration'},
  'whole_images': {'restoration', 'segmentation'},
  'quarter_turns': {'restoration'},
  'scales': {'segmentation'},
}


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize(
  'field, value',
  [
    ('importance_samples', 3),
    ('batch_stats', 'batch'),
    ('num_samples', 3),
    ('whole_images', 3),
    ('quarter_turns', True),
    ('scales', (0.5,)),
  ],
)
def test_a_field_of_eval_that_the_task_does_not_use_is_refused(task, field, value):
  if task in USED_BY[field]:
    assert vars(TASKS[task].eval(**{field: value}))[field] == value
    return
  with pytest.raises(UserError, match=f'eval.{field}=.* has no effect in a run of this task'):
    TASKS[task].eval(**{field: value})


@pytest.mark.parametrize('field', ['hole_share', 'hole_value'])
def test_a_hole_that_is_not_made_has_no_share_and_no_value(field):
  with pytest.raises(UserError, match=f"degrade.{field}=0.5 has no effect here .*degrade.hole='centre' or"):
    DegradeOptions(**{field: 0.5})
  assert vars(DegradeOptions(hole='box', **{field: 0.5}))[field] == 0.5
