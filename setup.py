"""Compiles the kernels of wire/; everything else is in pyproject.toml."""

from Cython.Build import cythonize
from setuptools import Extension, setup

KERNELS = ["wire/otlp_walk.py", "wire/redact.py"]

# optional: without a C compiler the same files run as Python, far slower, with a warning at start.
extensions = [Extension(path.removesuffix(".py").replace("/", "."), [path], optional=True) for path in KERNELS]

setup(ext_modules=cythonize(extensions, language_level=3))
