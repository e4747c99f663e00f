"""What a training service means to the server that gives it work: places, refusals, and being away."""

from datetime import timedelta

import pytest
from harness.laboratory import JOB
from harness.service_laboratory import ServiceLaboratory

from eyebright.core.breaker import REST_MS, THRESHOLD
from eyebright.errors import Conflict, InvalidRequest, ServiceUnavailable, TrainerUnavailable
from eyebright.executors.service import ServiceExecutor, ServiceExecutorSettings
from eyebright.settings import Settings
from eyebright_wire.runs import Handle, Vital

AT_ONCE = timedelta(0)


@pytest.fixture
async def laboratory(tmp_path):
    made = ServiceLaboratory(tmp_path)
    yield made
    await made.close()
    assert made.processes() == []


async def test_it_has_one_place_until_the_service_has_told_how_many(laboratory):
    executor = laboratory.executor()
    assert [slot.index for slot in executor.slots()] == [0]
    await laboratory.launch(executor, "leave", code=0)
    assert [slot.index for slot in executor.slots()] == [0, 1, 2, 3]


async def test_a_service_that_is_away_is_left_alone_and_then_tried_once(laboratory):
    executor = laboratory.executor()
    assert executor.condition() is None
    laboratory.end_service()
    for _ in range(THRESHOLD):
        assert executor.slots()
        with pytest.raises(ServiceUnavailable, match="cannot be reached") as away:
            await laboratory.launch(executor, "work")
    assert executor.slots() == ()
    assert executor.state() == "open"
    assert executor.condition() == "open: did not answer 5 times, asked again in 5 s"
    assert away.value.wait_seconds == REST_MS / 1000
    laboratory.serve()
    with pytest.raises(ServiceUnavailable, match="left alone"):
        await laboratory.launch(executor, "work")
    laboratory.clock.ms += REST_MS
    assert executor.condition() == "half-open: did not answer 5 times"
    assert executor.state() == "half-open"
    assert len(executor.slots()) == 1
    await laboratory.launch(executor, "work")
    assert (executor.condition(), executor.state()) == (None, "closed")
    assert len(executor.slots()) == 4


async def test_nothing_is_known_of_runs_while_their_service_is_away(laboratory):
    executor = laboratory.executor()
    await laboratory.launch(executor, "work")
    laboratory.note("ready.json")
    laboratory.end_service()
    assert (await executor.status(JOB)).vital is Vital.UNKNOWN
    with pytest.raises(ServiceUnavailable):
        await executor.spooled(JOB, 0)
    laboratory.serve()
    assert (await executor.status(JOB)).vital is Vital.ALIVE


async def test_runs_of_a_service_that_does_not_come_back_are_given_up(laboratory):
    now = [0.0]
    laboratory.serve()
    settings = ServiceExecutorSettings(name="lab", url=laboratory.url, abandon_seconds=60)
    executor = ServiceExecutor(settings, laboratory.clock, lambda: now[0])
    laboratory.end_service()
    for now[0] in (0.0, 59.0):
        with pytest.raises(ServiceUnavailable):
            await executor.stop(JOB, AT_ONCE)
    now[0] = 60.0
    await executor.stop(JOB, AT_ONCE)
    await executor.close()


async def test_a_service_without_a_free_place_is_asked_again_soon(laboratory):
    executor = laboratory.executor()
    for number in range(1, 5):
        await laboratory.launch_as(executor, Handle(f"job_{number}", 1), "work")
    with pytest.raises(ServiceUnavailable, match="places of this service are taken") as busy:
        await laboratory.launch_as(executor, Handle("job_5", 1), "work")
    assert busy.value.wait_seconds == 5
    assert executor.condition() is None, "it has answered"


async def test_another_order_for_an_attempt_that_runs_is_refused(laboratory):
    executor = laboratory.executor()
    await laboratory.launch(executor, "work")
    with pytest.raises(Conflict, match="started here by another order"):
        await laboratory.launch_as(executor, JOB, "work", token="of-somebody-else")


async def test_a_service_of_another_framework_gets_no_work(laboratory):
    executor = laboratory.executor()
    environment = laboratory.environment()
    object.__setattr__(environment, "trainer", "timm")
    with pytest.raises(TrainerUnavailable, match="offers fake, and the job is for timm"):
        await executor.launch(laboratory.order(JOB, "work"), environment)


async def test_an_order_that_says_nowhere_to_report_is_not_sent(laboratory):
    executor = laboratory.executor()
    order = laboratory.order(JOB, "work").model_copy(update={"callback_url": None})
    with pytest.raises(InvalidRequest, match="EYEBRIGHT_PUBLIC_URL"):
        await executor.launch(order, laboratory.environment())
    assert laboratory.processes() == []


async def test_what_is_no_training_service_is_away(laboratory, tmp_path):
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_):
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings = ServiceExecutorSettings(name="lab", url=f"http://127.0.0.1:{server.server_port}")
        executor = ServiceExecutor(settings, laboratory.clock)
        with pytest.raises(ServiceUnavailable, match="does not answer as a training service does"):
            await executor.launch(laboratory.order(JOB, "work"), laboratory.environment())
        await executor.close()
        server.shutdown()


async def test_settings_name_services(tmp_path):
    token = tmp_path / "token"
    token.write_text("swordfish\n")
    chosen = {"urls": "gpus=http://gpu-box:8001/,cpus=http://cpu-box:8001", "token_file": token}
    executor = ServiceExecutor.configured(Settings(services=chosen), "gpus")
    assert str(executor._line._client.base_url) == "http://gpu-box:8001"
    assert executor._own._headers["Authorization"] == "Bearer swordfish"
    assert "swordfish" not in repr(executor._settings)
    with pytest.raises(InvalidRequest, match="names the service 'gpu'; EYEBRIGHT_SERVICES__URLS has gpus, cpus"):
        ServiceExecutor.configured(Settings(services=chosen), "gpu")
    await executor.close()


@pytest.mark.parametrize("urls", ["http://gpu-box:8001", "Gpus=http://x", "gpus=ftp://x", "gpus=http://me:swordfish@x"])
def test_what_names_no_service_is_refused(urls):
    with pytest.raises(InvalidRequest, match="EYEBRIGHT_SERVICES__URLS") as caught:
        Settings(services={"urls": urls})
    assert "swordfish" not in caught.value.message
