from eyebright_torch.state import EpochRecord, RunState
from eyebright_torch.task import Goal


def test_better_is_more_accurate_or_else_surer():
    goal = Goal("top1")
    assert goal.reached_better({"val_loss": 2.0, "top1": 0.9}, {"val_loss": 1.0, "top1": 0.8})
    assert goal.reached_better({"val_loss": 1.0, "top1": 0.9}, {"val_loss": 2.0, "top1": 0.9})
    assert not goal.reached_better({"val_loss": 1.0, "top1": 0.9}, {"val_loss": 1.0, "top1": 0.9})
    assert goal.reached_better({"val_loss": 9.0, "top1": 0.0}, None)


def test_a_task_may_have_no_loss_of_validation_and_a_metric_that_falls():
    assert Goal("map50").reached_better({"map50": 0.4}, {"map50": 0.3})
    assert Goal("fid", higher_is_better=False).reached_better({"fid": 3.0}, {"fid": 4.0})
    assert not Goal("fid", higher_is_better=False).reached_better({"fid": 4.0}, {"fid": 4.0})


def test_until_it_hits_anything_a_detector_gets_better_with_each_epoch():
    goal, state = Goal("mAP50"), RunState()
    worth = [0.0, 0.0, 0.0, 0.2, 0.0, 0.2]
    best = [state.close_epoch(EpochRecord(n, {}), {"mAP50": value}, goal) for n, value in enumerate(worth, start=1)]
    assert best == [True, True, True, True, False, False]
    assert (state.best_epoch, state.stale) == (4, 2)
    assert not Goal("top1").reached_better({"top1": 0.0, "val_loss": 2.0}, {"top1": 0.0, "val_loss": 1.0})
    assert not Goal("fid", higher_is_better=False).reached_better({"fid": 0.0}, {"fid": 0.0})
