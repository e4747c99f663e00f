"""Every knob, and the only reader of the environment."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from eyebright import settings
from eyebright.errors import InvalidRequest
from eyebright.settings import (
    ALIASES,
    Adopted,
    Settings,
    adopt,
    alias_of,
    ignored_level,
    unknown_variables,
    variables,
)


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in list(settings.process_environment()):
        if name.startswith("EYEBRIGHT_") or name in settings.ALIASES:
            monkeypatch.delenv(name)


def test_it_runs_with_nothing_set():
    found = Settings()
    assert (found.host, found.port) == ("127.0.0.1", 8765)
    assert found.data_dir.is_absolute()
    assert found.data_dir.name == "eyebright"
    assert found.database == f"sqlite:///{found.data_dir}/eyebright.db"


def test_variables_are_read_by_name_and_by_section(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_DATA_DIR", "~/somewhere")
    monkeypatch.setenv("EYEBRIGHT_JOBS__LEASE_SECONDS", "90")
    monkeypatch.setenv("EYEBRIGHT_LICENCE_DENY", "AGPL-3.0, GPL-3.0,")
    monkeypatch.setenv("EYEBRIGHT_LOCAL__DEVICES", "0,2")
    monkeypatch.setenv("EYEBRIGHT_DATABASE_URL", "postgresql://db/eyebright")
    found = Settings()
    assert found.data_dir == Path.home() / "somewhere"
    assert found.jobs.lease_seconds == 90
    assert found.licence_deny == ("AGPL-3.0", "GPL-3.0")
    assert found.local.devices == (0, 2)
    assert found.database == "postgresql://db/eyebright"


def test_an_empty_variable_is_none_at_all(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_PORT", "")
    assert Settings().port == 8765


def test_what_is_given_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_PORT", "1")
    assert Settings(port=2).port == 2


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("EYEBRIGHT_PORT", "lots", "a whole number"),
        ("EYEBRIGHT_PORT", "70000", "at most 65535"),
        ("EYEBRIGHT_PORT", "-1", "at least 0"),
        ("EYEBRIGHT_JOBS__LEASE_SECONDS", "-1", "more than 0.0"),
        ("EYEBRIGHT_JOBS__HANG_SECONDS", "long", "a number"),
        ("EYEBRIGHT_EGRESS__ALLOW", "10.0.0.1/8", "a network such as 10.0.0.0/8, with no bits set beyond its length"),
        ("EYEBRIGHT_EGRESS__AUTHORITIES", "/no/such.pem", "a file that is there"),
        ("EYEBRIGHT_EGRESS__SCHEMES", "ftp", "'https' or 'http'"),
        ("EYEBRIGHT_EGRESS__PORTS", "0", "at least 1"),
        ("EYEBRIGHT_SOURCES__S3_ENDPOINT", "minio:9000", "http://… or https://…"),
        ("EYEBRIGHT_LOG__LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("EYEBRIGHT_EMBEDDED", "perhaps", "true or false"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_its_variable_and_what_was_expected(monkeypatch, variable, value, expected):
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidRequest) as caught:
        Settings()
    assert caught.value.message == f"{variable} is '{value}': expected {expected}"


@pytest.mark.parametrize("value", ["loud", "3"])
def test_a_section_set_as_a_whole_is_told_its_variables(monkeypatch, value):
    monkeypatch.setenv("EYEBRIGHT_LOG", value)
    with pytest.raises(InvalidRequest, match=r"EYEBRIGHT_LOG is a section .*set EYEBRIGHT_LOG__LEVEL, "):
        Settings()


def test_a_mistyped_variable_of_a_section_is_told_the_nearest(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_JOBS__LEASE_SECOND", "9")
    with pytest.raises(
        InvalidRequest, match=r"no setting .*LEASE_SECOND; did you mean EYEBRIGHT_JOBS__LEASE_SECONDS\?"
    ):
        Settings()


@pytest.mark.parametrize(("lease", "heartbeat"), [("60", "25"), ("40", ""), ("", "30")])
def test_a_lease_must_outlast_three_heartbeats(monkeypatch, lease, heartbeat):
    monkeypatch.setenv("EYEBRIGHT_JOBS__LEASE_SECONDS", lease)
    monkeypatch.setenv("EYEBRIGHT_JOBS__HEARTBEAT_SECONDS", heartbeat)
    with pytest.raises(InvalidRequest) as caught:
        Settings()
    assert re.search(f"EYEBRIGHT_JOBS__HEARTBEAT_SECONDS is '?{heartbeat or 15}'?: ", caught.value.message)
    assert f"EYEBRIGHT_JOBS__LEASE_SECONDS, which is {lease or 60}" in caught.value.message


def test_a_lease_of_exactly_three_heartbeats_will_do(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_JOBS__LEASE_SECONDS", "30")
    monkeypatch.setenv("EYEBRIGHT_JOBS__HEARTBEAT_SECONDS", "10")
    assert Settings().jobs.lease_seconds == 30


def test_a_typo_is_found_with_the_nearest_name(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_PROT", "1")
    monkeypatch.setenv("EYEBRIGHT_JOBS__LEASE_SECOND", "1")
    assert unknown_variables() == {
        "EYEBRIGHT_JOBS__LEASE_SECOND": "EYEBRIGHT_JOBS__LEASE_SECONDS",
        "EYEBRIGHT_PROT": "EYEBRIGHT_PORT",
    }


CALLERS = "EYEBRIGHT_TRAINING_AGENT__DATABASE_URL"


@pytest.mark.parametrize(
    ("names", "nearest"),
    [
        (("SUPABASE_URL", "GCP_BUCKETNAME"), {"GCP_BUCKETNAME": "GCP_BUCKET_NAME"}),
        ((CALLERS, "GCP_BUCKET", "BATCHSIZE"), {"BATCHSIZE": "BATCH_SIZE", "GCP_BUCKET": "GCP_BUCKET_NAME"}),
        (("GCP_BUCKETNAME", "LOGLEVEL"), {}),  # another program's, as nobody has projects here
        ((CALLERS, "GCP_BUCKETNAME", "GCP_BUCKET_NAME"), {}),  # which is said all the same
        (("SUPABASEURL",), {"SUPABASEURL": "SUPABASE_URL"}),
        ((CALLERS, "DATABASE_URL", "GOOGLE_CLOUD_PROJECT", "SUPABASE_SERVICE_ROLE_KEY"), {}),
    ],
)
def test_a_mistyped_name_of_another_system_is_found_where_it_would_count(monkeypatch, names, nearest):
    for name in names:
        monkeypatch.setenv(name, "postgresql://db/projects" if name == CALLERS else "1")
    assert unknown_variables() == nearest


def test_every_variable_says_what_it_means():
    assert all(words for name, words in variables().items() if not name.startswith("EYEBRIGHT_LOG__"))


def test_the_tree_is_frozen_and_keeps_the_token_to_itself():
    found = Settings(token="swordfish")
    with pytest.raises(ValueError, match="frozen"):
        found.port = 1
    assert "swordfish" not in repr(found)


def test_the_public_address_is_one_that_paths_can_follow(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_PUBLIC_URL", "https://train.lab:8443/eyebright/")
    assert Settings().public_url == "https://train.lab:8443/eyebright"


def test_a_password_in_the_public_address_is_refused_and_not_repeated(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_PUBLIC_URL", "https://us:swordfish@train.lab")
    with pytest.raises(InvalidRequest, match="EYEBRIGHT_PUBLIC_URL holds a name or password") as caught:
        Settings()
    assert "swordfish" not in caught.value.message


@pytest.mark.parametrize("url", ["foo", "localhost:8765", "ftp://train.example.org", "http://"])
def test_what_is_no_address_of_a_server_is_refused(monkeypatch, url):
    monkeypatch.setenv("EYEBRIGHT_URL", url)
    with pytest.raises(InvalidRequest) as caught:
        Settings()
    assert caught.value.message == f"EYEBRIGHT_URL is '{url}': expected http://… or https://…"


@pytest.mark.parametrize(
    "url",
    [
        "me:swordfish@train.example.org",
        "ftp://me:swordfish@train.example.org",
        "https://me:12/swordfish@train.example.org",
        "https://me:12#swordfish@train.example.org",
    ],
)
def test_a_password_in_what_is_no_address_is_not_repeated_either(monkeypatch, url):
    monkeypatch.setenv("EYEBRIGHT_URL", url)
    with pytest.raises(InvalidRequest, match="EYEBRIGHT_URL holds a name or password") as caught:
        Settings()
    assert "swordfish" not in str(caught.value.message)


def test_a_password_in_the_address_of_the_server_is_refused_and_not_repeated(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_URL", "https://me:swordfish@train.example.org")
    with pytest.raises(InvalidRequest, match="EYEBRIGHT_URL holds a name or password") as caught:
        Settings()
    assert "swordfish" not in str(caught.value.message)


def test_a_password_in_an_endpoint_is_refused_and_not_shown(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_SOURCES__S3_ENDPOINT", "https://alice:secret@minio:9000")
    with pytest.raises(InvalidRequest, match=r"S3_ENDPOINT holds a name or password.*the store's own tools") as caught:
        Settings()
    assert "secret" not in str(caught.value)


def test_reading_settings_imports_no_client_of_anything():
    probe = "import sys, eyebright.settings; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert {"httpx", "boto3", "google.cloud.storage", "azure.storage.blob"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("name", ["AGPL", "MADEUP", "AGPL-3.0 OR MIT", "AGPL-3.0;MIT"])
def test_a_licence_that_nobody_knows_is_refused_because_it_would_deny_nothing(monkeypatch, name):
    monkeypatch.setenv("EYEBRIGHT_LICENCE_DENY", f"MIT,{name}")
    with pytest.raises(InvalidRequest, match="is no name of a licence in the list of SPDX; expected one such as AGPL"):
        Settings()


@pytest.mark.parametrize(
    ("place", "meant"),
    [
        ("gs://bucket/models", "gs://bucket/models"),
        ("s3://our.bucket/a/b/", "s3://our.bucket/a/b"),
        ("s3://bucket", "s3://bucket"),
        ("/srv/models", "/srv/models"),
    ],
)
def test_finished_loras_are_put_where_the_operator_says(monkeypatch, place, meant):
    monkeypatch.setenv("EYEBRIGHT_TRAINING_SERVER__MODELS", place)
    assert Settings().models == meant


def test_finished_loras_are_put_into_the_data_folder_by_default(tmp_path):
    assert Settings(data_dir=tmp_path).models == str(tmp_path / "models")


@pytest.mark.parametrize(
    "place", ["models", "gs://", "gs://bucket/../x", "ftp://host/x", "s3://b/a//b", "s3://bucket/a?b"]
)
def test_a_place_that_is_none_is_refused(monkeypatch, place):
    monkeypatch.setenv("EYEBRIGHT_TRAINING_SERVER__MODELS", place)
    with pytest.raises(InvalidRequest, match=r"EYEBRIGHT_TRAINING_SERVER__MODELS is .*expected gs://bucket/models"):
        Settings()


@pytest.mark.parametrize("place", ["s3://bucket/eyebright/", "gs://our.bucket", "s3://b-1/a/b=2"])
def test_objects_lie_where_the_operator_says(monkeypatch, place):
    monkeypatch.setenv("EYEBRIGHT_STORAGE__PLACE", place)
    assert Settings().storage.place == place.rstrip("/")


@pytest.mark.parametrize(
    "place",
    [
        "/srv/objects",
        "s3://",
        "s3:///x",
        "gs://../",
        "gs://bucket/..%2f",
        "gs://bucket/../x",
        "gs://a..b/x",
        "az://bucket",
        "s3://bucket/a//b",
        "s3://bucket/a\nb",
        "https://bucket",
        "s3://Bucket/x",
        "s3://bucket?x",
    ],
)
def test_objects_lie_in_no_place_that_could_mean_another(monkeypatch, place):
    monkeypatch.setenv("EYEBRIGHT_STORAGE__PLACE", place)
    with pytest.raises(InvalidRequest, match=r"EYEBRIGHT_STORAGE__PLACE is .*expected s3://bucket/prefix or gs://"):
        Settings()


@pytest.mark.parametrize("variable", ["EYEBRIGHT_STORAGE__PLACE", "EYEBRIGHT_TRAINING_SERVER__MODELS"])
def test_a_password_in_a_place_is_not_repeated(monkeypatch, variable):
    monkeypatch.setenv(variable, "s3://user:swordfish@bucket")
    with pytest.raises(InvalidRequest, match=f"{variable} holds a name or password") as caught:
        Settings()
    assert "swordfish" not in caught.value.message


def test_the_token_of_the_callers_api_is_kept_without_its_line_end_and_never_shown(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_TRAINING_SERVER__TOKEN", "swordfish\n")
    found = Settings()
    assert found.training_server.token == "swordfish"
    assert "swordfish" not in repr(found)


@pytest.mark.parametrize("token", ["sword\nfish", "swordfish ü", "sword fish"])
def test_a_token_that_fits_no_header_is_refused_and_not_repeated(monkeypatch, token):
    monkeypatch.setenv("EYEBRIGHT_TRAINING_SERVER__TOKEN", token)
    with pytest.raises(
        InvalidRequest, match="EYEBRIGHT_TRAINING_SERVER__TOKEN holds what no header may hold"
    ) as caught:
        Settings()
    assert "fish" not in caught.value.message


def test_the_secret_that_the_callers_api_verifies_with_is_never_shown(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_TRAINING_SERVER__SECRET", "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY\n")
    found = Settings()
    assert found.training_server.secret == "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"
    assert "QUJD" not in repr(found)


@pytest.mark.parametrize(
    "key", ["=", "QUJD", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYü", "QUJD" * 30, "QUJDREVGR0hJSktMTU5PUFFSU1RVVld"]
)
@pytest.mark.parametrize("prefix", ["", "whsec_"])
def test_a_secret_that_nobody_could_verify_with_is_refused_and_not_repeated(monkeypatch, prefix, key):
    monkeypatch.setenv("EYEBRIGHT_TRAINING_SERVER__SECRET", prefix + key)
    with pytest.raises(InvalidRequest, match=r"EYEBRIGHT_TRAINING_SERVER__SECRET is no secret.* whsec_") as caught:
        Settings()
    assert "QUJD" not in caught.value.message


def test_the_callers_api_is_named_without_its_last_slash_and_without_a_password(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_TRAINING_SERVER__BACKEND_URL", "http://backend:8000/")
    assert Settings().training_server.backend_url == "http://backend:8000"
    monkeypatch.setenv("EYEBRIGHT_TRAINING_SERVER__BACKEND_URL", "http://me:swordfish@backend:8000")
    with pytest.raises(InvalidRequest, match="leave it out and set EYEBRIGHT_TRAINING_SERVER__TOKEN") as caught:
        Settings()
    assert "swordfish" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "http://user:very-secret@mq/",
        "amqp://user:very-secret/word@mq/",
        "amqp://user:very@secret/word@mq/",
        "amqp:user:very-secret@mq",
        "very-secret",
    ],
)
def test_the_address_of_a_broker_is_not_shown_when_it_is_refused(monkeypatch, url):
    monkeypatch.setenv("EYEBRIGHT_AMQP__URL", url)
    with pytest.raises(InvalidRequest, match="EYEBRIGHT_AMQP__URL is no address of a broker") as refused:
        Settings()
    assert "secret" not in str(refused.value)


def test_the_password_of_a_broker_is_not_shown_with_the_settings(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_AMQP__URL", "amqp://user:very-secret@mq/")
    settings = Settings(amqp={"consume": True})
    assert settings.amqp.url == "amqp://user:very-secret@mq/", "what a command says leaves what the environment says"
    assert "very-secret" not in repr(settings)


def test_names_of_callers_deployments_are_understood(monkeypatch):
    monkeypatch.setenv("SUPABASE_URL", "https://x.supabase.co/")
    monkeypatch.setenv("SUPABASE_KEY", "sb_secret_swordfish\n")
    found = Settings().training_agent
    assert (found.supabase_url, found.supabase_key) == ("https://x.supabase.co", "sb_secret_swordfish")
    assert "swordfish" not in repr(found)


def test_our_own_name_goes_before_the_other(monkeypatch):
    monkeypatch.setenv("SUPABASE_URL", "https://theirs.supabase.co")
    monkeypatch.setenv("SUPABASE_KEY", "theirs")
    monkeypatch.setenv("EYEBRIGHT_TRAINING_AGENT__SUPABASE_URL", "https://ours.supabase.co")
    found = Settings().training_agent
    assert (found.supabase_url, found.supabase_key) == ("https://ours.supabase.co", "theirs")


def test_every_other_name_is_that_of_a_setting_and_an_empty_one_is_none(monkeypatch):
    assert {alias_of(name) for name in variables()} - {""} == set(ALIASES)
    for name in ALIASES:
        monkeypatch.setenv(name, "")
    assert Settings() == Settings()
    assert Settings().training_agent.supabase_url is None


OF_A_PLATFORM = {
    "DATABASE_URL": "postgresql://db/platform",
    "S3_ENDPOINT": "http://minio:9000",
    "BUCKET_NAME": "theirs",
    "BACKEND_BASE_URL": "http://backend:8000/",
    "TRAINING_MODE": "subprocess",
}


@pytest.mark.parametrize("name", OF_A_PLATFORM)
def test_a_platforms_general_names_count_for_nothing_without_its_service(monkeypatch, name):
    without = Settings()
    monkeypatch.setenv(name, OF_A_PLATFORM[name])
    assert Settings() == without
    assert unknown_variables() == {}


def test_a_platforms_variables_are_understood_beside_its_service(monkeypatch):
    for name, value in {**OF_A_PLATFORM, "TRAINER_SERVICE_URL": "http://ultralytics:8001/"}.items():
        monkeypatch.setenv(name, value)
    found = Settings()
    assert found.services.addresses == {"trainer": "http://ultralytics:8001"}
    assert found.executors == ("local", "service:trainer")
    assert found.database == "postgresql://db/platform"
    assert (found.storage.place, found.storage.endpoint) == ("s3://theirs/eyebright", "http://minio:9000")
    assert found.sources.s3_endpoint == "http://minio:9000"
    assert found.public_url == "http://backend:8000"
    monkeypatch.setenv("EYEBRIGHT_EXECUTORS", "service:trainer")
    assert Settings().executors == ("service:trainer",), "our own name goes before"


@pytest.mark.parametrize(
    ("mode", "executors"),
    [
        ("", ("service:trainer", "local")),
        ("Subprocess", ("local", "service:trainer")),
        ("kubernetes", ("kubernetes", "service:trainer", "local")),
    ],
)
def test_a_platforms_mode_says_where_its_trainings_run_first(monkeypatch, mode, executors):
    monkeypatch.setenv("TRAINER_SERVICE_URL", "http://ultralytics:8001")
    monkeypatch.setenv("TRAINING_MODE", mode)
    assert Settings().executors == executors


def test_a_platform_that_names_a_store_keeps_its_data_in_its_usual_bucket(monkeypatch):
    monkeypatch.setenv("TRAINER_SERVICE_URL", "http://ultralytics:8001")
    assert Settings().storage.place is None
    monkeypatch.setenv("S3_ENDPOINT", "http://minio:9000")
    assert Settings().storage.place == "s3://vision-platform/eyebright"


def test_services_that_are_named_our_way_leave_a_platforms_names_aside(monkeypatch):
    monkeypatch.setenv("TRAINER_SERVICE_URL", "http://ultralytics:8001")
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/platform")
    monkeypatch.setenv("EYEBRIGHT_SERVICES__URLS", "gpus=http://gpu-box:8001")
    found = Settings()
    assert found.services.addresses == {"gpus": "http://gpu-box:8001"}
    assert (found.executors, found.database_url) == (("local",), None)


def test_a_wrong_address_of_a_platforms_service_is_told_by_its_own_name(monkeypatch):
    monkeypatch.setenv("TRAINER_SERVICE_URL", "ultralytics:8001")
    with pytest.raises(InvalidRequest, match=r"^TRAINER_SERVICE_URL is 'trainer=ultralytics:8001': expected http"):
        Settings()


def test_a_file_of_a_platforms_names_is_taken_beside_its_service_only(env_file):
    lines = [f"{name}={value}" for name, value in OF_A_PLATFORM.items()]
    assert adopt(env_file(*lines)).taken == ()
    assert set(adopt(env_file(*lines, "TRAINER_SERVICE_URL=http://x:8001")).taken) == {
        *OF_A_PLATFORM,
        "TRAINER_SERVICE_URL",
    }


@pytest.mark.parametrize("name", ["GCP_BUCKET_NAME", "BATCH_SIZE", "DEFAULT_EPOCHS", "DEFAULT_LEARNING_RATE"])
def test_what_any_program_may_be_called_by_stops_nobody_without_callers(monkeypatch, name):
    without = Settings()
    monkeypatch.setenv(name, "Auto!")
    assert Settings() == without
    monkeypatch.setenv("EYEBRIGHT_TRAINING_AGENT__BATCH", "8")
    assert Settings().training_agent.batch == 8


@pytest.mark.parametrize(
    ("database", "at"),
    [
        ("SUPABASE_URL", "https://x.supabase.co"),
        ("EYEBRIGHT_TRAINING_AGENT__SUPABASE_URL", "https://x.supabase.co"),
        ("EYEBRIGHT_TRAINING_AGENT__DATABASE_URL", "postgresql://db/x"),
    ],
)
def test_beside_a_database_of_callers_general_names_count(monkeypatch, database, at):
    for name, value in {
        database: at,
        "GCP_BUCKET_NAME": "models",
        "BATCH_SIZE": "8",
        "DEFAULT_EPOCHS": "3",
        "DEFAULT_LEARNING_RATE": "0.1",
    }.items():
        monkeypatch.setenv(name, value)
    found = Settings().training_agent
    assert (found.bucket, found.batch, found.epochs, found.learning_rate) == ("models", 8, 3, 0.1)
    monkeypatch.setenv("BATCH_SIZE", "auto")
    with pytest.raises(InvalidRequest, match=r"^BATCH_SIZE is 'auto': expected a whole number"):
        Settings()


def test_whoever_makes_the_settings_may_name_the_database_of_callers(monkeypatch):
    monkeypatch.setenv("BATCH_SIZE", "8")
    assert Settings(training_agent={"database_url": "postgresql://db/x"}).training_agent.batch == 8


@pytest.mark.parametrize(("word", "level"), [("DEBUG", "debug"), ("verbose", "info"), ("20", "info")])
def test_a_level_of_other_programs_is_ignored_with_a_warning_where_it_is_none_of_ours(monkeypatch, word, level):
    monkeypatch.setenv("LOG_LEVEL", word)
    assert Settings().log.level == level
    assert ignored_level() == (None if word == "DEBUG" else word)
    monkeypatch.setenv("EYEBRIGHT_LOG__LEVEL", "error")
    assert Settings().log.level == "error"
    assert ignored_level() is None, "it would not count"


def test_a_value_that_cannot_be_is_told_with_the_name_it_was_set_by(monkeypatch):
    monkeypatch.setenv("SUPABASE_URL", "x.supabase.co")
    with pytest.raises(InvalidRequest, match=r"^SUPABASE_URL is 'x.supabase.co': expected http"):
        Settings()
    monkeypatch.setenv("EYEBRIGHT_TRAINING_AGENT__SUPABASE_URL", "y")
    with pytest.raises(InvalidRequest, match=r"^EYEBRIGHT_TRAINING_AGENT__SUPABASE_URL is 'y'"):
        Settings()


@pytest.mark.parametrize("url", ["http://x:99999", "http://x:0", "http://x:y", "https://exa mple.org", "https://x /y"])
@pytest.mark.parametrize("name", ["SUPABASE_URL", "EYEBRIGHT_SOURCES__GS_ENDPOINT", "EYEBRIGHT_URL"])
def test_an_address_that_nobody_could_call_is_refused(monkeypatch, name, url):
    monkeypatch.setenv(name, url)
    with pytest.raises(InvalidRequest, match=f"^{name} is '{url}': expected a host, and behind it no port or one from"):
        Settings()


@pytest.mark.parametrize("url", ["https://x.supabase.co?apikey=swordfish", "https://x.supabase.co/#swordfish"])
def test_an_address_with_something_behind_it_is_refused_and_not_repeated(monkeypatch, url):
    monkeypatch.setenv("SUPABASE_URL", url)
    with pytest.raises(InvalidRequest, match=r"^SUPABASE_URL holds a '\?' or '#'") as caught:
        Settings()
    assert "swordfish" not in caught.value.message


@pytest.mark.parametrize("name", ["SUPABASE_KEY", "EYEBRIGHT_TRAINING_AGENT__SUPABASE_KEY"])
def test_a_key_that_fits_no_header_is_refused_and_not_repeated(monkeypatch, name):
    monkeypatch.setenv(name, "sword fish")
    with pytest.raises(InvalidRequest, match=f"^{name} holds what no header may hold") as caught:
        Settings()
    assert "fish" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:very-secret@db/x",
        "postgresql://u:very-secret/word@db/x",
        "postgresql://u:12/very-secret@db/x",
        "postgresql://u:very@secret/word@db/x",
        "postgresql://u:very@secret?word@db/x",
        "postgresql://u:12#very-secret@db/x",
        "very-secret",
        "postgresql:///very-secret",
    ],
)
def test_the_address_of_the_callers_database_is_not_shown_when_it_is_refused(monkeypatch, url):
    monkeypatch.setenv("EYEBRIGHT_TRAINING_AGENT__DATABASE_URL", url)
    with pytest.raises(InvalidRequest, match="DATABASE_URL is no address of a Postgres database") as caught:
        Settings()
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("url", ["postgresql://u:p@ss/secret@db/x", "postgres://u:12/secret@db/x"])
def test_an_address_of_our_database_with_half_a_password_in_it_is_refused_without_showing_it(monkeypatch, url):
    monkeypatch.setenv("EYEBRIGHT_DATABASE_URL", url)
    with pytest.raises(InvalidRequest, match="DATABASE_URL is no address of a Postgres database") as caught:
        Settings()
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    ["sqlite:////srv/a@b/eyebright.db", "postgresql:///eyebright?host=/run/postgresql", "postgresql://u:s%40@db/x"],
)
def test_an_address_of_our_database_may_be_of_a_file_or_a_socket(monkeypatch, url):
    monkeypatch.setenv("EYEBRIGHT_DATABASE_URL", url)
    assert Settings().database == url


def test_the_password_of_the_callers_database_is_not_shown_with_the_settings(monkeypatch):
    url = "postgresql://postgres.ref:very-secret@pooler.supabase.com:6543/postgres?sslmode=require"
    monkeypatch.setenv("EYEBRIGHT_TRAINING_AGENT__DATABASE_URL", url)
    assert Settings().training_agent.database_url == url
    assert "very-secret" not in repr(Settings())


@pytest.fixture
def env_file(tmp_path, monkeypatch):
    """Made of lines; what is taken from it is forgotten after the test."""
    monkeypatch.setattr(os, "environ", dict(os.environ))

    def write(*lines):
        file = tmp_path / ".env"
        file.write_text("\n".join(lines))
        file.chmod(0o600)
        return file

    return write


def test_a_file_says_what_the_environment_does_not(env_file, monkeypatch):
    os.environ["SUPABASE_URL"] = "https://real.supabase.co"
    file = env_file(
        "# of the agent",
        "SUPABASE_URL=https://file.supabase.co",
        "export SUPABASE_KEY='from the file'",
        "EYEBRIGHT_PORT=9000",
        "GOOGLE_APPLICATION_CREDENTIALS=/etc/key.json",
        "EYEBRIGHT_HOST=",
        "PATH=/tmp/evil",
        "LD_PRELOAD=/tmp/evil.so",
        "DATABASE_PASSWORD=theirs",
        "no assignment",
    )
    found = adopt(file)
    assert found.taken == ("EYEBRIGHT_PORT", "GOOGLE_APPLICATION_CREDENTIALS", "SUPABASE_KEY")
    assert not found.left
    assert os.environ["SUPABASE_URL"] == "https://real.supabase.co"
    assert os.environ["SUPABASE_KEY"] == "from the file"
    assert os.environ["GOOGLE_APPLICATION_CREDENTIALS"] == "/etc/key.json"
    assert os.environ["PATH"] != "/tmp/evil"
    assert {"LD_PRELOAD", "DATABASE_PASSWORD"}.isdisjoint(os.environ)


def test_what_only_clients_read_is_left_to_them_and_said(env_file):
    found = adopt(
        env_file("EYEBRIGHT_URL=https://train.example.org", "EYEBRIGHT_TOKEN=swordfish", "EYEBRIGHT_PORT=9000")
    )
    assert found.taken == ("EYEBRIGHT_PORT",)
    assert found.left == {
        "EYEBRIGHT_URL": "is for clients; EYEBRIGHT_HOST and EYEBRIGHT_PORT say where a server listens",
        "EYEBRIGHT_TOKEN": "is for clients; a server makes its own, and keeps it in its data folder",
    }
    assert {"EYEBRIGHT_URL", "EYEBRIGHT_TOKEN"}.isdisjoint(os.environ)


def test_a_mistyped_name_of_the_file_is_told_with_the_nearest(env_file):
    found = adopt(env_file("SUPABASE_URL=https://x.supabase.co", "GCP_BUCKETNAME=models", "PATH_TO_CATS=1"))
    assert found.left == {"GCP_BUCKETNAME": "is no setting; did you mean GCP_BUCKET_NAME?"}
    assert "GCP_BUCKETNAME" not in os.environ


def test_settings_alone_read_no_file(env_file, monkeypatch):
    monkeypatch.chdir(env_file("EYEBRIGHT_PORT=9000").parent)
    assert Settings().port == 8765


def test_a_file_that_is_not_there_says_nothing(tmp_path):
    (tmp_path / "venv").mkdir()
    assert adopt(tmp_path / ".env") == adopt(tmp_path / "venv") == Adopted()


def test_a_file_that_cannot_be_trusted_or_read_is_refused(env_file):
    file = env_file("EYEBRIGHT_PORT=9000")
    file.chmod(0o666)
    with pytest.raises(InvalidRequest, match=r"can be written by anybody.*chmod o-w"):
        adopt(file)
    file.chmod(0o600)
    file.write_bytes(b"EYEBRIGHT_PORT=\xff")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        adopt(file)


@pytest.mark.parametrize("line", ['GCP_BUCKET_NAME="bucket', "GCP_BUCKET_NAME"])
def test_a_line_of_the_file_that_is_not_understood_is_told_by_its_number(line: str, tmp_path: Path):
    file = tmp_path / ".env"
    file.write_text(f"# ours\nBATCH_SIZE=8\n\n{line}\nSUPABASE_KEY=swordfish\n")
    with pytest.raises(InvalidRequest, match=rf"^line 4 of {file} sets no GCP_BUCKET_NAME; expected") as caught:
        adopt(file)
    assert "swordfish" not in caught.value.message


def test_a_broken_line_of_a_platform_is_ours_beside_its_service(env_file):
    broken = 'DATABASE_URL="postgresql://there/it'
    assert adopt(env_file(broken)).taken == ()
    file = env_file(broken, "TRAINER_SERVICE_URL=http://ultralytics:8001")
    with pytest.raises(InvalidRequest, match=r"^line 1 of .* sets no DATABASE_URL"):
        adopt(file)


def test_a_line_that_another_leaves_open_before_it_is_told_by_its_number(env_file):
    file = env_file("EYEBRIGHT_PORT=9000", "", 'OTHER="swordfish', 'GCP_BUCKET_NAME="models"', "SUPABASE_KEY=swordfish")
    with pytest.raises(
        InvalidRequest, match=rf"^line 4 of {file} sets no GCP_BUCKET_NAME; .*the lines before"
    ) as caught:
        adopt(file)
    assert "swordfish" not in caught.value.message


def test_lines_of_others_that_are_not_understood_stop_nothing(env_file):
    found = adopt(env_file('OTHER="a" b', 'TEXT="two', 'EYEBRIGHT_HOST=lines"', "EYEBRIGHT_PORT=9000"))
    assert found.taken == ("EYEBRIGHT_PORT",)


@pytest.mark.parametrize(
    ("said", "kept"),
    [("https://x.supabase.co/rest/v1/", "https://x.supabase.co"), ("http://127.0.0.1:54321", "http://127.0.0.1:54321")],
)
def test_the_address_of_a_supabase_project_may_be_that_of_its_api(said: str, kept: str):
    assert settings.TrainingAgentSettings(supabase_url=said).supabase_url == kept


def test_a_postgres_address_is_shown_to_its_own_setting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SUPABASE_URL", "postgresql://u:swordfish@h/x")
    with pytest.raises(InvalidRequest, match="EYEBRIGHT_TRAINING_AGENT__DATABASE_URL") as caught:
        Settings()
    assert "swordfish" not in caught.value.message
