# Build: docker build -t telescrub .
# Run:   docker run -p 127.0.0.1:4317:4317 -p 127.0.0.1:4318:4318 -p 127.0.0.1:4319:4319 -v telescrub-data:/var/lib/telescrub telescrub
# With a configuration of your own: … -v ./telescrub.yaml:/etc/telescrub.yaml:ro telescrub run --config /etc/telescrub.yaml

# The kernels of wire/ are compiled here; the compiler stays behind.
FROM python:3.13-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc g++ libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Everything is of the version and the content that the lock files name (`make lock`); nothing else is built.
COPY requirements.lock requirements-build.lock ./
RUN pip wheel --no-cache-dir --require-hashes --only-binary :all: --wheel-dir /wheels --requirement requirements.lock \
    && pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements-build.lock
COPY . .
RUN pip wheel --no-cache-dir --no-index --no-build-isolation --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels telescrub
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin telescrub \
    && install --directory --owner telescrub --group telescrub --mode 0700 /var/lib/telescrub

# A container's localhost is of no use to others; what may reach the ports is decided where they are published.
ENV TELESCRUB_HOST=0.0.0.0 \
    TELESCRUB_DATA_DIR=/var/lib/telescrub \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

USER telescrub
WORKDIR /var/lib/telescrub
VOLUME /var/lib/telescrub
EXPOSE 4317 4318 4319 8888 13133
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client as h, sys; c = h.HTTPConnection('127.0.0.1', 13133, timeout=4); c.request('GET', '/'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["telescrub"]
CMD ["run"]
