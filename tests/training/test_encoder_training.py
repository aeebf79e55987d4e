"""Training the encoder: what it is shown, what it loses, and that a killed run goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from whichpage.encoder import SHIPPED_ENCODER
from whichpage.training import encoder_training, runs
from whichpage.training.encoder_training import (
    AROUND,
    Batches,
    EncoderRecipe,
    HeldOut,
    cut_by_frame,
    frame_cuts,
    rectification_corners,
    step_loss,
    train,
    validate,
)
from whichpage.training.losses import CrossBatchMemory, info_nce, soft_sign
from whichpage.training.network import PageEncoder
from whichpage.training.pages import PageCache
from whichpage.training.parts import PARTS

RECIPE = EncoderRecipe(steps=4, batch=8, same_book=4, bfloat16=False)


def test_rectified_corners_are_near_the_frames() -> None:
    generator = torch.Generator().manual_seed(0)
    corners = rectification_corners(3000, size=(320, 224), generator=generator)
    frame = torch.tensor([[0.0, 0.0], [223, 0], [223, 319], [0, 319]])
    off = (corners - frame).abs() / torch.tensor([224.0, 320.0])
    assert float(off.median()) < 0.02
    assert 0.05 < float(off.max()) < 0.25
    torch.testing.assert_close(corners.mean(0), frame, atol=1.0, rtol=0)
    cut = torch.arange(3000) % 2 == 0
    guessed = rectification_corners(3000, size=(320, 224), generator=generator, cut=cut)
    off = (guessed - frame).abs() / torch.tensor([224.0, 320.0])
    spread, usual = (off[which].square().mean().sqrt() for which in (cut, ~cut))
    assert float(spread / usual) == pytest.approx(2, rel=0.1)


def test_cut_off_is_filled_with_the_mean_and_counted() -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(40, 1, 320, 224, generator=generator)
    inside = frame_cuts(40, size=(320, 224), generator=generator, probability=0.7)
    cut, shares = cut_by_frame(images, inside)
    whole = 0
    for image, result, share in zip(images[:, 0], cut[:, 0], shares, strict=True):
        seen = (image - result).abs() < 1e-6
        rows = ((0, 320), (0, 192), (128, 320))
        expected = [float(seen[top:bottom].float().mean()) for top, bottom in rows]
        assert share.tolist() == pytest.approx(expected, abs=1e-3)
        if seen.all():
            whole += 1
            continue
        filling = result[~seen]
        assert float(filling.max() - filling.min()) < 1e-5
        assert float(filling[0]) == pytest.approx(float(image[seen].mean()), abs=1e-3)
    # Two cuts, the second one half as likely.
    assert whole / 40 == pytest.approx(0.3 * (1 - 0.7 * 0.5), abs=0.2)
    assert 0.2 < float(shares[:, 0].min()) < 0.6


def test_nothing_is_cut_at_probability_0() -> None:
    images = torch.rand(3, 1, 320, 224)
    generator = torch.Generator().manual_seed(2)
    cut, shares = cut_by_frame(images, frame_cuts(3, size=(320, 224), generator=generator, probability=0))
    assert torch.equal(cut, images)
    assert shares.tolist() == [[1.0] * 3] * 3


def test_batches_are_half_neighbours_of_a_book(cache: PageCache) -> None:
    batches = Batches(cache, RECIPE, split="train", seed=3)
    nothing = torch.zeros(8)
    batches.pairs = lambda rows: (nothing, nothing, nothing)  # type: ignore[method-assign,assignment,unused-ignore]
    asked = [batches.draw()[3].numpy() for _ in range(50)]
    for rows in asked:
        assert len(set(rows.tolist())) == len(rows) == 8
        assert np.diff(rows[:4]).tolist() == [1, 1, 1]
        assert len({row // 12 for row in rows[:4].tolist()}) == 1
    assert set(np.concatenate(asked).tolist()) == set(range(36))  # the book to validate on never


def test_pairs_show_the_same_page(cache: PageCache) -> None:
    batches = Batches(cache, RECIPE, split="train", seed=4)
    clean, photo, seen = batches.pairs(np.array([3, 17, 30]))
    assert clean.shape == photo.shape == (3, 1, 320, 224)
    assert seen.shape == (3, 3)
    assert 200 < float(clean.max()) <= 255
    pages = torch.nn.functional.interpolate(cache.read(np.array([3, 17, 30])), size=(320, 224), mode="area")
    for k in range(3):
        both = torch.stack([clean[k].flatten(), pages[k].flatten()])
        assert float(torch.corrcoef(both)[0, 1]) > 0.9
    again = Batches(cache, RECIPE, split="train", seed=4).pairs(np.array([3, 17, 30]))
    for one, other in zip((clean, photo, seen), again, strict=True):
        assert torch.equal(one, other)


class Told:
    """A network that says what it was told to, call by call, whatever it is shown."""

    def __init__(self, *vectors: Tensor) -> None:
        self.vectors = list(vectors)

    def __call__(self, images: Tensor) -> Tensor:
        return self.vectors.pop(0)

    def eval(self) -> None:
        pass

    def train(self) -> None:
        pass


def test_step_loss_weighs_views_by_what_is_seen() -> None:
    generator = torch.Generator().manual_seed(5)
    vectors = torch.randn(8, 3, 256, generator=generator)
    vectors[4:] = vectors[:4] + 1.5 * torch.randn(4, 3, 256, generator=generator)
    seen = torch.tensor([[1.0, 1.0, 1.0], [0.5, 0.9, 0.0], [0.7, 1.0, 0.4], [1.0, 1.0, 1.0]])
    images, pages = torch.zeros(4, 1, 320, 224), torch.arange(4)
    batch, memory = (images, images, seen, pages), CrossBatchMemory(4)
    loss, top1 = step_loss(Told(vectors), batch, RECIPE, memory)  # type: ignore[arg-type,unused-ignore]
    expected = 0.0
    for view, weight in enumerate((1.0, 0.5, 0.5)):
        soft = soft_sign(vectors[:, view], sharpness=1.5)
        pairs = info_nce(soft[4:], soft[:4], temperature=0.07).tolist()
        shares = [max(share, 0.05) for share in seen[:, view].tolist()]
        expected += sum(p * s * weight for p, s in zip(pairs, shares, strict=True)) / 4
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert top1 == 1.0
    kept = memory.others(torch.tensor([2]), view=1)
    assert kept is not None
    torch.testing.assert_close(kept[0], soft_sign(vectors[:4, 1], sharpness=1.5))
    assert kept[1].tolist() == [[True, True, False, True]]
    swapped = torch.cat([vectors[:4], vectors[[5, 4, 6, 7]]])
    again, top1 = step_loss(Told(swapped), batch, RECIPE, memory)  # type: ignore[arg-type,unused-ignore]
    assert top1 == 0.5
    afresh, _ = step_loss(Told(swapped), batch, RECIPE, CrossBatchMemory(4))  # type: ignore[arg-type,unused-ignore]
    assert float(again) > float(afresh)  # what is remembered is one more thing to be told apart from


@pytest.mark.parametrize(("progress", "share"), [(0.3, 0.0), (0.6, 0.0), (0.7, 0.5), (0.8, 1.0), (1.0, 1.0)])
def test_clean_pages_turn_into_signs_as_the_run_goes_on(
    progress: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Tensor, Tensor]] = []

    def watched(anchors: Tensor, positives: Tensor, **options: Any) -> Tensor:
        told.append((anchors, positives))
        return info_nce(anchors, positives, **options)

    monkeypatch.setattr(encoder_training, "info_nce", watched)
    vectors = torch.randn(8, 3, 256, generator=torch.Generator().manual_seed(5))
    images, pages = torch.zeros(4, 1, 320, 224), torch.arange(4)
    batch, recipe = (images, images, torch.ones(4, 3), pages), replace(RECIPE, signs=0.6)
    step_loss(Told(vectors), batch, recipe, CrossBatchMemory(0), progress=progress)  # type: ignore[arg-type,unused-ignore]
    soft = soft_sign(vectors, sharpness=recipe.sharpness)
    wanted = soft[:4] + share * (soft[:4].sign() / 16 - soft[:4])
    wanted = wanted / wanted.norm(dim=-1, keepdim=True)
    assert len(told) == 3
    for view, (anchors, positives) in enumerate(told):
        torch.testing.assert_close(positives, wanted[:, view])
        torch.testing.assert_close(anchors, soft[4:, view])  # photos keep their numbers


@pytest.mark.parametrize(("fast", "wanted"), [(True, True), (True, False), (False, True)])
def test_step_is_computed_in_bfloat16_where_that_is_fast(
    fast: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_has_bfloat16", lambda device: fast)
    computed: list[torch.dtype] = []
    model = PageEncoder()
    model.register_forward_hook(lambda module, given, vectors: computed.append(vectors.dtype))
    images = torch.rand(2, 1, 320, 224) * 255
    batch = images, images, torch.ones(2, 3), torch.arange(2)
    loss, _ = step_loss(model, batch, replace(RECIPE, bfloat16=wanted), CrossBatchMemory(0))
    assert computed == [torch.bfloat16 if fast and wanted else torch.float32]
    assert loss.dtype == torch.float32


def test_validation_counts_the_pages_found(cache: PageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 24 pages 18 say the same as their photos, six the opposite: those are the last of all."""
    clean = torch.randn(24, 3, 256, generator=torch.Generator().manual_seed(6))
    photos = torch.cat([clean[:18], -clean[18:]])
    batches = Batches(cache, RECIPE, split="val", seed=0)
    batches.rows = np.arange(24)
    nothing = torch.zeros(24, 1, 320, 224)
    batches.pairs = lambda rows: (nothing, nothing, nothing)  # type: ignore[method-assign,assignment,unused-ignore]
    monkeypatch.setattr(encoder_training, "Batches", lambda *_, **__: batches)
    held_out = HeldOut(cache, pages=24)
    found = validate(Told(clean, photos), held_out, bfloat16=False)  # type: ignore[arg-type,unused-ignore]
    assert found == {"top1": 0.75, "top20": 0.75, "fused_top1": 0.75, "fused_top20": 0.75}


