"""Texts for volumes without reports: one interface, three makers (`facts`, `vlm`, `endpoint`)."""

from vlp3d_core.train.captioning.caption import Captioned, caption
from vlp3d_core.train.captioning.maker import CaptionMaker, Left, Made, MakerStopped, corrected
from vlp3d_core.train.captioning.run import caption_manifest

__all__ = ["CaptionMaker", "Captioned", "Left", "Made", "MakerStopped", "caption", "caption_manifest", "corrected"]
