"""Every field of every experiment, once: default, unit, one comment.

A config file starts from `get_config(model=...)`, sets what differs, and ends with `finish(config, variant, ...)`.
Lists are tuples, because command-line overrides of lists do not exist: `--config.data.background='(0, 0, 0)'`.
"""
import ml_collections


def _dict(**fields):
  return ml_collections.ConfigDict(fields)


# Common to the segmentation networks on a VGG encoder (deconv/models/vgg.py). PAPER in each model's file has the fields
# of the published network.
_VGG = dict(
    upsample='paper',         # a kind of deconv.layers.Upsample, or the network's own: 'paper' (fcn bilinear, deconvnet
                              # and segnet unpool, unet deconv2, linknet deconv3)
    depth=4,                  # poolings; the image's sides are multiples of 2**depth
    width=16,                 # channels of the first stage; doubled at each stage up to 8 * width (VGG, U-Net: 64)
    convs=(),                 # convolutions of each stage; () = 2 each (VGG-16: (2, 2, 3, 3, 3))
    batch_norm=True,          # after every convolution
    batch_norm_momentum=0.9,  # decay of the running statistics a step
    pixels='signed',          # what the encoder sees: signed ([-1, 1]) | imagenet (torchvision) | caffe (BGR less mean)
    weights='',               # .npz or .safetensors with VGG-16's weights to start from; '' = at random
)

