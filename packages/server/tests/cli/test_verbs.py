"""Every verb that looks at what is there, for people and for scripts."""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.live import LiveServer, Ran, eyebright, pets

from eyebright.cli.exits import Exit
from eyebright.cli.planning import planned
from eyebright.client import Client
from eyebright_kit.data.conformance import write_class_folders, write_image
from eyebright_wire.datasets import Split, SplitPlan
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import JobRequest, JobState
from eyebright_wire.resources import EventView, JobView

Cli = Callable[..., Ran]


def test_a_list_of_all_kinds_names_the_kind(cli: Cli, done: JobView) -> None:
    shown = cli("jobs", "list", "--kind", "all", "--limit", "1000").out
    assert "kind" in shown
    assert "training" in next(line for line in shown.splitlines() if done.id in line)
    assert "kind" not in cli("jobs", "list").out


def test_jobs_are_listed(cli: Cli, done: JobView) -> None:
    found = cli("jobs", "list", "--state", "succeeded", "--label", "team=vision", "--json").document
    assert done.id in [job["id"] for job in found]
    assert {(job["state"], job["labels"]["team"]) for job in found} == {("succeeded", "vision")}
    shown = cli("jobs", "list", "--limit", "1000").out
    assert done.id in shown
    assert "first" in shown
    assert cli("jobs", "list", "--limit", "1", "--json").document[0]["id"] >= done.id


def test_an_empty_list_is_an_empty_document_and_a_word_to_people(cli: Cli) -> None:
    assert cli("jobs", "list", "--trainer", "nobody", "--json").document == []
    shown = cli("jobs", "list", "--trainer", "nobody")
    assert shown.out == ""
    assert "No job is like that" in shown.err


def test_a_label_without_a_value_is_refused(cli: Cli) -> None:
    assert cli("jobs", "list", "--label", "team").code == Exit.USAGE


def test_a_job_is_shown(cli: Cli, done: JobView) -> None:
    assert JobView.model_validate(cli("jobs", "show", done.id, "--json").document) == done
    shown = cli("jobs", "show", done.id).out
    assert all(
        word in shown for word in (done.id, "succeeded", "epochs=2", "team=vision", str(done.model_id), "queued")
    )


def test_an_unknown_job_is_not_found(cli: Cli) -> None:
    shown = cli("jobs", "show", "job_unknown", "--json")
    assert shown.code == Exit.NOT_FOUND
    assert shown.document["error"]["code"] == "not_found"


@pytest.mark.parametrize(("kind", "verb"), [("jobs", "show"), ("jobs", "cancel"), ("jobs", "logs"), ("models", "show")])
def test_an_unknown_id_is_told_with_where_to_find_the_known_ones(cli: Cli, kind: str, verb: str) -> None:
    assert f"eyebright {kind} list` (GET /api/v1/{kind})" in cli(kind, verb, "unheard_of").err


def test_a_finished_job_cannot_be_cancelled(cli: Cli, done: JobView) -> None:
    shown = cli("jobs", "cancel", done.id)
    assert shown.code == Exit.CONFLICT
    assert "is over (succeeded)" in shown.err


def test_a_running_job_can_be_cancelled(cli: Cli, client: Client, done: JobView) -> None:
    order = JobRequest(dataset=done.dataset_version, trainer="toy", config={"epochs": 1000, "step_seconds": 0.02})
    job = client.submit(order)
    assert cli("jobs", "cancel", job.id, "--json").document["cancel_requested"] is True
    assert client.wait(job.id, timeout_seconds=180).state is JobState.CANCELLED


def test_where_a_running_job_saves_is_told(cli: Cli, client: Client, done: JobView) -> None:
    order = JobRequest(dataset=done.dataset_version, trainer="toy", config={"epochs": 1000, "step_seconds": 0.02})
    job = client.submit(order)
    next(event for event in client.watch(job.id) if isinstance(event, EventView) and event.kind == EventKind.CHECKPOINT)
    told = cli("jobs", "artifacts", job.id).err.strip()
    client.cancel(job.id)
    folder = Path(told.removeprefix("No artifacts yet; what it has saved so far lies in "))
    assert list((folder / "checkpoints").iterdir())
    client.wait(job.id, timeout_seconds=180)
    assert cli("jobs", "artifacts", job.id).err.strip() == "No artifacts."


