# asrcli serve. Build from a checkout: docker build -t asrcli .
# Run: docker run -p 8000:8000 -v asrcli:/data -e ASRCLI_SERVE_API_KEY=... asrcli
# compose.yaml and compose.gpu.yaml build it, too; docs/serving.md describes them.
FROM python:3.13-slim

# sherpa-onnx's wheel needs libgomp; ffmpeg's own package has more formats than the wheel's.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 asrcli \
 && install -d -o asrcli -g asrcli /data /data/tmp /data/asrcli /data/asrcli/models

# compose.gpu.yaml adds FunASR's toolkit and torch: --build-arg EXTRAS=...,funasr --build-arg PACKAGES="torch torchaudio"
ARG EXTRAS=builtin,serve,hotwords,chinese
ARG PACKAGES=
COPY pyproject.toml README.md LICENSE /src/
COPY man /src/man
COPY completions /src/completions
COPY asrcli /src/asrcli
RUN pip install --no-cache-dir $PACKAGES "/src[$EXTRAS]" && rm -rf /src

USER asrcli
# Models, jobs, enrolled speakers, uploads and configuration: all that must outlive the container, or is large.
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/data/config XDG_CACHE_HOME=/tmp/cache TMPDIR=/data/tmp
ENV ASRCLI_SERVE_HOST=0.0.0.0
VOLUME /data
EXPOSE 8000 10095
STOPSIGNAL SIGTERM
# The server's own command with --check: it asks the port, with or without TLS, that the server was started with.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
  CMD xargs -0 sh -c 'exec "$0" "$@" --check' < /proc/1/cmdline
ENTRYPOINT ["asrcli"]
CMD ["serve"]
