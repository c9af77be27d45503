# threadkeep in a container: `docker build -t threadkeep .`, or `docker compose up` with the compose.yaml beside it.
# The Python is the one that the tests run on.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md CHANGELOG.md LICENSE ./
COPY src src
# build makes the wheel in an environment of its own, so the environment that is kept has nothing but threadkeep in it.
RUN python -m venv /build \
    && PIP_CONSTRAINT=constraints.txt /build/bin/pip install --no-cache-dir --disable-pip-version-check build \
    && PIP_CONSTRAINT=/source/constraints.txt /build/bin/python -m build --wheel --outdir /dist \
    && python -m venv --without-pip /opt/threadkeep \
    && /build/bin/pip --python /opt/threadkeep/bin/python install --no-cache-dir --disable-pip-version-check \
        --constraint constraints.txt /dist/*.whl \
    && /opt/threadkeep/bin/python -m compileall -q /opt/threadkeep/lib

FROM python:${PYTHON}-slim
COPY --from=build /opt/threadkeep /opt/threadkeep
RUN groupadd --system --gid 10001 threadkeep \
    && useradd --system --uid 10001 --gid threadkeep --home-dir /var/lib/threadkeep --shell /usr/sbin/nologin threadkeep \
    && install --directory --owner=threadkeep --group=threadkeep --mode=0700 /var/lib/threadkeep
ENV PATH=/opt/threadkeep/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    THREADKEEP_DATABASE_URL=sqlite:////var/lib/threadkeep/threadkeep.db
USER 10001:10001
# The SQLite file with its secret; on PostgreSQL only the first credentials are written here.
WORKDIR /var/lib/threadkeep
VOLUME /var/lib/threadkeep
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["threadkeep"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
