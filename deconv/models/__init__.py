"""Networks: MODELS maps `config.model.name` to a builder.

A builder takes the options of the network (the class of the same name in deconv/options/models/), and by keyword what
the task knows. It has no defaults of its own, and raises UserError where the size of the images does not fit.

MODELS are the networks of GANs: builder(options, image_shape=(height, width, channels), dtype=..., batch_norm_axis=...)
returns (generator, discriminator, latent): two Linen modules, generator(z, train) and discriminator(images, train), and
a `Latent`; a conditional discriminator also takes `labels` int32 (batch,), a conditional generator finds them in the
latent. heads.py says what a discriminator returns. `dtype` is what is computed in (parameters and statistics stay
float32), `batch_norm_axis` the mapped axis over which batch norm takes its statistics, or None.

AUTOENCODERS: builder(options, image_shape=..., outputs=..., dtype=...) returns the modules (encoder, decoder);
`outputs` is what a likelihood wants for each pixel.

RESTORERS are networks from degraded to restored images: builder(options, image_shape=..., scale=..., dtype=...,
batch_norm_axis=...) returns one module, a `Restorer` (restorer.py): module(images in [-1, 1], train) -> float32 about
[-1, 1]. `image_shape` is that of the restored image, `scale` its size over the degraded image's. The last layer is
called `last`.

SEGMENTERS are segmentation networks: builder(options, image_shape=..., num_classes=..., side_scores=..., dtype=...,
batch_norm_axis=...) returns one module: module.apply(variables, images in [-1, 1] (batch, height, width, channels),
train=bool, rngs={'dropout': key}) -> logits float32 (batch, height', width', num_classes). `side_scores` asks for the
scores of coarser maps that deep supervision trains.

CLASSIFIERS: builder(options, dtype=..., batch_norm_axis=...) returns one module: module.apply(variables, images in
[-1, 1] (batch, height, width, channels), train=bool, rngs={'dropout': key}) -> (logits float32 (batch, num_classes),
features float32 (batch, n)).

SPARSE_CODERS: builder(options, image_shape=...) returns a DeconvolutionalNetwork, whose maps are inferred.
"""

from deconv.models import (
  autoencoder,
  classifier,
  context_encoder,
  dcgan,
  dcgan28,
  dcign,
  deconvnet,
  deconvolutional_network,
  fcn,
  gan28,
  linknet,
  mlp_gan,
  rednet,
  resnet_gan,
  segnet,
  sndcgan,
  superres,
  unet,
  vae,
)

MODELS = {
  'dcgan': dcgan.build,
  'dcgan28': dcgan28.build,
  'gan28': gan28.build,
  'mlp_gan': mlp_gan.build,
  'resnet_gan': resnet_gan.build,
  'sndcgan': sndcgan.build,
}

AUTOENCODERS = {'vae_mlp': vae.build_mlp, 'vae_conv': vae.build_conv, 'dcign': dcign.build}

RESTORERS = {
  'conv_deconv': superres.build_conv_deconv,
  'srcnn': superres.build_srcnn,
  'fsrcnn': superres.build_fsrcnn,
  'espcn': superres.build_espcn,
  'rednet': rednet.build,
  'context_encoder': context_encoder.build,
  'autoencoder': autoencoder.build,
}

SEGMENTERS = {
  'fcn': fcn.build,
  'deconvnet': deconvnet.build,
  'segnet': segnet.build,
  'unet': unet.build,
  'linknet': linknet.build,
}

CLASSIFIERS = {'cnn': classifier.build}

SPARSE_CODERS = {'deconvolutional_network': deconvolutional_network.build}