# The fields of `config.model`, by model name; `name` and `upsample` are common to all.
MODELS = {
    'dcgan': dict(
        preset='paper',       # 'paper' (Radford et al. 2015) or 'code' (its authors' repository),
                              # see deconv/models/dcgan.py
        latent_size=100,      # length of z, uniform in [-1, 1]
        width=128,            # channels of the layer next to the image; doubled at each halving (paper: 128)
        kernel_size=5,        # window side of every (transposed) convolution; 4 divides evenly by the stride
        leak=0.2,             # slope of the discriminator's LeakyReLU below zero
        batch_norm_momentum=0.9,  # decay of the running statistics a step
    ),
    'gan28': dict(
        latent_size=100,      # length of z, standard normal
        width=64,             # channels at 28x28; 14x14 and 7x7 have twice as many
        leak=0.2,             # slope of LeakyReLU below zero
        dropout=0.3,          # share of discriminator features dropped
    ),
    'mlp_gan': dict(
        latent_size=100,      # length of z, standard normal
        hidden=128,           # units of each hidden layer
        depth=2,              # number of hidden layers
        leak=0.2,             # slope of LeakyReLU below zero
    ),
    'vae_mlp': dict(
        latent_size=20,       # length of z, standard normal
        hidden=500,           # units of each hidden layer of encoder and decoder
        depth=1,              # number of hidden layers
        activation='relu',    # relu | tanh | elu | leaky_relu | gelu | silu
    ),
    'vae_conv': dict(
        latent_size=32,       # length of z, standard normal
        width=32,             # channels at half the image's resolution; doubled at each halving, up to max_width
        max_width=256,        # upper limit of the channels
        hidden=256,           # units of the dense layers next to z
        blocks=0,             # residual blocks at each resolution below the image's
        activation='relu',    # relu | tanh | elu | leaky_relu | gelu | silu
    ),
    'dcign': dict(
        preset='paper',       # 'paper' (Kulkarni et al. 2015) or 'code' (its authors' repository),
                              # see deconv/models/dcign.py
        latent_size=200,      # length of z: one latent to each factor of pose and light, the rest to the shape
        width=96,             # channels of the first convolution; the others in proportion
        padding='same',       # same (image side a multiple of 16) | valid (as published: 150x150)
        dense_init='authors',  # how dense layers start: authors (N(0, 0.01)) | fan_in (variance 1 / fan_in)
    ),
    'conv_deconv': dict(
        widths=(32, 64, 32),  # channels of the convolutions, and last those of every doubling but the last
        kernel_size=3,        # side of every window
        residual='none',      # 'bicubic': the network adds to the bicubic enlargement | 'none': it makes the image
    ),
    'srcnn': dict(
        widths=(64, 32),      # channels of the first two convolutions
        kernel_sizes=(9, 1, 5),  # sides of the three windows; (9, 5, 5) in the paper's long version
        residual='none',      # as for conv_deconv
    ),
    'fsrcnn': dict(
        width=56,             # d: channels of the features
        shrunk=12,            # s: channels of the mapping
        depth=4,              # m: layers of the mapping
        kernel_size=9,        # side of the last layer's window
        residual='none',      # as for conv_deconv
    ),
    'espcn': dict(
        widths=(64, 32),      # channels of the two convolutions
        kernel_size=3,        # side of the last layer's window; subpixel 3 has the weights of deconv 3 * scale
        residual='none',      # as for conv_deconv
    ),
    'rednet': dict(
        depth=30,             # layers: half convolutions, half deconvolutions (paper: 10, 20, 30)
        width=64,             # channels of every layer
        skip_step=2,          # every so many convolutions a skip to the mirrored deconvolution
        stride=1,             # 2: the first convolution halves the size, the last layer doubles it by model.upsample
    ),
    'context_encoder': dict(
        output='image',       # the decoder makes the whole 'image' | the 'centre', half its side
        width=64,             # channels of the first layer
        bottleneck=4000,      # units between encoder and decoder; 0 = fully connected within each channel
        batch_norm_momentum=0.9,  # decay of the running statistics a step
    ),
    'autoencoder': dict(
        depth=3,              # halvings of the size
        width=32,             # channels at half the image's resolution; doubled at each halving, up to max_width
        max_width=256,        # upper limit of the channels
        code=8,               # channels of the code, at 1 / 2**depth of the resolution
    ),
    'fcn': dict(
        **_VGG,
        skips=2,              # finer poolings that are scored too: 0, 1, 2 = FCN-32s, 16s, 8s (at depth 5)
        padding='same',       # same | wide (as published: 100 pixels round the image, then crops; any size of image)
        fc_kernel=3,          # side of fc6's window (paper: 7)
        fc_width=256,         # channels of fc6 and fc7 (paper: 4096)
        dropout=0.0,          # share of the features of fc6 and fc7 dropped (paper: 0.5)
        learned=False,        # upsample='paper': the bilinear kernels are trained on (paper) | stay fixed (its code)
        scaled_skips=False,   # features of the n-th skip times 0.01**n before their score (FCN-8s at-once)
    ),
    'deconvnet': dict(
        **_VGG,
        fc_kernel=3,          # side of the windows of fc6 and its counterpart (paper: 7)
        fc_width=256,         # channels of fc6 and fc7 (paper: 4096)
    ),
    'segnet': dict(**_VGG),
    'unet': dict(
        **_VGG,
        padding='same',       # same | valid (as published: the map is smaller than the image, 572 -> 388)
        dropout=0.0,          # share of features dropped at the end of the contracting path (paper: 0.5)
    ),
    'linknet': dict(
        upsample='paper',     # as for fcn
        depth=4,              # halvings of the resolution; the image's sides are multiples of 2**depth (paper: 5)
        width=16,             # channels of the first stage; doubled at each stage up to 8 * width (paper: 64)
        blocks=2,             # residual blocks of each stage
        stem='plain',         # plain (a 3x3 convolution) | paper (7x7 of stride 2, pooling): two of the halvings
        batch_norm_momentum=0.9,  # decay of the running statistics a step
    ),
}

