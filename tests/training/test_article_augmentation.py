"""The article's augmentation, by its own numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from whichpage.training.article.augmentation import Pages, augmented, gallery


def test_steps_are_those_of_the_article() -> None:
    perspective, jitter, crop, *blurs, tensor, normal = augmented().transforms
    assert isinstance(perspective, transforms.RandomPerspective)
    assert isinstance(jitter, transforms.ColorJitter)
    assert (jitter.brightness, jitter.hue) == ((0.5, 1.5), (-0.3, 0.3))
    assert (jitter.contrast, jitter.saturation) == (None, None)
    assert isinstance(crop, transforms.RandomResizedCrop)
    assert (crop.size, crop.scale) == ((320, 320), (0.2, 1.0))
    assert all(isinstance(blur, transforms.RandomApply) for blur in blurs)
    assert [blur.p for blur in blurs] == [0.5, 0.5]
    assert [[step.kernel_size for step in blur.transforms] for blur in blurs] == [[(5, 5)], [(11, 11)]]
    assert isinstance(tensor, transforms.ToTensor)
    assert (normal.mean, normal.std) == ((0.5,) * 3, (0.5,) * 3)


def test_gallery_is_resized_and_no_more() -> None:
    levels = np.full((1400, 1000, 3), 51, np.uint8)
    image = gallery()(Image.fromarray(levels))
    assert image.shape == (3, 672, 480)
    torch.testing.assert_close(image, torch.full_like(image, (51 / 255 - 0.5) / 0.5))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    pixels = np.random.RandomState(0).randint(0, 256, (90, 60, 3)).astype(np.uint8)
    Image.fromarray(pixels).resize((480, 640)).save(tmp_path / "page.jpg")
    return tmp_path / "page.jpg"


def test_views_differ_unless_they_are_to_be_the_same(file: Path) -> None:
    torch.manual_seed(0)
    free, fixed = Pages([file], augmented()), Pages([file, file], augmented(), seed=3)
    assert not torch.equal(free[0][0], free[0][0])
    assert torch.equal(fixed[0][0], fixed[0][0])
    assert not torch.equal(fixed[0][0], fixed[1][0])
    assert fixed[1][0].shape == (3, 320, 320)
    assert [fixed[0][1], fixed[1][1]] == [0, 1]
    before = torch.random.get_rng_state()
    fixed[0]
    assert torch.equal(torch.random.get_rng_state(), before)  # training's own chance goes on undisturbed
