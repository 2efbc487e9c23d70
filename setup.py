"""The part of the package that is compiled; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

# Optional: without a C compiler the package is installed without it, and decodes in Python.
# It uses the limited part of Python's C API only, so that one wheel serves CPython 3.10 and all later versions.
setup(
    ext_modules=[
        Extension(
            "source_vitess.rows._decoder",
            sources=[f"source_vitess/rows/{name}.c" for name in ("_decoder", "_columns", "_transactions")],
            depends=[f"source_vitess/rows/{name}.h" for name in ("_bytes", "_columns", "_protobuf", "_transactions")],
            extra_compile_args=["-O3", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
