"""Images that are made from maps of tissues while a segmentation is trained, in ever new contrasts.

After SynthSeg (Billot et al., Medical Image Analysis 86, 2023): a network that has seen every contrast takes any scan.
`synthesise.py` is the way through; `appearance.py`, `deform.py` and `scan.py` are its steps.
"""
