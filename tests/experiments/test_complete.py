"""`experiments.complete` end to end on small GANs that were trained for two steps, and its sentences about mistakes."""

import dataclasses
import json

from absl import flags
from absl.testing import flagsaver
import numpy as np
from PIL import Image
import pytest

from deconv.configs import cdcgan_mnist, dcgan_digits, gan_grid, vae_digits
from deconv.errors import UserError
from deconv.experiments import complete
from deconv.training import experiment, loop
from deconv.training.saved_config import load_config
from tests.experiments.run_experiment import error_of, run
from tests.experiments.smoke import QUICK_TO_COMPILE

QUICK = {'restarts': 2, 'iterations': 3}


def train(folder, module, **fields):
  config = module.get_config('smoke')
  config.update_from_flattened_dict({'compilation_cache': '', 'train.steps': 2, 'eval.evaluators': (), **fields})
  loop.train(experiment.prepare(config), str(folder))
  return folder


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  return train(tmp_path_factory.mktemp('gan') / 'run', dcgan_digits)


@pytest.fixture(scope='module')
def conditional(tmp_path_factory):
  return train(tmp_path_factory.mktemp('conditional') / 'run', cdcgan_mnist)


@pytest.fixture
def picture(tmp_path):
  """A picture and a mask of the size of `workdir`."""
  pixels = np.random.default_rng(0).integers(0, 256, (32, 32)).astype(np.uint8)
  mask = np.zeros((32, 32), np.uint8)
  mask[20:30, 3:9] = 255
  Image.fromarray(pixels).save(tmp_path / 'own.png')
  Image.fromarray(mask).save(tmp_path / 'mask.png')
  return pixels, mask


def complete_in_process(workdir, **given):
  flags.FLAGS.mark_as_parsed()
  words = {name: str(value) for name, value in {'workdir': workdir, **QUICK, **given}.items()}
  with flagsaver.as_parsed(**words):
    complete.main(dataclasses.replace(load_config(workdir), compilation_cache=''))


def test_a_picture_of_ones_own(workdir, picture, tmp_path):
  out = tmp_path / 'out.png'
  finished = run(
    'complete',
    *(f'--{name}={value}' for name, value in {'workdir': workdir, **QUICK, 'out': out}.items()),
    f'--image={tmp_path / "own.png"}',
    f'--mask={tmp_path / "mask.png"}',
    env={'XLA_FLAGS': QUICK_TO_COMPILE},
  )
  assert finished.returncode == 0, finished.stderr
  assert not finished.stderr
  pixels, mask = picture
  made = np.asarray(Image.open(tmp_path / 'out_completed.png'))
  np.testing.assert_array_equal(made[mask == 0], pixels[mask == 0])
  assert np.any(made[mask > 0] != pixels[mask > 0])
  shown = np.asarray(Image.open(out))
  assert shown.shape[1] == 4 * (96 + 2) + 2 and np.all(shown[2 + 61 : 2 + 89, 2 + 10 : 2 + 26] == 128)
  report = json.loads((tmp_path / 'out.json').read_text())
  names = [f'{name}{of}' for of in ('', '_blended', '_mean', '_biharmonic') for name in ('l1_hole', 'psnr_hole')]
  assert list(report['images']) == names and list(report['metrics']) == [f'completion_{name}' for name in names]
  error = np.abs(made.astype(float) - pixels)[mask > 0]
  assert report['metrics']['completion_l1_hole_blended'] == pytest.approx(error.mean() / 255, abs=2e-3)
  assert report['metrics']['completion_psnr_hole_blended'] == pytest.approx(
    20 * np.log10(255 / np.sqrt(np.mean(error**2))), abs=1e-3
  )
  said = dict(line.rsplit(maxsplit=2)[::2] for line in finished.stdout.splitlines() if line.startswith('  '))
  assert {'fill', 'blended fill', 'mean of the rest', 'biharmonic surface'} <= {name.strip() for name in said}
  assert report['protocol']['missing'] == 'mask.png' and report['protocol']['completed'] == 1 and report['step'] == 2


def test_held_out_images_twice_alike(workdir):
  files = []
  for seed in (0, 0):
    complete_in_process(workdir, num=3, seed=seed, hole='box', hole_share=0.2)
    path = workdir / 'completion' / '00000002.json'
    files.append(path.read_text())
    path.unlink()
  assert files[0] == files[1]
  report = json.loads(files[0])
  protocol = report['protocol']
  assert (protocol['source'], protocol['split'], protocol['completed']) == ('digits', 'test', 3)
  assert protocol['missing'] == 'box 0.2' and protocol['ema'] is True and protocol['restarts'] == 2
  assert report['metrics']['completion_l1_hole'] == pytest.approx(np.mean(report['images']['l1_hole']), abs=1e-6)
  assert Image.open(workdir / 'completion' / '00000002.png').size[0] == 4 * (96 + 2) + 2