# The fields of `config.objective`, by task.
OBJECTIVES = {
    'gan': dict(
        name='non_saturating',     # a key of deconv.objectives.gan.OBJECTIVES: non_saturating | minimax
        update_order='disc_then_gen',  # disc_then_gen | simultaneous | alternate (see deconv/tasks/gan.py)
        disc_learning_rate_scale=1.0,  # learning rate of the discriminator as a multiple of the generator's
    ),
    'vae': dict(
        name='elbo',               # a key of deconv.objectives.regularizers.REGULARIZERS (elbo | ...), or iwae
        likelihood='bernoulli',    # bernoulli | gaussian_fixed | gaussian_learned | gaussian_pixel | logistic_mixture
        binarization='dynamic',    # bernoulli: dynamic | static | grey (targets are grey levels: no likelihood)
        binarization_seed=0,       # static: of the draw
        noise_scale=0.1,           # gaussian_fixed: standard deviation of a pixel; from black to white is 1
        mixtures=5,                # logistic_mixture: components
        samples=1,                 # codes drawn for each training image; iwae: the k of its bound
        beta=1.0,                  # elbo: weight of the KL divergence; beta_tc: of the total correlation; 1 = the ELBO
        warmup_steps=0,            # elbo: steps over which that weight rises linearly from 0
        free_bits=0.0,             # elbo: nats of each latent (mean over the batch) that cost nothing extra
        gamma=1000.0,              # capacity: weight of |KL - C|
        capacity_nats=25.0,        # capacity: final C, nats
        capacity_steps=100_000,    # capacity: steps over which C rises linearly from 0
        tc_sampling='weighted',    # beta_tc: minibatch estimate of q(z): weighted | stratified (needs dataset_size)
        dataset_size=0,            # beta_tc: number of training images; 0 = the batch
        dip_off_diagonal=10.0,     # dip_i, dip_ii: weight of the squared covariances of two latents
        dip_diagonal=10.0,         # dip_i, dip_ii: weight of the squared distance of the variances from 1
    ),
    'factor_vae': dict(
        name='elbo',               # the only one
        likelihood='bernoulli',    # as for vae
        binarization='dynamic',    # bernoulli: as for vae
        binarization_seed=0,       # static: of the draw
        noise_scale=0.1,           # gaussian_fixed: as for vae
        mixtures=5,                # logistic_mixture: components
        samples=1,                 # codes drawn for each training image
        tc_weight=35.0,            # weight of the total correlation (gamma; Kim & Mnih 2018 on dSprites: 35)
        disc_learning_rate_scale=1.0,  # learning rate of the discriminator as a multiple of the autoencoder's
        disc_hidden=1000,          # discriminator: units of each hidden layer
        disc_depth=6,              # discriminator: number of hidden layers
    ),
    'inverse_graphics': dict(
        name='elbo',               # the only one
        likelihood='bernoulli',    # as for vae
        binarization='grey',       # bernoulli: as for vae; the paper's targets are grey levels
        binarization_seed=0,       # static: of the draw
        noise_scale=0.1,           # gaussian_fixed: as for vae
        mixtures=5,                # logistic_mixture: components
        samples=1,                 # codes drawn for each training image
        clamp='mean',              # inactive latents become their mean over the batch (paper) | 'first': its first
                                   # image's (code)
        invariance=0.01,           # weight of the gradient that pulls inactive latents to their mean (paper: 1/100)
    ),
    'restoration': dict(
        colour='rgb',              # what is restored: y (luminance of RGB) | rgb | grey (an image of one channel)
        l2=1.0,                    # weight of the mean squared error, on the scale of [-1, 1]
        l1=0.0,                    # weight of the mean absolute error
        charbonnier=0.0,           # weight of the mean of sqrt(error^2 + charbonnier_eps^2)
        charbonnier_eps=1e-3,      # see there
        ssim=0.0,                  # weight of 1 - SSIM
        total_variation=0.0,       # weight of the mean absolute difference of neighbouring pixels of the result
        shave=0,                   # pixels at each border that the loss leaves out
        outside=1.0,               # holes: weight of the pixels outside of the hole in l2, l1 and charbonnier
        ring=0,                    # holes: pixels around the hole that count as ring_weight (context encoder: 4 or 7)
        ring_weight=10.0,          # see there
        composite=True,            # holes: the result outside of the hole is the input
        adversarial=0.0,           # holes: weight of a discriminator's judgement of the hole (context encoder: 0.001)
        adversarial_name='non_saturating',  # a key of deconv.objectives.gan.OBJECTIVES
        disc_learning_rate_scale=1.0,  # learning rate of the discriminator as a multiple (context encoder: 0.1)
        disc_width=64,             # channels of the discriminator's first layer
        last_learning_rate_scale=1.0,  # learning rate of the last layer as a multiple (FSRCNN: 0.1)
    ),
    'segmentation': dict(
        cross_entropy=1.0,         # weight of the cross-entropy of a pixel, mean over the pixels that count
        dice=0.0,                  # weight of 1 - Dice, mean over the classes in the batch
        focal=0.0,                 # weight of the focal loss
        lovasz=0.0,                # weight of the Lovasz-Softmax loss, a surrogate of 1 - IoU
        focal_gamma=2.0,           # focal: exponent of 1 - p (Lin et al. 2017: 2)
        lovasz_per_image=False,    # lovasz: of each image instead of all pixels of the batch together
        class_weights='none',      # cross_entropy, focal: none | median_frequency (over the training split)
        border_weight=0.0,         # cross_entropy: weight of the ground between two regions (U-Net: 10); 0 = off
        border_sigma=5.0,          # that weight's reach in pixels (U-Net: 5)
        deep_supervision=0.0,      # weight of the cross-entropy of scores before each doubling; not fcn
    ),
}

