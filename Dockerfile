# asrcli serve on the CPU. Build from a checkout: docker build -t asrcli .
# Run: docker run -p 8000:8000 -v asrcli:/data -e ASRCLI_SERVE_API_KEY=... asrcli
FROM python:3.13-slim

# sherpa-onnx's wheel needs libgomp; ffmpeg's own package has more formats than the wheel's.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 asrcli \
 && install -d -o asrcli -g asrcli /data

COPY pyproject.toml README.md LICENSE /src/
COPY man /src/man
COPY completions /src/completions
COPY asrcli /src/asrcli
RUN pip install --no-cache-dir '/src[builtin,serve,hotwords,chinese]' && rm -rf /src

USER asrcli
# Models, jobs and configuration: all that must outlive the container.
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/data/config XDG_CACHE_HOME=/tmp/cache
VOLUME /data
EXPOSE 8000 10095
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["asrcli"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--funasr-port", "10095"]