def test_a_conditional_gan_takes_the_label(conditional, tmp_path):
  out = tmp_path / 'out.png'
  complete_in_process(conditional, num=2, out=out, label=3)  # held-out images of one class
  assert json.loads((tmp_path / 'out.json').read_text())['protocol']['completed'] == 2
  Image.new('L', (28, 28), 90).save(tmp_path / 'own.png')
  image = tmp_path / 'own.png'
  complete_in_process(conditional, image=image, out=out, label=7)
  with pytest.raises(UserError, match='say what the picture shows with --label, a class from 0 to 9'):
    complete_in_process(conditional, image=image, out=out)
  with pytest.raises(UserError, match='--label=10 does not exist'):
    complete_in_process(conditional, image=image, out=out, label=10)
  with pytest.raises(UserError, match='no held-out image has --label=10'):
    complete_in_process(conditional, out=out, label=10)


def save(folder, name, *size, mode='L', colour=0):
  Image.new(mode, size, colour).save(folder / name)
  return folder / name


@pytest.mark.usefixtures('picture')
def test_mistakes_are_one_sentence(workdir, tmp_path):
  own, mask = tmp_path / 'own.png', tmp_path / 'mask.png'
  for given, sentence in (
    ({'image': tmp_path / 'none.png'}, 'cannot read .*none.png'),
    ({'image': own, 'mask': tmp_path / 'none.png'}, 'cannot read .*none.png'),
    ({'image': save(tmp_path, 'wide.png', 33, 32)}, '--image=.* has 33x32 pixels, and the GAN makes 32x32'),
    ({'image': own, 'mask': save(tmp_path, 'tall.png', 32, 33)}, '--mask=.* has 32x33 pixels'),
    ({'image': save(tmp_path, 'rgb.png', 32, 32, mode='RGB')}, 'is RGB, and the GAN makes grey pictures'),
    ({'image': save(tmp_path, 'la.png', 32, 32, mode='LA', colour=(9, 9))}, 'is grey with transparency'),
    ({'image': own, 'mask': save(tmp_path, 'black.png', 32, 32)}, '--mask=.* leaves nothing out'),
    ({'image': own, 'mask': save(tmp_path, 'white.png', 32, 32, colour=255)}, 'leaves out the whole picture'),
    ({'image': own, 'mask': mask, 'hole': 'box'}, '--hole=box has no effect with --mask'),
    ({'image': own, 'num': 3}, '--num=3 has no effect with --image'),
    ({'hole': 'pixels', 'hole_share': 1e-9}, '--hole_share=1e-09 leaves nothing out'),
    ({'label': 3}, '--label=3 needs a GAN that was trained with labels'),
    ({'window': 4}, 'window=4 must be odd'),
    ({'num': 0}, '--num=0 must be 1 or more'),
    ({'out': 'a.gif'}, '--out=a.gif must end in .png'),
    ({'step': 7}, 'step 7|7'),
  ):
    with pytest.raises(UserError, match=sentence):
      complete_in_process(workdir, **given)
  assert not (workdir / 'completion' / 'own_00000002.png').exists()


def test_only_gans_of_images_can(tmp_path):
  for name, module, sentence in (
    ('vae', vae_digits, "a run of task 'vae' has no generator with"),
    ('grid', gan_grid, 'points of the plane'),
  ):
    folder = tmp_path / name
    folder.mkdir()
    options = experiment.Experiment.from_config(module.get_config('smoke'))
    (folder / 'config.json').write_text(json.dumps(options.to_dict()))
    with pytest.raises(UserError, match=sentence):
      complete_in_process(folder)
  told = error_of(run('complete', f'--workdir={tmp_path / "vae"}', '--num=2', env={'XLA_FLAGS': QUICK_TO_COMPILE}))
  assert told.startswith("a run of task 'vae'")


def test_without_held_out_images(tmp_path, workdir):
  options = load_config(workdir)
  options = dataclasses.replace(options, compilation_cache='', data=dataclasses.replace(options.data, eval_split=''))
  flags.FLAGS.mark_as_parsed()
  with flagsaver.as_parsed(workdir=str(workdir)), pytest.raises(UserError, match='no held-out images'):
    complete.main(options)
