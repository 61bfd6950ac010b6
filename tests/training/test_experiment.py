"""What a run is made of: the evaluation split is opened before the first step, evaluators fit their task."""

import dataclasses

import numpy as np
from PIL import Image
import pytest

from deconv.configs import base
from deconv.errors import UserError
from deconv.options import DataOptions, Experiment
from deconv.tasks import TASKS
from deconv.training import experiment
from tests.training import tiny


def test_the_evaluation_split_is_opened_with_the_run():
  run = experiment.prepare(tiny.make_config(), tiny.TinyTask)
  assert len(run.eval_source) == 297 and len(run.source) == 1500
  assert isinstance(run.task, tiny.TinyTask) and run.total_steps == 20
  assert run.intervals == (5, 10, 5, 50)


def test_pictures_by_epochs():
  run = experiment.prepare(tiny.make_config(samples__every_epochs=0.5), tiny.TinyTask)
  assert run.intervals.samples == round(0.5 * (1500 // 8))
  assert run.options.samples.every == 5  # config.json keeps what the user said


@pytest.mark.parametrize(
  'every, first, per_call, expected',
  [
    (500, 50, 1, [50, 100, 200, 400, 500, 1000]),
    (100, 50, 1, [50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]),
    (500, 0, 1, [500, 1000]),
    (500, 500, 1, [500, 1000]),
    (0, 50, 1, []),  # none are wanted
    (500, 50, 16, [64, 128, 256, 500, 1000]),  # the first step that a call of sixteen steps ends at
  ],
)
def test_early_pictures(every, first, per_call, expected):
  config = tiny.make_config(samples__every=every, samples__first=first, train__steps_per_call=per_call)
  intervals = experiment.prepare(config, tiny.TinyTask).intervals
  assert [step for step in range(1, 1001) if intervals.due(step)[0]] == expected


@pytest.fixture
def folder(tmp_path):
  """A folder of images without splits."""
  for i in range(3):
    Image.fromarray(np.full((8, 8), 50 * i, np.uint8)).save(tmp_path / f'{i}.png')
  return tmp_path


def test_no_evaluation_split_is_wanted(folder):
  assert experiment.open_eval_source(DataOptions(eval_split='')) is None


def test_a_source_without_the_default_split_costs_a_warning(folder, caplog):
  assert experiment.open_eval_source(DataOptions(source='folder', path=str(folder))) is None
  assert "has no split 'test'" in caplog.text


def test_a_split_that_somebody_named_must_be_there(folder):
  with pytest.raises(UserError, match="data.eval_split='tset': .* has no split 'tset': it has all, test, train"):
    experiment.open_eval_source(DataOptions(eval_split='tset'))
  with pytest.raises(UserError, match="data.eval_split='valid'"):
    experiment.open_eval_source(DataOptions(source='folder', path=str(folder), eval_split='valid'))


def test_a_folder_of_its_own_is_evaluated_on(folder):
  """All of it by the split `all`; without that split's name it is a mistake, for the folder was meant."""
  (folder / 'judged').mkdir()
  Image.fromarray(np.full((9, 7), 200, np.uint8)).save(folder / 'judged' / 'a.bmp')
  options = DataOptions(source='folder', path=str(folder / 'no'), eval_path=str(folder / 'judged'), eval_split='all')
  source = experiment.open_eval_source(options)
  assert len(source) == 1 and source.load_full(0)['image'].shape == (9, 7, 1)
  with pytest.raises(UserError, match="data.eval_split='test': .*it has all, train"):
    experiment.open_eval_source(dataclasses.replace(options, eval_split='test'))
  with pytest.raises(UserError, match='data.eval_path=.* has no effect without data.eval_split'):
    dataclasses.replace(options, eval_split='')


def test_everything_else_that_is_wrong_with_it_is_an_error(folder):
  """The training split has the masks' classes and the other has not; the other is a folder of broken files."""
  for split, name in (('train', 'a'), ('test', 'b')):
    (folder / 'splits' / split).mkdir(parents=True)
    (folder / 'splits' / split / f'{name}.png').write_bytes((folder / '0.png').read_bytes())
  (folder / 'splits' / 'test' / 'b.png').write_bytes(b'broken')
  options = DataOptions(source='folder', path=str(folder / 'splits'), image_size=8)
  with pytest.raises(UserError, match='none of the 1 images'):
    experiment.open_eval_source(options)


@pytest.mark.parametrize(
  'task, model, evaluators, sentence',
  [
    ('gan', 'dcgan', ('neighbors',), "'neighbors' .did you mean 'neighbours'..*does not exist; there are"),
    (
      'gan',
      'dcgan',
      ('whole_segmentation',),
      "needs a task that is PredictsClasses, and task='gan' is not; choose from .*neighbours, coverage",
    ),
    ('restoration', 'rednet', ('coverage',), 'Generates.*choose from .*whole_restoration'),
  ],
)
def test_an_evaluator_that_does_not_fit(task, model, evaluators, sentence):
  config = base.get_config(model=model, task=task)
  config.data.channels = 3
  config.eval.evaluators = evaluators
  with pytest.raises(UserError, match=sentence):
    experiment.check_evaluators(Experiment.from_config(config), TASKS[task])


def test_what_is_judged_decides_which_tasks_fit():
  config = base.get_config(model='vae_mlp', task='vae')
  config.eval.evaluators, config.eval.features, config.eval.judged = ('kid',), 'pixels', 'reconstructions'
  experiment.check_evaluators(Experiment.from_config(config), TASKS['vae'])
  with pytest.raises(UserError, match="'kid', which needs a task that is Reconstructs"):
    experiment.check_evaluators(Experiment.from_config(config), TASKS['gan'])
  config.eval.judged = 'real'
  experiment.check_evaluators(Experiment.from_config(config), TASKS['gan'])
  config = base.get_config(model='dcgan')
  config.eval.judged = 'reconstructions'
  with pytest.raises(UserError, match="eval.judged is 'reconstructions'; choose one of: samples, real"):
    Experiment.from_config(config)


def test_a_vae_may_be_judged_by_what_judges_a_gan():
  config = base.get_config(model='vae_mlp', task='vae')
  config.eval.evaluators = ('neighbours', 'coverage', 'disentanglement')
  experiment.check_evaluators(Experiment.from_config(config), TASKS['vae'])
