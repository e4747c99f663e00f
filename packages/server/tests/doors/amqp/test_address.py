"""Where the broker is, from the settings."""

from pathlib import Path

from eyebright.doors.amqp.broker import address, shown
from eyebright.settings import AmqpSettings


def test_nothing_set_is_the_broker_of_this_machine():
    url = address(AmqpSettings())
    assert (url.scheme, url.user, url.password, url.host, url.port) == ("amqp", "guest", "guest", "localhost", 5672)
    assert url.path == "//"


def test_a_password_comes_from_its_file(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text("p@ss/word\n")
    url = address(AmqpSettings(host="mq", user="eyebright", password_file=file, vhost="training"))
    assert (url.user, url.password, url.host, url.path) == ("eyebright", "p@ss/word", "mq", "/training")


def test_a_heartbeat_that_was_chosen_stays():
    assert address(AmqpSettings(url="amqp://mq/?heartbeat=5")).query["heartbeat"] == "5"
    assert int(address(AmqpSettings(url="amqp://mq/")).query["heartbeat"]) > 0


def test_what_is_shown_has_no_password():
    assert shown(AmqpSettings(url="amqps://user:very-secret@mq/vhost")) == "amqps://mq:5671"
