# The connector's image. BASE can be any Debian or Ubuntu with Python 3.10 to 3.14 and its venv module. BUILD_BASE is the
# same with a C compiler and Python's headers, for the decoder that is compiled; without them, rows are decoded in Python.
ARG BASE=python:3.11-slim-bookworm
ARG BUILD_BASE=python:3.11-bookworm

FROM ${BUILD_BASE} AS build
WORKDIR /build
COPY requirements/runtime.txt requirements/
# Locked, hashed and wheels only: nothing of others is compiled, and what was tested is what is installed. The lock has the
# extra with the CDK: Airbyte's platform and its tests expect it in an image, and destination-readyset imports it.
RUN python3 -m venv /opt/source-vitess \
    && /opt/source-vitess/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
         -r requirements/runtime.txt
COPY requirements/build.txt requirements/
RUN python3 -m venv /build/tools \
    && /build/tools/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
         -r requirements/build.txt
COPY pyproject.toml setup.py README.md LICENSE CHANGELOG.md ./
COPY source_vitess source_vitess
# The CDK requires packages for other kinds of connectors that nothing here imports: Unidecode (GPL), which an image
# that is passed on does without, and three that are more than half of the image.
RUN /build/tools/bin/pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir dist . \
    && /opt/source-vitess/bin/pip install --no-cache-dir --no-deps --no-index dist/*.whl \
    && /opt/source-vitess/bin/pip uninstall --yes --quiet unidecode pandas numpy nltk pip

# docker build --target destination-readyset: the destination (destination_readyset/), with the source's package, on
# which it depends.
FROM build AS build-destination-readyset
COPY destination_readyset destination_readyset
RUN cd destination_readyset \
    && /build/tools/bin/hatchling build -t wheel \
    && /build/tools/bin/pip --python /opt/source-vitess/bin/python install --no-cache-dir --no-deps --no-index \
         dist/*.whl

FROM ${BASE} AS destination-readyset
LABEL io.airbyte.name="airbyte/destination-readyset" \
      io.airbyte.version="0.1.0" \
      org.opencontainers.image.title="destination-readyset" \
      org.opencontainers.image.description="Airbyte destination for ReadySet, fed by source-vitess" \
      org.opencontainers.image.licenses="MIT"
# Platforms put their files into /airbyte, as this user.
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin airbyte \
    && install --directory --owner airbyte --group airbyte /airbyte
COPY --from=build-destination-readyset /opt/source-vitess /opt/source-vitess
ENV PATH="/opt/source-vitess/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AIRBYTE_ENTRYPOINT="/opt/source-vitess/bin/destination-readyset"
WORKDIR /airbyte
USER airbyte
ENTRYPOINT ["/opt/source-vitess/bin/destination-readyset"]

# The last stage is what a build without a target makes: the source.
FROM ${BASE}
LABEL io.airbyte.name="airbyte/source-vitess" \
      io.airbyte.version="0.1.0" \
      org.opencontainers.image.title="source-vitess" \
      org.opencontainers.image.description="Airbyte source connector for Vitess" \
      org.opencontainers.image.licenses="MIT"
# Platforms put their files into /airbyte, as this user.
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin airbyte \
    && install --directory --owner airbyte --group airbyte /airbyte
COPY --from=build /opt/source-vitess /opt/source-vitess
# No byte code is written at run time: a read-only root file system is no obstacle (the CDK wants a /tmp).
ENV PATH="/opt/source-vitess/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AIRBYTE_ENTRYPOINT="/opt/source-vitess/bin/source-vitess"
WORKDIR /airbyte
USER airbyte
ENTRYPOINT ["/opt/source-vitess/bin/source-vitess"]
