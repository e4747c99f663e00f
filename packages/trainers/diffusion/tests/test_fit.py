"""One run in this process, from its order to its files."""

from eyebright_diffusion.trainer import DiffusionTrainer

fit = DiffusionTrainer().fit


def test_a_run_tells_its_loss_and_its_epochs(job):
    context = job.context(validation_prompts=["sks"], validation_steps=2)
    result = fit(context)
    assert result.metrics["epochs"] == 2