def test_killed_run_goes_on(cache: PageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss_of_a_step = encoder_training.step_loss
    steps: list[dict[str, Tensor]] = []

    shares: list[float] = []

    def counted(model: PageEncoder, *rest: object, progress: float) -> tuple[Tensor, Tensor]:
        shares.append(progress)
        steps.append({name: value.clone() for name, value in model.state_dict().items()})
        if len(steps) == 4:
            raise KeyboardInterrupt
        return loss_of_a_step(model, *rest, progress=progress)  # type: ignore[arg-type,unused-ignore]

    monkeypatch.setattr(encoder_training, "step_loss", counted)
    with pytest.raises(KeyboardInterrupt):
        train(cache, RECIPE, tmp_path, checkpoint_every=2)
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert kept["step"] == 2  # the third step was done, but is lost
    (tmp_path / "checkpoint.part").write_bytes(b"killed while writing")

    steps.clear()
    monkeypatch.setattr(encoder_training, "step_loss", lambda *all_, **more: counted(*all_, **more))
    model = train(cache, RECIPE, tmp_path, checkpoint_every=2)
    assert len(steps) == 2  # steps 3 and 4
    # Killed in the fourth step, and gone on with after the second.
    assert shares == [0.25, 0.5, 0.75, 1.0, 0.75, 1.0]
    for name, value in kept["model"].items():
        torch.testing.assert_close(steps[0][name], value)
    ended = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert ended["step"] == 4
    assert not (tmp_path / "checkpoint.part").exists()

    steps.clear()
    straight = tmp_path / "straight"
    with pytest.MonkeyPatch.context() as undone:
        undone.setattr(encoder_training, "step_loss", loss_of_a_step)
        train(cache, RECIPE, straight)
    at_once = torch.load(straight / "checkpoint.pt", weights_only=True)
    assert at_once["step"] == 4
    rates = [state["optimiser"]["param_groups"][0]["lr"] for state in (kept, ended, at_once)]
    assert rates[1] == pytest.approx(rates[2])
    assert rates[0] > 2 * rates[1]
    steps_of = [state["optimiser"]["state"][0]["step"] for state in (ended, at_once)]
    assert [float(step) for step in steps_of] == [4.0, 4.0]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(ended["model"][name], value)
    train(cache, RECIPE, tmp_path)
    assert steps == []  # nothing is left to do


def test_groups_may_be_left_out_and_few_books_repeat_no_page(cache: PageCache) -> None:
    """Four groups of eight from three books of twelve meet; a page met twice would be its own negative."""
    spread: list[float] = []
    for recipe in (replace(RECIPE, batch=36, same_book=8), replace(RECIPE, same_book=0)):
        batches = Batches(cache, recipe, split="train", seed=7)
        batches.pairs = lambda rows: ()  # type: ignore[method-assign,assignment,return-value,unused-ignore]
        asked = [batches.draw()[-1].tolist() for _ in range(20)]
        assert all(len(set(rows)) == len(rows) == recipe.batch for rows in asked)
        spread.append(float(np.mean([len({row // 12 for row in rows[:4]}) for rows in asked])))
    assert spread[0] == 1.0
    assert spread[1] > 1.5  # no longer neighbours


def test_training_photos_lack_what_the_recipe_goes_without(cache: PageCache) -> None:
    rows = np.arange(0, 36, 3)
    plain = replace(RECIPE, without=(*PARTS, *AROUND))
    batches = Batches(cache, plain, split="train", seed=4)
    assert {getattr(batches.simulator.options, part) for part in PARTS} == {0.0}
    clean, photo, seen = batches.pairs(rows)
    pages = torch.nn.functional.interpolate(cache.read(rows), size=(320, 224), mode="area") * 255
    torch.testing.assert_close(clean, pages)
    assert seen.tolist() == [[1.0] * 3] * 12
    _, harder, _ = Batches(cache, RECIPE, split="train", seed=4).pairs(rows)

    def alike(photos: Tensor) -> float:
        """The mean correlation with the pages; light and exposure vary in both."""
        pairs = (
            torch.stack([one.flatten(), page.flatten()]) for one, page in zip(photos, pages, strict=True)
        )
        return float(np.mean([float(torch.corrcoef(pair)[0, 1]) for pair in pairs]))

    assert alike(photo) > 0.65
    assert alike(photo) > alike(harder) + 0.2


def test_validation_photos_have_every_part(
    cache: PageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes: list[EncoderRecipe] = []
    batches = encoder_training.Batches

    def remembered(cache: PageCache, recipe: EncoderRecipe, **rest: Any) -> Batches:
        recipes.append(recipe)
        return batches(cache, recipe, **rest)

    monkeypatch.setattr(encoder_training, "Batches", remembered)
    recipe = replace(RECIPE, steps=1, without=("jpeg", "frame"))
    train(cache, recipe, tmp_path)
    assert {recipe.without for recipe in recipes} == {(), ("jpeg", "frame")}


def test_held_out_pages_are_of_all_caches_and_simulated_once(
    cache: PageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.concatenate(cache.books("val"))
    held_out = HeldOut(cache, pages=2)
    drawn: list[list[int]] = []
    pairs = Batches.pairs

    def counted(self: Batches, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        drawn.append(rows.tolist())
        return pairs(self, rows)

    monkeypatch.setattr(Batches, "pairs", counted)
    first, second = list(held_out), list(held_out)
    assert drawn == [[rows[0], rows[-1]]]  # the last cache's books are behind all others
    assert all(a is not b and torch.equal(a, b) for a, b in zip(first[0], second[0], strict=True))
    assert first[0][1].shape == (2, 1, 320, 224)
    assert 0 <= first[0][1].min() < 128 < first[0][1].max() <= 255


def test_everything_is_drawn_on_the_device_that_is_named(cache: PageCache) -> None:
    """What names no device would be made on `meta` here, and could not meet the rest: nor on a GPU."""
    batches = Batches(cache, RECIPE, split="train", seed=8)
    batch = batches.draw()
    model, memory = PageEncoder(), CrossBatchMemory(12)
    step_loss(model, batch, RECIPE, memory)
    with torch.device("meta"):
        tensors = batches.pairs(np.array([1, 20]))
        loss, _ = step_loss(model, batch, RECIPE, memory)
    assert {tensor.device.type for tensor in (*tensors, loss)} == {"cpu"}


def test_new_run_begins_with_the_weights_it_is_given(
    cache: PageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = PageEncoder().state_dict()
    seen: list[Tensor] = []
    loss_of_a_step = encoder_training.step_loss

    def watched(model: PageEncoder, *rest: object, progress: float) -> tuple[Tensor, Tensor]:
        seen.append(model.state_dict()["stem.0.weight"].clone())
        return loss_of_a_step(model, *rest, progress=progress)  # type: ignore[arg-type,unused-ignore]

    monkeypatch.setattr(encoder_training, "step_loss", watched)
    told: list[int] = []
    train(cache, replace(RECIPE, steps=1), tmp_path, start=start, progress=told.append)
    torch.testing.assert_close(seen[0], start["stem.0.weight"])
    assert told == [0, 1]
    other = PageEncoder().state_dict()
    train(cache, replace(RECIPE, steps=2), tmp_path, start=other, progress=told.append)
    assert told == [0, 1, 1, 2]
    assert not torch.equal(seen[1], other["stem.0.weight"])  # it went on from its checkpoint


def test_command_begins_with_another_encoders_weights(
    cache: PageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}

    def noted(pages: PageCache, recipe: EncoderRecipe, out: Path, **others: object) -> None:
        given.update(others, recipe=recipe, out=out)

    monkeypatch.setattr(encoder_training, "train", noted)
    monkeypatch.setattr(PageCache, "open", lambda *folders: cache)
    line = ["encoder_training", "--pages", "x", "--out", str(tmp_path), "--learning-rate", "6e-4"]
    monkeypatch.setattr("sys.argv", line)
    encoder_training.main()
    assert given["recipe"] == replace(EncoderRecipe(), learning_rate=6e-4)
    assert given["start"] is None
    monkeypatch.setattr("sys.argv", [*line, "--start", str(SHIPPED_ENCODER), "--steps", "7"])
    encoder_training.main()
    assert given["recipe"] == replace(EncoderRecipe(), learning_rate=6e-4, steps=7)
    start = given["start"]
    assert isinstance(start, dict)
    PageEncoder().load_state_dict(start)
