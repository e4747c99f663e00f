from eyebright_torch.pace import Pace


def test_speed_and_end_are_told_about_once_a_second():
    now = 100.0
    pace = Pace(clock=lambda: now)
    told = []
    for _ in range(40):
        now += 0.25
        pace.count(8)
        if pace.due():
            told.append((pace.images_per_second(), pace.eta_seconds(60)))
    assert len(told) == 10
    assert told[-1] == (32.0, 15.0)


def test_before_the_first_step_nothing_is_claimed():
    pace = Pace(clock=lambda: 5.0)
    assert pace.images_per_second() is None
    assert pace.eta_seconds(10) is None
