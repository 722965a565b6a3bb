"""Losses, one file each, shared by the training methods."""
