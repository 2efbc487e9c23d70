"""The part of the package that is compiled; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

# Optional: without a C compiler the package is installed without it, and decodes in Python.
setup(
    ext_modules=[
        Extension(
            "source_vitess.rows._decoder",
            sources=["source_vitess/rows/_decoder.c"],
            extra_compile_args=["-O3", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers"],
            optional=True,
        )
    ]
)
