"""Every parameter of libpq's URLs is understood, or named in a sentence that says no value of it."""

import pytest

from support.postgres import connected
from support.server import Database, Server
from threadkeep.database.postgres_url import KNOWN, NOT_KEPT, PASSED, WITHOUT_EFFECT, read_url
from threadkeep.settings import SettingError

# PostgreSQL 18's documentation, "Parameter Key Words", with `database` and `requiressl`, which are older names.
LIBPQ = {
    "host", "hostaddr", "port", "dbname", "user", "password", "passfile", "require_auth", "channel_binding",
    "connect_timeout", "client_encoding", "options", "application_name", "fallback_application_name",
    "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
    "replication", "gssencmode", "sslmode", "requiressl", "sslnegotiation", "sslcompression", "sslcert",
    "sslkey", "sslkeylogfile", "sslpassword", "sslcertmode", "sslrootcert", "sslcrl", "sslcrldir", "sslsni",
    "requirepeer", "ssl_min_protocol_version", "ssl_max_protocol_version", "min_protocol_version",
    "max_protocol_version", "krbsrvname", "gsslib", "gssdelegation", "scram_client_key", "scram_server_key",
    "service", "servicefile", "target_session_attrs", "load_balance_hosts", "oauth_issuer", "oauth_client_id",
    "oauth_client_secret", "oauth_scope",
}  # fmt: skip
# One that each takes, as a careful operator would write it.
TAKEN = {
    "application_name": "my%20app", "channel_binding": "prefer", "client_encoding": "UTF8", "connect_timeout": "5",
    "fallback_application_name": "app", "gssencmode": "disable", "keepalives": "1", "keepalives_idle": "30",
    "keepalives_interval": "10", "keepalives_count": "3", "load_balance_hosts": "disable", "gssdelegation": "0",
    "options": "-cwork_mem%3D8MB%20-c%20synchronous_commit%3Doff", "sslmode": "prefer", "sslcompression": "0",
    "sslsni": "1", "sslcertmode": "allow", "target_session_attrs": "read-write", "tcp_user_timeout": "5000",
    "min_protocol_version": "3.0", "max_protocol_version": "latest", "replication": "false", "requiressl": "0",
    "ssl_min_protocol_version": "TLSv1.2", "gsslib": "gssapi", "krbsrvname": "postgres", "sslnegotiation": "postgres",
}  # fmt: skip


def test_every_parameter_of_libpq_is_known_or_named():
    assert {*PASSED, *WITHOUT_EFFECT, *NOT_KEPT, *KNOWN} == LIBPQ | {"database"}


async def test_a_server_starts_with_all_of_them_and_keeps_its_own_settings(postgres, tmp_path):
    query = "&".join(f"{name}={value}" for name, value in TAKEN.items())
    url = await postgres.create_database()
    server = await Server(Database("postgres", f"{url}?{query}", tmp_path)).start()
    try:
        async with connected(url) as connection:
            names = await connection.fetch(
                "select application_name from pg_stat_activity where datname = $1", name(url)
            )
    finally:
        server.stop()

    assert {"my app"} == {each["application_name"] for each in names} - {""}


def name(url):
    return url.rpartition("/")[2]


@pytest.mark.parametrize("parameter", sorted({*NOT_KEPT, *(name for name, values in WITHOUT_EFFECT.items() if values)}))
def test_one_that_cannot_be_kept_to_is_named_without_its_value(parameter):
    with pytest.raises(SettingError, match=f"cannot keep to the parameter {parameter}") as refused:
        read_url(f"postgresql://127.0.0.1/name?{parameter}=hush")

    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("parameter", "hint"),
    [
        ("pgbouncer=true", "needs no pooler"),
        ("schema=app", "options=-csearch_path"),
        ("connection_limit=5", "THREADKEEP_POOL_SIZE"),
        ("ssl=true", "sslmode=require"),
        ("statement_timeout=5", "sets that itself"),
        ("sslmod=require", "was sslmode meant"),
        ("hush=1", "docs/deployment.md"),
    ],
)
def test_one_of_another_program_is_refused_with_what_is_like_it_here(parameter, hint):
    with pytest.raises(SettingError, match=f"does not know the parameter {parameter.partition('=')[0]}.*{hint}"):
        read_url(f"postgresql://127.0.0.1/name?{parameter}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hu#sh@127.0.0.1/name",
        "postgresql://me:12?hush=@127.0.0.1/name",
        "postgresql://me:12/hush@127.0.0.1/name",
        "postgresql://127.0.0.1/name?sslmode",
        "postgresql://127.0.0.1/name?port=hush",
        "postgresql://127.0.0.1:hush/name",
    ],
)
def test_what_is_no_address_is_refused_without_its_password(url):
    with pytest.raises(SettingError, match="is no address") as refused:
        read_url(url)

    assert "hush" not in str(refused.value)


def test_a_service_is_looked_for_where_libpq_does(tmp_path, monkeypatch):
    services = tmp_path / "services.conf"
    services.write_text("[mine]\nhost=127.0.0.1\npassword=100%\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))

    assert read_url("postgresql:///name?service=mine").urls == ("postgresql:/name?service=mine",)
    with pytest.raises(SettingError, match="There is no service"):
        read_url("postgresql:///name?service=other")


def test_connect_timeout_is_read_as_libpq_does():
    assert read_url("postgresql://127.0.0.1/name?connect_timeout=2").connect_timeout_s == 2
    assert read_url("postgresql://127.0.0.1/name?connect_timeout=0").connect_timeout_s is None
