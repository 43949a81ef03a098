"""The names by which Python reaches a database.

Rules:
- Drivers are known by their top package. What runs, opens or composes SQL is known by its own name, whatever it is a
  method of: a lint does not know types, so it denies by name.
- SOMETIMES are names that much else has too; they count unless the value is declared as a class of one's own code.
"""

from __future__ import annotations

# fmt: off
DRIVERS = frozenset(
    {
        "MySQLdb", "_sqlite3", "adbc_driver_manager", "adbc_driver_postgresql", "adbc_driver_sqlite", "aiomysql",
        "aiopg", "aiosqlite", "apsw", "asyncmy", "asyncpg", "asyncpgsa", "clickhouse_connect", "clickhouse_driver",
        "connectorx", "cx_Oracle", "databases", "duckdb", "edgedb", "gel", "gino", "jaydebeapi", "mariadb", "mysql",
        "oracledb", "ormar", "peewee", "pg8000", "pgdb", "piccolo", "pony", "ponyorm", "postgresql", "psqlpy",
        "psycopg", "psycopg2", "psycopg2cffi", "psycopg_binary", "psycopg_c", "psycopg_pool", "py_postgresql",
        "pygresql", "pymssql", "pymysql", "pyodbc", "sqlalchemy", "sqlite3", "sqlite_utils", "sqlmodel", "tortoise",
        "turbodbc",
    }
)
DISTINCT_DRIVERS = DRIVERS - {"databases", "gel", "mysql", "pony", "postgresql"}  # those that are no common word
CONNECTIONS = frozenset({"django.db.connection", "django.db.connections"})  # what a framework hands out of its driver

# Runs SQL, and nothing else has the name.
ALWAYS = frozenset(
    {
        "callproc", "copy_expert", "copy_from_query", "copy_from_table", "copy_records_to_table",
        "exec_driver_sql", "exec_params", "exec_prepared", "execute", "executemany", "executescript",
        "execute_batch", "execute_values", "fetchmany_query", "fetchrow", "fetchval", "mogrify", "query_to_table",
        "read_database", "read_database_uri", "read_sql", "read_sql_query", "read_sql_table", "scalars", "send_query",
        "send_query_params", "stream_scalars",
    }
)
# fmt: on
SOMETIMES = frozenset({"copy", "copy_from", "copy_to", "cursor", "exec_", "fetch", "raw", "stream"})
SINKS = ALWAYS | SOMETIMES
OPENERS = frozenset(
    {"connect", "connection", "create_pool", "create_engine", "create_async_engine", "getconn", "raw_connection"}
)
COMPOSERS = frozenset({"SQL", "Composed", "RawSQL"})
OTHERS = frozenset({"aio_pika", "asyncssh", "nats", "paho", "paramiko", "pika", "websockets", "zmq"})  # speak no SQL
KEYWORDS = frozenset({"query", "sql", "statement", "operation", "command"})  # of the text, where it has no place

TAKERS = frozenset({"getattr", "getattr_static"})  # of a value and a name
OWN_TAKERS = frozenset({"__getattribute__", "__getattr__"})  # the name comes last
REACHERS = TAKERS | OWN_TAKERS | {"hasattr", "attrgetter", "methodcaller"}
LOOKERS = frozenset({"get", "pop", "setdefault", "__getitem__"})  # in a table of names
TABLES = frozenset({"vars", "dir", "globals", "locals"})
CALLERS = frozenset({"map", "starmap", "partial", "partialmethod", "submit", "to_thread"})  # call what they are given
IMPORTERS = frozenset(
    {"__import__", "import_module", "find_spec", "find_loader", "run_module", "resolve_name", "_gcd_import"}
)
FILE_LOADERS = frozenset(
    {
        *("spec_from_file_location", "SourceFileLoader", "SourcelessFileLoader", "ExtensionFileLoader"),
        *("load_module", "load_source", "load_dynamic", "run_path"),
    }
)
LIBRARIES = frozenset({"CDLL", "PyDLL", "LoadLibrary", "dlopen", "find_library"})
LIBRARY = ("pq", "libpq", "sqlite3", "libsqlite3")  # the driver that the drivers are made of
RUNNERS = frozenset({"eval", "exec", "compile"})
HANDED = RUNNERS | {"__import__", "__builtins__", "getattr"}  # builtins that have no name of their own any more
HIDDEN = ALWAYS | OPENERS | COMPOSERS | {"copy_from", "copy_to"}  # names that nobody has a reason to spell as text

# Programs that speak SQL, and what starts a program.
CLIENTS = frozenset(
    {"psql", "pg_dump", "pg_dumpall", "pg_restore", "pgbench", "pgcli", "sqlite3", "mysql", "mariadb", "sqlcmd"}
)
STARTERS = frozenset(
    {
        *("run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput", "system", "popen"),
        *("execl", "execle", "execlp", "execlpe", "execv", "execve", "execvp", "execvpe", "posix_spawn"),
        *("create_subprocess_exec", "create_subprocess_shell", "subprocess_exec", "subprocess_shell"),
    }
)
