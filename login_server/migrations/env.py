"""What Alembic runs the revisions with: the connection that `login_server.schema` has opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
