import pytest

from eyebright.core.breaker import LONGEST_REST_MS, REST_MS, THRESHOLD, Breaker
from eyebright.core.redelivery import LONGEST_RETRY_AFTER_SECONDS, WAITS, next_wait_seconds, retry_after_seconds, waits

NOW_MS = 1_700_000_000_000  # 2023-11-14 22:13:20 UTC


def test_ten_tries_take_some_75_hours():
    schedule = waits()
    given = [next_wait_seconds(schedule, tries, "msg_1") for tries in range(1, 11)]
    assert given[-1] is None
    total = sum(wait for wait in given if wait is not None)
    assert len(WAITS) + 1 == 10
    assert 75 * 3600 <= sum(WAITS) <= 76 * 3600
    assert sum(WAITS) <= total <= 1.1 * sum(WAITS)


def test_jitter_differs_between_deliveries_and_is_the_same_for_one():
    drawn = {next_wait_seconds(WAITS, 4, f"msg_{number}") for number in range(100)}
    assert len(drawn) > 90
    assert all(7200 <= (wait or 0) <= 7920 for wait in drawn)
    assert next_wait_seconds(WAITS, 4, "msg_1") == next_wait_seconds(WAITS, 4, "msg_1")


def test_a_dialect_may_have_first_rungs_of_its_own():
    assert waits((1, 2, 4)) == (1, 2, 4, *WAITS[1:])


def test_a_receiver_may_put_a_delivery_off_but_not_hasten_it_nor_for_ever():
    assert next_wait_seconds(WAITS, 1, "m", 120) == 120
    assert (next_wait_seconds(WAITS, 3, "m", 1) or 0) >= 1800
    assert next_wait_seconds(WAITS, 1, "m", 1e9) == LONGEST_RETRY_AFTER_SECONDS


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", None),
        ("9" * 400, 999_999_999_999.0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        ("-5", None),
        ("1e3", None),
        ("²", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(said, seconds):
    assert retry_after_seconds(said, NOW_MS) == seconds


def fail(breaker: Breaker, times: int, at_ms: int = NOW_MS) -> Breaker:
    for _ in range(times):
        breaker = breaker.failed(at_ms)
    return breaker


def test_a_breaker_opens_after_a_row_of_failures_and_a_success_closes_it():
    closed = fail(Breaker(), THRESHOLD - 1)
    assert not closed.resting(NOW_MS)
    opened = closed.failed(NOW_MS)
    assert opened.resting(NOW_MS + REST_MS - 1)
    assert not opened.resting(NOW_MS + REST_MS)
    assert opened.succeeded() == Breaker()


def test_each_failed_probe_doubles_the_rest_up_to_a_bound():
    rests = [fail(Breaker(), THRESHOLD + n).open_until_ms - NOW_MS for n in range(4)]
    assert rests == [REST_MS, 2 * REST_MS, 4 * REST_MS, 8 * REST_MS]
    assert fail(Breaker(), 5000).open_until_ms - NOW_MS == LONGEST_REST_MS


def test_who_has_just_failed_gets_one_at_a_time():
    assert Breaker().room(4) == 4
    assert fail(Breaker(), 1).room(4) == 1


def test_a_receiver_may_ask_to_be_left_alone():
    assert Breaker().failed(NOW_MS, 30_000).open_until_ms == NOW_MS + 30_000
    assert Breaker().failed(NOW_MS, 10**12).open_until_ms == NOW_MS + LONGEST_REST_MS
