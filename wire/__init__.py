"""Kernels and codecs over bytes; no input or output, nothing of the pipeline."""
