"""From a volume and words to labels and regions."""

from vlp3d_core.predict.loaded import LoadedModel, load_model

__all__ = ["LoadedModel", "load_model"]
