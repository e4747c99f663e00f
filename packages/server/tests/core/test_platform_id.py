import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright.core.platform_id import job_id_of, uuid_of
from eyebright.ports.clock import SystemClock

DIGITS = st.text("0123456789abcdef", min_size=23, max_size=23)


@given(DIGITS)
def test_every_id_comes_back_from_its_uuid(digits):
    known = uuid.UUID(uuid_of(f"job_{digits}"))
    assert (known.version, known.variant) == (7, uuid.RFC_4122)
    for notation in (str(known), str(known).upper(), known.hex, known.urn, f"{{{known}}}"):
        assert job_id_of(notation) == f"job_{digits}"


@given(st.uuids())
def test_a_uuid_is_of_one_job_or_of_none(found):
    job_id = job_id_of(str(found))
    assert job_id is None or uuid_of(job_id) == str(found)


@given(DIGITS, DIGITS)
def test_uuids_sort_as_the_ids_do(one, other):
    assert (uuid_of(f"job_{one}") < uuid_of(f"job_{other}")) == (one < other)


def test_what_the_clock_names_has_a_uuid():
    job_id = SystemClock().new_id("job")
    assert job_id_of(uuid_of(job_id)) == job_id == job_id_of(job_id)


@pytest.mark.parametrize(
    "text",
    ["", "123", "job_", "job_0192", "dsv_00000000000000000000001", "../job", "job_0000000000000000000000G",
     "00000000-0000-4000-8000-000000000000", "10000000-0000-7000-8000-000000000000", "\x00", "job_" + "１" * 23],
)  # fmt: skip
def test_what_can_be_no_jobs_is_none(text):
    assert job_id_of(text) is None