# The fields of `config.augment`, by task; other tasks have no such section. See deconv/data/transforms/augment.py.
AUGMENT = {
    'segmentation': dict(
        flip=False,                # mirror each image with probability 1/2
        scale_min=1.0,             # each is enlarged by a factor drawn from scale_min ...
        scale_max=1.0,             # ... to scale_max, uniform in its logarithm
        rotate_degrees=0.0,        # turned by an angle drawn from plus or minus so many degrees
        crop=0,                    # side in pixels of a square drawn from it, that is trained on; 0 = all of it
        elastic_sigma=0.0,         # standard deviation in pixels of the shifts of a 3x3 grid (U-Net paper: 10)
        brightness=0.0,            # shift of all levels, drawn from plus or minus so much; from black to white is 1
        contrast=0.0,              # distances from the mean change by a factor drawn from 1 plus or minus this
        saturation=0.0,            # distances from grey change by a factor drawn from 1 plus or minus this
        hue=0.0,                   # colours turn by an angle drawn from plus or minus so many turns of their circle
    ),
    'restoration': dict(
        turns=False,               # mirror and turn each image, one of the eight ways at random
    ),
}


def _model(name):
  return _dict(**{
      'name': name,           # a key of deconv.models.MODELS
      'upsample': 'deconv',   # a kind of deconv.layers.Upsample: what doubles the resolution
      **MODELS[name]})

# The fields of `config.degrade`, by task; other tasks have no such section. See deconv/data/transforms/degrade.py.
DEGRADE = {
    'restoration': dict(
        scale=1,                   # down-sampling factor; 1 = off
        down='bicubic',            # how: bicubic (antialiased, as MATLAB's imresize) | area | nearest
        grey=False,                # colours become their luma
        blur_sigma=0.0,            # Gaussian blur before the down-sampling: standard deviation in pixels; 0 = off
        noise_sigma=0.0,           # Gaussian noise: standard deviation in levels of 255; 0 = off
        noise_sigma_max=0.0,       # if above noise_sigma: each image's own is drawn between the two
        poisson_peak=0.0,          # photons at white; 0 = no photon noise
        salt_pepper=0.0,           # share of the pixels that become black or white
        levels='raw',              # outside of black and white: raw (left as it is) | clipped | rounded (to 256 levels)
        jpeg_quality=0,            # 1 to 100 as libjpeg's; 0 = off
        jpeg_quality_max=0,        # if above jpeg_quality: each image's own is drawn between the two
        hole='none',               # what is missing: none | centre | box | strokes | pixels
        hole_share=0.25,           # share of the area that is missing
        hole_value=0.0,            # what is put there, in [-1, 1]
    ),
}


