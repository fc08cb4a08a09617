-- Run once, when the PostgreSQL volume is new: one database each for archive, Prefect and MLflow.
CREATE DATABASE archive;
CREATE DATABASE prefect;
CREATE DATABASE mlflow;
\connect prefect
CREATE EXTENSION pg_trgm;  -- Prefect's search needs it, and only a superuser may add it
