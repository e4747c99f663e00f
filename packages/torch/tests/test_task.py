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