def get_config(model='dcgan', task='gan'):
  """Returns the default config of one model under one task; locked, so that a misspelt field fails at once."""
  config = ml_collections.ConfigDict()
  config.seed = 0                # every random number of the run is a function of (seed, step)
  config.task = task             # a key of deconv.tasks.TASKS

  config.model = _model(model)

  config.objective = _dict(**OBJECTIVES[task])

  config.data = _dict(
      source='digits',           # a key of deconv.data.SOURCES: digits | mnist | folder | ... (docs/data.md)
      path='',                   # folder or archive of the data set; for tfds its data_dir ('' = tfds' own default)
      name='',                   # tfds: the data set's name, such as 'cifar10'
      split='train',             # split that is trained on
      eval_split='test',         # split that is evaluated on, where the source has one
      image_size=32,             # height and width in pixels of what the network sees
      fit='crop',                # crop (the centre square) | pad (the longer side is scaled, the rest filled)
      patch_stride=0,            # fit='patches': pixels from one patch to the next, at most; 0 = image_size
      channels=1,                # 1 (grey) or 3 (RGB)
      crop=0,                    # side in pixels of the centre crop before the resize; 0 = the largest square
      background=(255, 255, 255),  # RGB under transparent pixels
      on_broken='skip',          # a file that cannot be decoded: 'skip' (counted, named once) or 'error'
      memory_limit_mb=1024,      # decoded data sets up to this size are held in memory and gathered by index
      workers=4,                 # worker threads or processes that decode what is not in memory
      worker_kind='thread',      # thread | process
      prefetch=2,                # batches made ahead of the step
      flip=False,                # mirror each image with probability 1/2
      class_names=(),            # segmentation: names of the classes 0, 1, ... of a mask
      palette='',                # masks: file with a line 'red green blue name' a class; '' = pixels are class numbers
      vary=(),                   # shapes, heads: weights of the factors, one of which varies in a batch; () = all vary
  )

  if task in AUGMENT:
    config.augment = _dict(**AUGMENT[task])
  if task in DEGRADE:
    config.degrade = _dict(**DEGRADE[task])

  config.optimizer = _dict(
      name='adam',               # adam | adamw | rmsprop | sgd
      learning_rate=2e-4,        # peak learning rate
      beta1=0.5,                 # adam(w): decay of the first moment; DCGAN section 4: 0.5
      beta2=0.999,               # adam(w), rmsprop: decay of the second moment
      eps=1e-8,                  # adam(w), rmsprop: added to the root of the second moment
      momentum=0.0,              # sgd, rmsprop: momentum
      weight_decay=0.0,          # adamw: decoupled decay, a step, times the learning rate
      l2=0.0,                    # coefficient times the parameter added to its gradient
      clip_norm=0.0,             # global gradient norm is clipped to this; 0 = off
      schedule='constant',       # constant | linear | cosine | step
      warmup_steps=0,            # linear warm-up from zero, in steps
      final_scale=0.0,           # linear, cosine: the last learning rate as a share of the peak
      decay_steps=0,             # step: steps between two decays; linear, cosine: 0 = to the end of the run
      decay_rate=0.1,            # step: factor of each decay
  )

  config.train = _dict(
      steps=0,                   # length of the run in steps, or
      epochs=0.0,                # ... in passes over the data (one of the two is set)
      batch_size=128,            # images a step, over all devices and processes
      dtype='float32',           # compute type: float32 | bfloat16 (parameters stay float32)
      steps_per_call=1,          # steps inside one compiled call (lax.scan): saves dispatch on fast devices
      ema_decay=0.0,             # decay a step of the averaged generator, statistics included; 0 = no average
  )

  config.parallel = _dict(
      mode='jit',                # jit (batch sharded over all devices) | pmap
      batch_norm='sync',         # pmap: sync (statistics of the global batch) | local (of each device's share)
  )

  config.checkpoint = _dict(
      every=500,                 # steps between checkpoints
      keep=2,                    # the newest so many are kept ...
      best_metric='',            # ... and the best by this evaluation metric; '' = none
      best_is='max',             # the best has the max | min of it
  )
  config.eval = _dict(
      every=0,                   # steps between evaluations; 0 = only at the end
      batch_size=256,            # images a batch
      num_samples=1000,          # generated images that an evaluation draws
      use_ema=True,              # evaluate and sample the averaged parameters where there are any
      importance_samples=0,      # vae: codes an image for the estimate of log p(x) ('nll'); 0 = no estimate
      importance_chunk=10,       # vae: how many of them are decoded at once; memory grows with it times batch_size
      whole_images=0,            # segmentation, restoration: held-out images also predicted at their own size, by tiles
      tile_overlap=0.25,         # whole images, --image: share of a tile's side that its neighbours overlap
      flips=False,               # whole images, --image: averaged with what is made of them mirrored
      quarter_turns=False,       # restoration, whole images, --image: and with what is made of them turned
      scales=(1.0,),             # segmentation, whole images: sizes whose probabilities are averaged, as multiples
      batch_stats='running',     # normalise samples by running statistics | by those of the batch ('batch')
  )
  config.samples = _dict(
      every=500,                 # steps between sample grids
      every_epochs=0.0,          # passes over the data between sample grids, instead of `every`; 0 = off
      num=64,                    # images in a grid
      gif_fps=8,                 # frames a second of progress.gif
  )
  config.log = _dict(
      every=50,                  # steps between lines of metrics.jsonl
      tensorboard=True,          # also write TensorBoard events
  )
  config.compilation_cache = 'auto'  # folder of JAX's compilation cache; auto = ~/.cache/deconv/jax; '' = off
  return config.lock()


