# The image that serves, works and keeps time; which of the three is the command's to say (docker-compose.yml).

# Static files: the design system by npm, patched as `make setup` does.
FROM node:24-slim AS assets
RUN apt-get update && apt-get install --yes --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /pilot
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=dev
COPY pilot/__init__.py pilot/building.py pilot/
RUN python3 -m pilot.building vendor

# Python packages: what production needs and no more, so no embedded servers.
FROM python:3.13-slim AS packages
COPY requirements/production.txt /tmp/production.txt
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes --no-deps \
    --only-binary :all: --requirement /tmp/production.txt

FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 STATIC_ROOT=/pilot/collected
RUN useradd --system --uid 10001 --no-create-home pilot && \
    install --directory --owner pilot --mode 700 /var/lib/pilot/key && \
    install --directory --owner pilot --mode 755 /var/lib/pilot/checkpoints
WORKDIR /pilot
COPY --from=packages /venv /venv
COPY . .
COPY --from=assets /pilot/static/vendor static/vendor
# Collecting needs settings but reaches no server: the values stand in for those of the real thing.
RUN PILOT_MODE=production SECRET_KEY=building-the-image ALLOWED_HOSTS=localhost PILOT_BASE_URL=https://localhost \
    DATABASE_URL=postgresql://pilot_app@localhost/pilot OWNER_DATABASE_URL=postgresql://pilot_owner@localhost/pilot \
    REDIS_URL=redis://localhost EMAIL_URL=smtp://localhost DEFAULT_FROM_EMAIL=pilot@localhost \
    python manage.py collectstatic --no-input --verbosity 0
USER pilot
EXPOSE 8000
CMD ["gunicorn", "pilot.wsgi", "--config", "pilot/gunicorn.py"]
