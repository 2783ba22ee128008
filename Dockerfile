# syntax=docker/dockerfile:1
# One image for both roles:  docker run sentiment-monitor:local worker | exporter | config show
#
# TORCH_INDEX: where PyTorch is looked for besides pip's own index. The default is PyTorch's index of CPU builds (about
# 200 MB); what pip's own index has for Linux is the CUDA build (several GB). For a GPU leave it empty, or name the
# index of a CUDA version, and give the container the device (`--gpus all`):
#   docker build --build-arg TORCH_INDEX= --tag sentiment-monitor:local .

FROM python:3.12-slim AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /src
RUN python -m venv /opt/venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY monitor ./monitor
COPY pipelines ./pipelines
COPY dashboards ./dashboards
# The cache is a mount: it speeds the next build up and is in no layer.
RUN --mount=type=cache,target=/var/cache/pip PIP_CACHE_DIR=/var/cache/pip \
    /opt/venv/bin/pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --constraint constraints.txt .

FROM python:3.12-slim
# HOME is the one place that may be written to when the file system is read-only (compose mounts /tmp as tmpfs).
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 \
    HOME=/tmp
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin monitor
COPY --from=build /opt/venv /opt/venv
WORKDIR /tmp
USER 10001
# Health is asked for in docker-compose.yml: the roles answer on different ports.
EXPOSE 9101 9102
ENTRYPOINT ["monitor"]