def test_a_job_is_repeated_as_a_new_one(cli: Cli, done: JobView) -> None:
    again = cli("jobs", "retry", done.id, "--watch", "--json").document["job"]
    assert (again["rerun_of"], again["state"]) == (done.id, "succeeded")
    assert again["id"] != done.id


def test_logs_are_what_it_printed(cli: Cli, done: JobView) -> None:
    text = cli("jobs", "logs", done.id).out
    assert "succeeded" in text
    assert cli("jobs", "logs", done.id, "--follow").out == text
    assert cli("jobs", "logs", done.id, "--attempt", "1", "--json").document == {"job_id": done.id, "text": text}
    assert cli("jobs", "logs", done.id, "--attempt", "7").code == Exit.NOT_FOUND
    assert cli("jobs", "logs", done.id, "--follow", "--json").code == Exit.USAGE


def test_following_the_logs_ends_with_the_job(cli: Cli, client: Client, done: JobView) -> None:
    order = JobRequest(dataset=done.dataset_version, trainer="toy", config={"epochs": 3, "step_seconds": 0.05})
    job = client.submit(order)
    text = cli("jobs", "logs", job.id, "--follow").out
    assert client.job(job.id).state is JobState.SUCCEEDED
    assert text == cli("jobs", "logs", job.id).out


def test_a_watched_job_ends_with_its_summary(cli: Cli, done: JobView) -> None:
    assert cli("jobs", "watch", done.id, "--json").document["job"]["id"] == done.id
    lines = cli("jobs", "watch", done.id, "--lines").out.splitlines()
    assert '"kind":"started"' in lines[0]
    assert '"kind":"job"' in lines[-1]


def test_events_metrics_checkpoints(cli: Cli, done: JobView) -> None:
    events = cli("jobs", "events", done.id, "--json").document
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    assert cli("jobs", "events", done.id, "--after", len(events) - 1, "--json").document == events[-1:]
    assert "started" in cli("jobs", "events", done.id).out
    assert "top1" in {series["name"] for series in cli("jobs", "metrics", done.id, "--json").document}
    table = cli("jobs", "metrics", done.id).out.splitlines()
    assert table[0].split()[0] == "epoch"
    assert [line.split()[0] for line in table[1:]] == ["1", "2"]
    assert len(cli("jobs", "checkpoints", done.id, "--json").document) >= 1
    assert "best" in cli("jobs", "checkpoints", done.id).out


