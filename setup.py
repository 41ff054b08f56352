"""Compiles the kernels of wire/; everything else is in pyproject.toml."""

from Cython.Build import cythonize
from setuptools import setup

KERNELS = [
    "wire/metric_points.py",
    "wire/otlp_walk.py",
    "wire/redact.py",
    "wire/remote_write_encode.py",
    "wire/remote_write_walk.py",
]

extensions = cythonize(KERNELS, language_level=3)
for extension in extensions:
    # Without a C compiler the same files run as Python, far slower, with a warning at start.
    extension.optional = True

setup(ext_modules=extensions)
