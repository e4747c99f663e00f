"""How most runs of these tests begin: they find torch imported, which takes longer than all else of a tiny run."""

from eyebright_kit.testing.warm import warm

IMPORTED = ("torch._dynamo", "torchvision")
WARM = warm(IMPORTED)