def test_artifacts_are_downloaded_whole(cli: Cli, done: JobView, tmp_path: Path) -> None:
    found = cli("jobs", "artifacts", done.id, "--download", tmp_path / "here", "--json").document
    assert found
    for artifact in found:
        content = (tmp_path / "here" / artifact["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == artifact["sha256"]
    assert found[0]["path"] in cli("jobs", "artifacts", done.id).out


def test_models_are_listed_shown_downloaded_and_tried(cli: Cli, done: JobView, photos: Path, tmp_path: Path) -> None:
    assert done.model_id in {model["id"] for model in cli("models", "list", "--json").document}
    assert str(done.model_id) in cli("models", "list").out
    assert cli("models", "show", done.model_id, "--json").document["classes"] == ["cat", "dog"]
    assert "cat, dog" in cli("models", "show", done.model_id).out
    files = cli("models", "download", done.model_id, "--to", tmp_path / "model", "--json").document["files"]
    assert files
    assert all(Path(path).is_file() for path in files)
    scores = cli("models", "predict", done.model_id, photos / "cat/3.png", "--json").document["scores"]
    assert scores[0]["label"] == "cat"
    assert "cat" in cli("models", "predict", done.model_id, photos / "cat/3.png", "--top", "1").out


def test_what_is_no_image_is_refused(cli: Cli, done: JobView, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_text("I am a text")
    refused = cli("models", "predict", done.model_id, tmp_path / "cat.jpg")
    assert refused.code == Exit.USAGE, refused
    assert "the image cannot be used (not an image: it is text)" in refused.err
    assert cli("models", "predict", done.model_id, tmp_path / "nowhere.jpg").code == Exit.NOT_FOUND


def test_a_mask_is_asked_only_of_a_model_that_answers_one(
    cli: Cli, done: JobView, photos: Path, tmp_path: Path
) -> None:
    asked = cli("models", "predict", done.model_id, photos / "cat/3.png")
    assert "starting toy takes a while" in asked.err
    refused = cli("models", "predict", done.model_id, photos / "cat/3.png", "--mask", tmp_path / "mask.png")
    assert refused.code == Exit.USAGE, refused
    assert "is of classification and answers no mask" in refused.err
    assert "starting toy" not in refused.err


def test_a_file_in_place_of_the_folder_to_download_to_is_refused(cli: Cli, done: JobView, tmp_path: Path) -> None:
    (taken := tmp_path / "taken").touch()
    for order in (("models", "download", done.model_id, "--to"), ("jobs", "artifacts", done.id, "--download")):
        refused = cli(*order, taken)
        assert (refused.code, f"{taken} is a file; name a folder" in refused.err) == (Exit.USAGE, True), refused


def test_what_is_no_plain_file_is_refused_before_it_is_read(cli: Cli, done: JobView, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "empty.jpg").touch()
    found = {"": "is a folder", "pipe.jpg": "is no plain file", "empty.jpg": "is empty"}
    for name, words in found.items():
        refused = cli("models", "predict", done.model_id, tmp_path / name)
        assert refused.code == Exit.USAGE, refused
        assert f"{tmp_path / name} {words}" in refused.err


@pytest.mark.usefixtures("done")
def test_data_sets_are_imported_listed_and_shown(cli: Cli, photos: Path, tmp_path: Path) -> None:
    version = cli("datasets", "import", photos, "--name", "animals", "--json").document
    assert (version["dataset"], version["number"]) == ("animals", 1)
    assert cli("datasets", "import", photos, "--name", "animals", "--json").document["id"] == version["id"]
    assert "animals" in {found["name"] for found in cli("datasets", "list", "--json").document}
    assert "animals" in cli("datasets", "list").out
    assert cli("datasets", "show", "animals", "--json").document["versions"][0]["id"] == version["id"]
    assert "cat" in cli("datasets", "show", "animals").out
    assert "ready for classification" in cli("datasets", "import", photos, "--name", "animals").out
    assert cli("datasets", "show", "unheard-of").code == Exit.NOT_FOUND
    assert cli("datasets", "import", tmp_path / "nowhere").code == Exit.NOT_FOUND


def test_importing_tells_of_images_that_were_held_back(cli: Cli, tmp_path: Path) -> None:
    drawn = cli("datasets", "import", pets(tmp_path / "otters", images=7), "--name", "otters")
    assert "no image was in a validation split, so 2 were held back for it" in drawn.err, drawn


def test_equal_content_under_another_name_is_told_to_be_stored_once(cli: Cli, tmp_path: Path) -> None:
    folder = pets(tmp_path / "seals", images=5)
    first = cli("datasets", "import", folder, "--name", "seals")
    assert "stored once" not in first.err, first
    again = cli("datasets", "import", folder, "--name", "walruses")
    assert "walruses version 1" in again.err
    assert "The same content as seals version 1: stored once" in again.err


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (("datasets", "import", "{photos}", "--name", "a b"), "no name for a data set; expected at most 100 letters"),
        (("train", "{photos}", "--trainer", "toy", "--max-duration", "99999999999"), "must be at most 2147483647"),
        (("train", "{photos}", "--trainer", "toy", "--name", "a\x01"), "no name for a job and its model"),
    ],
)
def test_what_the_server_would_refuse_is_refused_in_the_same_words(
    cli: Cli, photos: Path, order: tuple[str, ...], said: str
) -> None:
    refused = cli(*(str(photos) if part == "{photos}" else part for part in order))
    assert refused.code == Exit.USAGE
    assert said in refused.err
    assert "mistake of Eyebright's own" not in refused.err


def test_inspecting_needs_no_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from eyebright.cli.entry import run

    monkeypatch.setenv("EYEBRIGHT_DATA_DIR", str(tmp_path / "data"))
    assert run(["datasets", "inspect", str(photos)]) == Exit.DONE
    assert "is ready for classification" in capsys.readouterr().out
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("verb", ["inspect", "import"])
def test_a_name_with_brackets_is_no_markup(cli: Cli, tmp_path: Path, verb: str) -> None:
    folder = tmp_path / "photos [" / "2024]"
    folder.parent.mkdir()
    ran = cli("datasets", verb, pets(folder), *(["--name", "bracketed"] if verb == "import" else []))
    assert ran.code == Exit.DONE, ran.err


def test_inspecting_says_exactly_what_is_missing(cli: Cli, tmp_path: Path) -> None:
    folder = pets(tmp_path / "one", classes=("cat",))
    verdict = cli("datasets", "inspect", folder, "--json")
    assert verdict.code == Exit.NO
    assert verdict.document["ready"] is False
    assert "1 class" in verdict.document["missing"]["classification"][0]
    shown = cli("datasets", "inspect", folder)
    assert (shown.code, "not ready" in shown.out) == (Exit.NO, True)


@pytest.fixture
def torn(tmp_path: Path) -> Path:
    """Three files that cannot be used, among others that can."""
    folder = pets(tmp_path / "torn")
    for name in ("cat/a.jpg", "cat/b.jpg", "dog/c.jpg"):
        (folder / name).write_text("dear diary")
    return folder


def test_inspecting_with_a_plan_says_what_would_become_of_it(cli: Cli, photos: Path) -> None:
    verdict = cli("datasets", "inspect", photos, "--rename", "cat=pet", "--rename", "dog=pet", "--json")
    assert verdict.document["report"]["classes"] == ["pet"]
    assert (verdict.code, verdict.document["tasks"]) == (Exit.NO, [])


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        (("--rename", "cat"), "--rename cat has no meaning; expected OLD=NEW"),
        (("--rename", "cart=x"), "the data set has no class 'cart'; did you mean 'cat'?"),
        (("--split", "80"), "add up to 80; expected 1"),
        (("--split", "a/b"), "--split a/b has no meaning; expected 80/20"),
        (("--split", "60/20/10/10"), "--split 60/20/10/10 has no meaning"),
        (("--fix", "leaks"), "unknown fix 'leaks'"),
        (("--plan", "nowhere.yaml"), "no file nowhere.yaml"),
        (("--task", "detektion"), "unknown task 'detektion'. Did you mean"),
        (("--rename", "cat=a", "--rename", "cat=b"), "--rename gives cat two names, a and b"),
        (("--seed", "1"), "--seed says which draw, and no splits are drawn"),
    ],
)
def test_a_wish_without_meaning_is_refused(cli: Cli, photos: Path, wish: tuple[str, ...], complaint: str) -> None:
    done = cli("datasets", "inspect", photos, *wish)
    assert done.code in (Exit.USAGE, Exit.NOT_FOUND)
    assert complaint in " ".join(done.err.split())


