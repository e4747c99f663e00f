"""Weights in a repository of Hugging Face's hub."""

from eyebright_torch.published import Published


def on_the_hub(repository: str, licence: str, file: str = "model.safetensors") -> Published:
    """`licence` is what those who publish the weights say of them."""
    terms = (
        f"The weights began from {repository} of Hugging Face's hub (licence: {licence}); the data that those were trained "
        f"on may have terms too."
    )
    return Published(repository, f"https://huggingface.co/{repository}/resolve/main/{file}", terms)
