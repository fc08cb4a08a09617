# One image for Prefect server, MLflow server and workers: the versions that were tested together, and nothing else.
FROM python:3.11.13-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends bubblewrap && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY flows flows
COPY tasks tasks
COPY cognition cognition
COPY problems problems
COPY arch arch
COPY curation curation
COPY rl rl
COPY kernels kernels
COPY campaigns campaigns
# boto3 is how the MLflow server reaches the S3 store.
# Scenarios need more: --build-arg EXTRAS=postgres,s3,curation
ARG EXTRAS=postgres,s3
RUN pip install --no-cache-dir -c constraints.txt -e ".[$EXTRAS]" boto3
RUN useradd --create-home nightshift && mkdir /state && chown nightshift /state
USER nightshift