def test_a_plan_can_be_a_file(cli: Cli, photos: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("rename: {cat: kitten}\nsplits: {shares: {train: 0.5, val: 0.5}, seed: 1}\n")
    report = cli("datasets", "inspect", photos, "--plan", plan, "--json").document["report"]
    assert report["classes"] == ["kitten", "dog"]
    assert report["images"]["train"] == report["images"]["val"]


def test_what_options_say_comes_on_top_of_the_file(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("drop: [dog]\nsplits: {shares: {train: 0.5, val: 0.5}, seed: 1}\n")
    assert planned(rename=[r"a\=b=c=d"]).rename == {"a=b": "c=d"}
    asked = planned(file=plan, rename=["cat=kitten"], drop=["cow"], seed=2)
    assert (asked.rename, asked.drop) == ({"cat": "kitten"}, ("dog", "cow"))
    assert asked.splits == SplitPlan(shares={Split.TRAIN: 0.5, Split.VAL: 0.5}, seed=2)


@pytest.mark.parametrize("text", ["drop: cat", "drop: null", "rename: [cat]", "splits: 80/20", "fix: all", "- drop"])
def test_a_file_that_is_no_plan_is_refused(cli: Cli, photos: Path, tmp_path: Path, text: str) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(text)
    done = cli("datasets", "inspect", photos, "--plan", plan, "--drop", "dog")
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert text.partition(":")[0].strip("- ") in done.err


def test_an_unknown_task_is_told_before_anything_is_read(cli: Cli, tmp_path: Path) -> None:
    assert cli("datasets", "inspect", tmp_path / "nowhere", "--task", "classificaton").code == Exit.USAGE


def test_editing_makes_the_next_version_and_lists_what_it_left_out(cli: Cli, photos: Path) -> None:
    first = cli("datasets", "import", photos, "--name", "edited", "--json").document
    second = cli("datasets", "edit", "edited", "--drop", "dog", "--rename", "cat=kitten", "--json").document
    assert (second["dataset"], second["number"]) == ("edited", first["number"] + 1)
    assert second["report"]["classes"] == ["kitten"]
    left_out = cli("datasets", "changes", second["id"], "--json").document
    dogs = sum(1 for _ in (photos / "dog").iterdir())
    assert Counter(change["code"] for change in left_out) == {
        "class_dropped": dogs,
        "class_removed": 1,
        "class_renamed": 1,
    }
    assert len(left_out) == second["report"]["changes"]["count"]
    assert cli("datasets", "changes", "edited", "--json").document == left_out
    assert cli("datasets", "changes", first["id"], "--json").document == []
    assert cli("datasets", "show", first["id"], "--json").document["id"] == first["id"]


def test_fixing_what_needs_no_mending_says_so(cli: Cli, photos: Path) -> None:
    cli("datasets", "import", photos, "--name", "sound")
    done = cli("datasets", "fix", "sound")
    assert "it is the same version" in done.out
    assert cli("datasets", "fix", "sound", "near_leak").code == Exit.USAGE
    assert cli("datasets", "fix", "sounds").code == Exit.NOT_FOUND


def test_importing_with_a_plan_makes_what_editing_would(cli: Cli, photos: Path) -> None:
    cli("datasets", "import", photos, "--name", "plain")
    edited = cli("datasets", "edit", "plain", "--rename", "cat=lion", "--name", "lions", "--json").document
    direct = cli("datasets", "import", photos, "--name", "lions", "--rename", "cat=lion", "--json").document
    assert edited["id"] == direct["id"]


def test_a_sheet_is_drawn_where_it_was_asked_for(cli: Cli, photos: Path, tmp_path: Path) -> None:
    cli("datasets", "import", photos, "--name", "drawn")
    sheet = tmp_path / "sheet.png"
    assert cli("datasets", "show", "drawn", "--sheet", sheet, "--pictures", "4").code == Exit.DONE
    assert sheet.read_bytes().startswith(b"\x89PNG")
    refused = cli("datasets", "show", "drawn", "--sheet", tmp_path / "no" / "sheet.png")
    assert refused.code == Exit.USAGE
    assert "cannot be written" in refused.err
    assert cli("datasets", "show", "drawn", "--sheet", tmp_path).code == Exit.USAGE


def test_a_file_is_written_over_only_with_force(cli: Cli, photos: Path, tmp_path: Path) -> None:
    cli("datasets", "import", photos, "--name", "drawn")
    sheet = tmp_path / "holiday.png"
    sheet.write_bytes(b"the only copy")
    refused = cli("datasets", "show", "drawn", "--sheet", sheet)
    assert (refused.code, refused.out, sheet.read_bytes()) == (Exit.CONFLICT, "", b"the only copy")
    assert "is there already" in refused.err
    assert cli("datasets", "show", "drawn", "--sheet", sheet, "--force", "--pictures", "4").code == Exit.DONE
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_a_plan_with_an_unknown_key_is_refused_with_the_nearest(cli: Cli, photos: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("renames: {cat: kitten}\nsplits: {share: {train: 1}}\n")
    done = cli("datasets", "inspect", photos, "--plan", plan)
    assert done.code == Exit.USAGE
    complaint = " ".join(done.err.split())
    assert "a plan knows no 'renames'. Did you mean 'rename'" in complaint
    assert "a plan knows no 'share' in splits. Did you mean 'shares'" in complaint


def test_a_plan_that_renames_what_it_drops_is_refused(cli: Cli, photos: Path) -> None:
    done = cli("datasets", "inspect", photos, "--rename", "cat=pet", "--drop", "cat")
    assert done.code == Exit.USAGE
    assert "error: the class 'cat' is both renamed and dropped; choose one" in " ".join(done.err.split())


def test_converting_writes_copies_and_says_what_is_lost(cli: Cli, photos: Path, tmp_path: Path) -> None:
    done = cli("datasets", "convert", photos, tmp_path / "out", "--format", "imagefolder", "--drop", "dog", "--json")
    images = sum(path.is_file() for path in (photos / "cat").iterdir())
    dogs = sum(path.is_file() for path in (photos / "dog").iterdir())
    assert done.document == {
        "from": "imagefolder",
        "to": "imagefolder",
        "images": images,
        "lost": {},
        "renamed": 0,
        "changes": {"class_dropped": dogs, "class_removed": 1},
    }
    assert {path.parent.name for path in (tmp_path / "out").rglob("*.*")} == {"cat"}
    lossy = cli("datasets", "convert", photos, tmp_path / "voc", "--format", "voc", "--exclude", "dog/*", "--lossy")
    assert lossy.code == Exit.DONE
    assert f"left out or altered on the way: {dogs} (not_selected {dogs})" in " ".join(lossy.err.split())
    assert "voc cannot carry the class of a whole image" in " ".join(lossy.err.split())


def test_converting_to_what_can_carry_no_label_is_refused_before_anything_is_written(
    cli: Cli, photos: Path, tmp_path: Path
) -> None:
    done = cli("datasets", "convert", photos, tmp_path / "out", "--format", "coco")
    assert (done.code, done.out) == (Exit.USAGE, "")
    sentence = "so no label would be left; formats that can: cvat, datumaro, imagefolder"
    assert "coco cannot carry the class of a whole image" in " ".join(done.err.split())
    assert sentence in " ".join(done.err.split())
    assert "add --lossy" in done.err
    assert not (tmp_path / "out").exists()


def test_converting_names_the_first_image_that_could_not_keep_its_name(cli: Cli, tmp_path: Path) -> None:
    write_class_folders(tmp_path / "in", {"train": {"cat": 2, "dog": 2}, "val": {"cat": 1}})
    done = cli("datasets", "convert", tmp_path / "in", tmp_path / "out", "--format", "metadata")
    assert "2 images are called otherwise (first: train/dog/0.png is train/000001.png now)" in " ".join(
        done.err.split()
    )
    again = cli("datasets", "convert", tmp_path / "in", tmp_path / "folders", "--format", "imagefolder")
    assert "called otherwise" not in again.err


def test_converting_into_a_folder_that_holds_something_is_refused(cli: Cli, photos: Path) -> None:
    done = cli("datasets", "convert", photos, photos, "--format", "coco")
    assert done.code == Exit.CONFLICT
    assert "not an empty folder" in done.err
    assert cli("datasets", "convert", photos, photos / "new", "--format", "cocoo").code == Exit.USAGE
    inside = cli("datasets", "convert", photos, photos / "new", "--format", "coco")
    assert inside.code == Exit.CONFLICT
    assert "would become a part of it" in inside.err


def test_what_all_tasks_lack_is_said_once(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = cli("datasets", "inspect", tmp_path / "empty")
    assert done.code == Exit.NO
    assert done.out.count("no image was found") == 1
    assert "is not ready for classification, detection, " in " ".join(done.out.split())


def test_images_and_objects_are_counted_by_name(cli: Cli, tmp_path: Path) -> None:
    for split, objects in (("train", 3), ("val", 2)):
        for number in range(2):
            write_image(tmp_path / "street" / "images" / split / f"{number}.png", 2 * number + (split == "val"), 64)
        labels = tmp_path / "street" / "labels" / split / "0.txt"
        labels.parent.mkdir(parents=True)
        labels.write_text("".join(f"0 0.{place}5 0.5 0.1 0.2\n" for place in range(objects)))
    (tmp_path / "street" / "data.yaml").write_text("names: [car, van]\n")
    shown = [line.split() for line in cli("datasets", "inspect", tmp_path / "street").out.splitlines()]
    assert ["images", "4", "(2", "train,", "2", "val)"] in shown
    assert ["objects", "5", "(3", "train,", "2", "val)"] in shown
    assert ["class", "train", "images", "train", "objects", "val", "images", "val", "objects"] in shown
    assert ["car", "1", "3", "1", "2"] in shown
    assert ["van", "0", "0", "0", "0"] in shown


def test_inspecting_names_broken_files_and_the_way_out(cli: Cli, torn: Path) -> None:
    verdict = cli("datasets", "inspect", torn, "--json")
    assert (verdict.code, verdict.document["ready"]) == (Exit.NO, False)
    (sentence,) = verdict.document["missing"]["classification"]
    assert sentence.startswith(
        "cat/a.jpg is named like an image but is none: it is text (and 2 more files cannot be used)"
    )
    assert "(leave_out_broken)" in sentence
    shown = cli("datasets", "inspect", torn)
    assert (shown.code, "--leave-out-broken" in shown.out) == (Exit.NO, True)
    assert "error: 3 files are named like images but are none" in shown.err
    lenient = cli("datasets", "inspect", torn, "--leave-out-broken")
    assert (lenient.code, "warning: 3 files are named" in lenient.err) == (Exit.DONE, True)


def test_importing_broken_files_is_refused_with_their_paths_and_the_way_out(cli: Cli, torn: Path) -> None:
    refused = cli("datasets", "import", torn, "--name", "refused")
    assert (refused.code, refused.out) == (Exit.NO, "")
    assert all(said in refused.err for said in ("cat/a.jpg", "cat/b.jpg", "dog/c.jpg", "--leave-out-broken"))
    error = cli("datasets", "import", torn, "--name", "refused", "--json").document["error"]
    assert (error["code"], error["exit"]) == ("dataset_invalid", Exit.NO)
    assert "--leave-out-broken" in error["message"]
    assert error["errors"][0]["examples"] == ["cat/a.jpg", "cat/b.jpg", "dog/c.jpg"]
    assert cli("datasets", "show", "refused").code == Exit.NOT_FOUND


def test_broken_files_can_be_left_out_of_an_import(cli: Cli, torn: Path) -> None:
    version = cli("datasets", "import", torn, "--name", "mended", "--leave-out-broken", "--json").document
    assert version["report"]["readiness"][0]["ready"]
    assert "warning: 3 files are named like images" in cli("datasets", "show", "mended").err


@pytest.mark.parametrize(
    "verb", [("datasets", "import"), ("train", "--trainer", "toy", "--set", "epochs=1")], ids=["import", "train"]
)
def test_what_was_left_out_is_told_by_name(cli: Cli, torn: Path, verb: tuple[str, ...]) -> None:
    for number in range(4):
        (torn / "dog" / f"more-{number}.jpg").write_text("dear diary")
    done = cli(*verb, torn, "--leave-out-broken")
    assert done.code == Exit.DONE, done.err
    assert "warning: 7 files are named like images but are none" in done.err
    assert "    cat/a.jpg, cat/b.jpg, dog/c.jpg, dog/more-0.jpg, dog/more-1.jpg and 2 more\n" in done.err


def test_inspecting_for_an_unknown_task_blames_no_data(cli: Cli, photos: Path) -> None:
    done = cli("datasets", "inspect", photos, "--task", "classificaton")
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert "unknown task 'classificaton'. Did you mean 'classification'?" in done.err


def test_broken_files_can_be_left_out_from_afar(live: LiveServer, client: Client, torn: Path, tmp_path: Path) -> None:
    where = {"EYEBRIGHT_URL": client.url, "EYEBRIGHT_TOKEN": live.token}
    order = ("datasets", "import", torn, "--name", "sent", "--json")
    assert eyebright(tmp_path, *order, **where).document["error"]["code"] == "dataset_invalid"
    assert eyebright(tmp_path, *order, "--leave-out-broken", **where).document["dataset"] == "sent"


def test_a_link_that_is_not_sent_is_told(live: LiveServer, client: Client, photos: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(photos, tmp_path / "linked")  # the pictures are every test's
    (folder / "cat" / "away.png").symlink_to("/etc/hostname")
    where = {"EYEBRIGHT_URL": client.url, "EYEBRIGHT_TOKEN": live.token}
    done = eyebright(tmp_path, "datasets", "import", folder, "--name", "unlinked", "--leave-out-broken", **where)
    assert done.code == Exit.DONE
    assert "not sent: " in done.err
    assert "away.png is a link to /etc/hostname" in " ".join(done.err.split())


def test_what_is_no_zip_is_told(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_text("I am a text")
    verdict = cli("datasets", "inspect", tmp_path / "photos.zip", "--json")
    assert verdict.code == Exit.NO
    assert verdict.document["error"]["code"] == "dataset_invalid"


def test_recipes_are_listed_and_shown(cli: Cli) -> None:
    assert "toy/classification" in {recipe["name"] for recipe in cli("recipes", "list", "--json").document}
    assert "toy/classification" in cli("recipes", "list").out
    assert cli("recipes", "show", "toy/classification", "--json").document["config"]["epochs"] == 5
    assert "How often every training image is seen" in cli("recipes", "show", "toy/classification").out
    assert cli("recipes", "show", "toy").code == Exit.USAGE
    assert cli("recipes", "show", "toy/dreaming").code == Exit.NOT_FOUND


def test_the_settings_for_everybody_are_shown_without_the_others(cli: Cli) -> None:
    shown = cli("recipes", "show", "toy/classification", "--view", "user").out
    assert "How often every training image is seen" in shown
    assert "For tests" not in shown


def test_a_recipe_is_resolved_before_anything_runs(cli: Cli) -> None:
    told = cli("recipes", "resolve", "toy/classification", "--set", "epochs=3", "--set", "seed=0")
    assert "epochs: 3\n" in told.out
    assert "seed is the recipe's own value already" in told.err
    assert "--model softmax --set epochs=3" in told.err
    document = cli("recipes", "resolve", "toy/classification", "--set", "epochs=3", "--json").document
    assert document["changes"] == {"epochs": 3}


def test_settings_that_do_not_fit_are_all_named_before_anything_runs(cli: Cli) -> None:
    refused = cli("recipes", "resolve", "toy/classification", "--set", "epoch=3", "--set", "lr0=-1")
    assert refused.code == Exit.USAGE
    assert "Did you mean 'epochs'?" in refused.err
    assert "lr0=-1: expected more than 0" in refused.err


def test_what_resolve_prints_is_a_file_for_config(cli: Cli, tmp_path: Path) -> None:
    (file := tmp_path / "my.yaml").write_text(cli("recipes", "resolve", "toy/classification", "--set", "epochs=3").out)
    again = cli("recipes", "resolve", "toy/classification", "--config", str(file), "--set", "seed=4", "--json")
    assert again.document["changes"] == {"epochs": 3, "seed": 4}


def test_trainers_are_listed_and_checked_without_a_server(cli: Cli) -> None:
    found = {view["name"]: view for view in cli("trainers", "list", "--json").document}
    assert found["toy"]["installed"] is True
    assert "AGPL-3.0-only" in cli("trainers", "list").out
    verdict = cli("trainers", "check", "toy", "--json")
    assert (verdict.code, verdict.document["ok"]) == (0, True)
    assert cli("trainers", "check", "toi").code == Exit.NOT_FOUND


def test_the_document_of_the_api_is_printed(cli: Cli, live: LiveServer, client: Client) -> None:
    assert cli("openapi").document == client.openapi()


def test_installing_what_is_installed_changes_nothing(cli: Cli) -> None:
    done = cli("trainers", "install", "toy", "--json")
    assert done.code == 0, done.err
    assert [view["name"] for view in done.document] == ["toy"]
    assert "toy 0.1.0 is installed" in done.err


def test_what_cannot_be_installed_says_why(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refused = cli("trainers", "install", "toy", "tochvision")
    assert refused.code == Exit.NOT_FOUND
    assert refused.err == "error: unknown trainer 'tochvision'. Did you mean 'torchvision'?\n"
    monkeypatch.setenv("EYEBRIGHT_TRAINERS_DIR", str(tmp_path))
    done = cli("trainers", "install", "toy")
    assert done.code == Exit.UNAVAILABLE
    assert "EYEBRIGHT_TRAINERS_DIR" in done.err
