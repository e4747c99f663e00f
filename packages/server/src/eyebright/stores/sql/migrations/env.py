"""What Alembic runs: the migrations, in the transaction of the connection that it is given."""

from alembic import context

from eyebright.stores.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # true of both databases: a migration that fails leaves nothing behind
)
with context.begin_transaction():
    context.run_migrations()
