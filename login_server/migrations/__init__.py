"""How the database's tables became what they are, revision by revision; `login_server.schema` applies them.

A revision never changes once it was released: databases of that revision exist. A new one goes into `versions`, and the
tables in the stores' modules change with it; a test compares what the revisions make with what the stores expect.
MySQL and MariaDB cannot take back half a revision, so each can be run again over what it did before it was killed.
"""
