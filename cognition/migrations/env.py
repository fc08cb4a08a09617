"""Run by Alembic: migrates over the connection that `migrations.upgrade` was given."""

from alembic import context

from cognition.schema import metadata

if hasattr(context, "config"):  # absent when a tool merely imports every module, e.g. to run doctests
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    context.run_migrations()
