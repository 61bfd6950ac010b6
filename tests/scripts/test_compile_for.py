"""scripts/compile_for.py: what it refuses, and, where a compiler for GPUs is installed, every config for an H100."""

import importlib

import pytest

from deconv.errors import UserError
from deconv.options import Experiment
from deconv.training import experiment
from deconv.training.parallel import Parallel
from scripts import compile_for
from tests.experiments.smoke import configs_of

needs_compiler = pytest.mark.skipif(
  bool(compile_for.missing('h100')), reason=f'nothing to compile for an H100 with: {compile_for.INSTALL}'
)


def options_of(name, variant='', **changes):
  config = importlib.import_module(f'deconv.configs.{name}').get_config(variant)
  config.update_from_flattened_dict(changes)
  return Experiment.from_config(config)


@pytest.mark.parametrize('target, sentence', [('h10', "did you mean 'h100'"), ('cpu', 'give h100'), ('', 'give h100')])
def test_no_such_target(target, sentence):
  with pytest.raises(UserError, match=sentence):
    compile_for.devices_of(target)


@pytest.mark.parametrize('target', ['a100', 'v3:2x2'])
def test_nothing_to_compile_with(monkeypatch, target):
  monkeypatch.setattr(compile_for, '_installed', lambda name: False)
  assert compile_for.missing(target)
  with pytest.raises(UserError, match=r'needs .*, which is not installed: pip install "\.\[compile\]"'):
    compile_for.devices_of(target)


@pytest.mark.parametrize('name', configs_of())
def test_the_length_of_a_run_suits_its_schedule(name):
  """Also of a run in epochs, whose data are not there."""
  options = options_of(name)
  assert experiment.build_task(options, Parallel(options.parallel), compile_for.length_of(options))


@needs_compiler
def test_a_shape_that_is_none():
  with pytest.raises(UserError, match='give a shape such as h100:1x1x8'):
    compile_for.devices_of('h100:eight')


@needs_compiler
def test_a_batch_that_cannot_be_divided():
  with pytest.raises(UserError, match='cannot be divided over 8 devices; make it 8 or 16'):
    compile_for.compile_step(options_of('vae_mnist', 'smoke', **{'train.batch_size': 12}), 'h100:1x1x8')


@needs_compiler
@pytest.mark.parametrize('mode', ['jit', 'pmap'])
@pytest.mark.parametrize('steps', [1, 2])
def test_several_devices_and_steps(mode, steps):
  changes = {'train.steps_per_call': steps, 'parallel.mode': mode}
  compiled = compile_for.compile_step(options_of('vae_mnist', 'smoke', **changes), 'h100:1x1x4')
  assert compiled.devices == 4
  assert compiled.program.aliased == compiled.state_arrays
  assert set(compiled.collectives()) == {'all-reduce'}
  assert 0.9 < compiled.ratio < 1.1
  assert compiled.memory >= compiled.arguments + compiled.temporary > compiled.arguments > 0


@needs_compiler
def test_what_is_printed():
  options = options_of('unet_scenes', 'smoke')
  text = '\n'.join(compile_for.described(compile_for.compile_step(options, 'h100'), options))
  assert 'h100: 1 device, parallel.mode=jit' in text
  assert 'times the' in text and 'backward filter' in text and 'collectives: none' in text


@needs_compiler
@pytest.mark.parametrize('name', configs_of())
def test_every_config_for_an_h100(name):
  """At its full size: it compiles, no zeros are multiplied, it fits the memory, and the state is donated."""
  compiled = compile_for.compile_step(options_of(name), 'h100')
  assert compiled.ratio <= 1.1, compiled.values()
  assert compiled.memory < 80 * 2**30
  assert compiled.program.aliased == compiled.state_arrays
  assert not compiled.program.zero_stuffed()