def set_model(config, name):
  """Puts another model into a config: fields that both models have keep their values, others get its defaults."""
  old = config.model
  new = _model(name)
  kept = {field: value for field, value in old.items() if field in new and field != 'name'}
  if kept['upsample'] == 'paper' and new.upsample != 'paper':
    del kept['upsample']  # a kind that only some models know
  new.update(kept)
  with config.unlocked():
    config.model = new


# Overrides that make any experiment end in seconds on two cores; finish() applies them to ':smoke'.
_SMOKE = {
    'train.batch_size': 8, 'train.epochs': 0.0, 'train.steps': 4, 'train.steps_per_call': 1,
    'checkpoint.every': 2, 'eval.every': 0, 'eval.batch_size': 8, 'eval.num_samples': 16,
    'samples.every': 2, 'samples.every_epochs': 0.0, 'samples.num': 4, 'log.every': 1,
    'data.workers': 1, 'data.memory_limit_mb': 64,
}


def finish(config, variant='', variants=None, smoke=None):
  """Applies the variants named after the colon of `--config=FILE.py:VARIANT` and returns the config.

  Args:
    config: what the config file has set.
    variant: comma-separated names; '' for none. 'smoke' exists everywhere and is applied last.
    variants: {name: {'section.field': value}} of this config file.
    smoke: this config's own smoke overrides, on top of the common ones.

  Raises:
    ValueError: a name that this config does not have.
  """
  variants = dict(variants or {}, smoke={**_SMOKE, **(smoke or {})})
  names = [name for name in variant.split(',') if name]
  for name in sorted(names, key=lambda name: name == 'smoke'):
    if name not in variants:
      raise ValueError(f"no variant '{name}' in this config; it has: {', '.join(sorted(variants))}")
    config.update_from_flattened_dict(variants[name])
  return config
