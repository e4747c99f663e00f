"""Everything that can go wrong stands in one table."""

from http import HTTPStatus

import pytest

from eyebright.client.problems import BY_CODE
from eyebright.doors.problems import FRAMEWORK
from eyebright_wire.errors import ErrorCode
from eyebright_wire.resources import JobView
from eyebright_wire.taxonomy import TAXONOMY


def test_it_holds_every_code_and_no_other():
    assert set(TAXONOMY) == {*BY_CODE, *ErrorCode, *FRAMEWORK.values()}


def test_what_requests_are_refused_with_has_a_status_of_http():
    assert {TAXONOMY[code].status for code in BY_CODE} <= set(HTTPStatus)
    assert all(kind.status == TAXONOMY[code].status for code, kind in BY_CODE.items())


@pytest.mark.parametrize("code", TAXONOMY)
def test_each_says_in_sentences_what_it_means_and_what_helps(code):
    kind = TAXONOMY[code]
    for text in (kind.meaning, kind.remedy):
        assert text[0].isupper() or text[0] in "`/"
        assert text.endswith(".")
    assert kind.meaning != kind.remedy


def test_a_job_says_what_helps_against_its_reason():
    view = JobView(
        id="job_1",
        name="n",
        state="failed",
        reason="hung",
        trainer="t",
        task="t",
        model="m",
        dataset_version="d",
        created_at_ms=1,
    )
    assert view.remedy == TAXONOMY["hung"].remedy
    assert view.model_copy(update={"reason": None}).remedy == ""
