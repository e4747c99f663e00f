"""The names of figures."""

from eyebright_ultralytics.metrics import translated


def test_figures_get_the_names_that_people_know():
    found = translated(
        {
            "metrics/mAP50(B)": 0.5,
            "metrics/mAP50-95(M)": 0.4,
            "metrics/recall(P)": 0.3,
            "metrics/accuracy_top1": 0.9,
            "train/box_loss": 1.5,
            "val/loss": 2.5,
            "lr/pg0": 0.01,
        }
    )
    assert found == {
        "mAP50": 0.5,
        "mask_mAP50-95": 0.4,
        "pose_recall": 0.3,
        "top1": 0.9,
        "box_loss": 1.5,
        "val_loss": 2.5,
        "lr": 0.01,
    }


def test_what_has_no_name_here_is_left_out():
    assert translated({"lr/pg1": 0.1, "fitness": 1, "time": 3}) == {}
