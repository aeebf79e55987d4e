"""The photo simulator: batches of clean pages in, what a phone would see of them out.

Everything is tensors and runs on CPU and GPU alike. The scene is drawn backwards, as a ray tracer
would: for each pixel of the photo, where on the paper does it look, and what light comes from there.
The same code draws whole photos (corners anywhere) and rectified pages with the page finder's error
left in (corners near those of the frame); only the corners differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


@dataclass(frozen=True)
class SimulatorOptions:
    """How often (probabilities) and how strongly each part of the simulator acts."""

    neighbour: float = 0.5
    curl: float = 0.6
    curl_height: float = 0.07
    crumple: float = 0.4
    crumple_slope: float = 0.35
    folds: float = 0.3
    fold_slope: float = 0.03
    trim: float = 0.5
    trim_size: float = 0.05
    marks: float = 0.35
    fingers: float = 0.35
    shadows: float = 0.6
    clutter: float = 0.5
    motion: float = 0.4
    defocus: float = 1.1
    noise: float = 0.05
    sharpen: float = 0.3
    jpeg: float = 0.6


@dataclass(frozen=True, eq=False)
class SimulatedPhotos:
    """What the simulator drew.

    images: (B, C, H, W) float in [0, 1].
    page: (B, 1, H, W) float, 1 where the pixel looks at the page, fingers in front of it included.
    neighbour: (B, 1, H, W) float, 1 where it looks at the neighbouring page.
    side: (B,) float, where the neighbour lies: +1 to the right of the page, -1 to its left.
    print: (B, 2, H, W) float, u and v of the point of the clean page whose print lies where the pixel looks;
        in [0, 1] on the page.
    """

    images: Tensor
    page: Tensor
    neighbour: Tensor
    side: Tensor
    print: Tensor


def homographies(corners: Tensor) -> Tensor:
    """(B, 4, 2) pixel corners in page order -> (B, 3, 3) maps from the unit square to pixels."""
    unit = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], device=corners.device)
    u, v = unit[:, 0].expand(len(corners), 4), unit[:, 1].expand(len(corners), 4)
    x, y = corners[..., 0], corners[..., 1]
    one, zero = torch.ones_like(u), torch.zeros_like(u)
    rows_x = torch.stack([u, v, one, zero, zero, zero, -u * x, -v * x], dim=-1)
    rows_y = torch.stack([zero, zero, zero, u, v, one, -u * y, -v * y], dim=-1)
    solution = torch.linalg.solve(torch.cat([rows_x, rows_y], dim=1), torch.cat([x, y], dim=1).unsqueeze(-1))
    return torch.cat([solution.squeeze(-1), torch.ones(len(corners), 1, device=corners.device)], 1).view(
        -1, 3, 3
    )


class PhotoSimulator:
    """Draws photos of pages.

    marks: (M, 1, h, w) float in [0, 1], a bank of pen strokes and highlighter bars (1 = ink), or None.
    """

    def __init__(self, options: SimulatorOptions, *, marks: Tensor | None = None) -> None:
        self.options = options
        self.marks = marks

    def __call__(
        self,
        pages: Tensor,
        neighbours: Tensor,
        corners: Tensor,
        *,
        size: tuple[int, int],
        generator: Generator,
        channels: int = 1,
    ) -> SimulatedPhotos:
        """Draws one photo a page.

        Args:
            pages: (B, 1, h, w) float in [0, 1], clean renderings, white paper = 1.
            neighbours: the same shape, the pages that lie beside them.
            corners: (B, 4, 2) float, where the page's corners are in the photo, in pixels, page order.
            size: (H, W) of the photos.
            generator: source of all randomness, on the pages' device.
            channels: 1 for grey, 3 for RGB.
        """
        # On a CPU a few photos at a time stay in its caches: measured 2 to 3 times faster than 64 at once.
        step = 8 if pages.device.type == "cpu" else len(pages)
        parts = [
            self._draw(
                *(t[k : k + step] for t in (pages, neighbours, corners)),
                size=size,
                generator=generator,
                channels=channels,
            )
            for k in range(0, len(pages), step)
        ]
        return SimulatedPhotos(
            *(
                torch.cat([getattr(part, name) for part in parts])
                for name in ("images", "page", "neighbour", "side", "print")
            )
        )

    def _draw(
        self,
        pages: Tensor,
        neighbours: Tensor,
        corners: Tensor,
        *,
        size: tuple[int, int],
        generator: Generator,
        channels: int,
    ) -> SimulatedPhotos:
        draw = _Dice(len(pages), generator, pages.device)
        o = self.options
        u, v, front = _look_at_paper(corners, size)
        side = torch.where(draw.uniform(-1, 1) > 0, 1.0, -1.0)
        spread = draw.chance(o.neighbour)
        u, v = self._bend(u, v, draw, side)
        u, v, facets = self._crease(u, v, draw)

        on_page = front & (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
        beside = torch.where(side > 0, (u > 1) & (u < 2), (u < 0) & (u > -1))
        on_neighbour = front & (spread > 0) & beside & (v >= 0) & (v <= 1)
        page_u, page_v = self._trim(u, v, draw)
        ink = _sample(1 - pages, page_u, page_v) * on_page.unsqueeze(1)
        ink = self._show_others(ink, neighbours, (u - side, v), (page_u, page_v), on_page, on_neighbour, draw)
        tint = 1 - 0.15 * draw.random(channels, 1, 1) * draw.chance(0.6).unsqueeze(1)
        paper = (
            tint * draw.uniform(0.72, 1.0).unsqueeze(1) * (1 - ink * draw.uniform(0.55, 0.97).unsqueeze(1))
        )
        paper = self._mark(paper, u, v, draw)
        gutter = torch.where(side > 0, 1 - u, u).abs()
        fold = spread * draw.uniform(0, 0.6) * torch.exp(-gutter / draw.uniform(0.01, 0.08))
        paper = paper * (1 - fold.unsqueeze(1))

        looks_at_paper = (on_page | on_neighbour).unsqueeze(1).float()
        scene = torch.where(looks_at_paper > 0, paper, self._desk(pages, size, channels, draw, u, v))
        scene = scene * (1 + facets.unsqueeze(1) * looks_at_paper) * self._light(size, draw)
        scene = self._fingers(scene, draw)
        scene = self._camera(scene, draw)
        page, neighbour = (mask.unsqueeze(1).float() for mask in (on_page, on_neighbour))
        return SimulatedPhotos(scene, page, neighbour, side.view(-1), torch.stack([page_u, page_v], 1))

    def _bend(self, u: Tensor, v: Tensor, draw: _Dice, side: Tensor) -> tuple[Tensor, Tensor]:
        """Curls the sheet along its binding; the corners stay where they are."""
        o = self.options
        folded = torch.where(u < 0, -u, torch.where(u > 1, 2 - u, u)).clamp(0, 1)
        skew = draw.uniform(0.4, 2.2)
        arch = torch.sin(math.pi * folded.clamp(1e-4, 1).pow(torch.where(side > 0, skew, 1 / skew)))
        height = draw.normal() * o.curl_height * draw.chance(o.curl)
        bow, stretch, squeeze = draw.normal() * 0.5, draw.uniform(-1, 1), draw.uniform(-0.5, 0.5)
        new_v = v + height * arch * (bow + stretch * (v - 0.5))
        new_u = u + height * squeeze * torch.sin(2 * math.pi * folded) * 0.5
        return new_u, new_v

    def _crease(self, u: Tensor, v: Tensor, draw: _Dice) -> tuple[Tensor, Tensor, Tensor]:
        """Crumples and folds the sheet, and how its facets catch the light: u, v and shade, (B, H, W) each.

        Across a fold the paper tilts: what lies beyond it moves the further the further away it is. A
        page finder lays its corners on the corners of the sheet, so those stay.
        """
        o = self.options
        strength = draw.chance(o.crumple) * draw.uniform(0, 1)
        move, shade = _crumples(u, v, strength, draw, slope=o.crumple_slope)
        corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], device=u.device)
        folded = draw.chance(o.folds)
        for _ in range(4):
            here = folded * draw.chance(0.6)
            # Most folds lie square to the sheet.
            angle = torch.randint(2, (len(u), 1, 1), generator=draw.generator, device=u.device) * (
                math.pi / 2
            )
            angle = angle + draw.normal() * torch.where(draw.chance(0.6) > 0, 0.03, 0.8)
            cos, sin, at = torch.cos(angle), torch.sin(angle), draw.uniform(0.1, 0.9)
            lean = draw.noise(2, 1, 1) * o.fold_slope * here.unsqueeze(1)
            beyond = ((u - 0.5) * cos + (v - 0.5) * sin + 0.5 - at).clamp(-1, 1)
            fixed = (
                (corners[:, 0] - 0.5) * cos[:, 0] + (corners[:, 1] - 0.5) * sin[:, 0] + 0.5 - at[:, 0]
            ).abs()
            a, b, c, d = (fixed[:, k].view(-1, 1, 1) for k in range(4))
            flat = (a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v
            move = move + lean * (beyond.abs() - flat).unsqueeze(1)
            side = torch.sigmoid(beyond / 0.006)
            line = torch.exp(-((beyond / draw.uniform(0.003, 0.012)) ** 2))
            shade = shade + here * (draw.normal() * 0.12 * (side - 0.5) + draw.normal() * 0.15 * line)
        return u + move[:, 0], v + move[:, 1], shade.clamp(-0.6, 0.6)

    def _trim(self, u: Tensor, v: Tensor, draw: _Dice) -> tuple[Tensor, Tensor]:
        """Where on the clean page the print lies that the paper has at u, v.

        The scan may be trimmed closer than the paper, or have more margin.
        """
        o = self.options
        trimmed = draw.chance(o.trim)
        scale_u, scale_v = (1 + trimmed * o.trim_size * draw.normal() for _ in range(2))
        shift_u, shift_v = (trimmed * o.trim_size * 0.5 * draw.normal() for _ in range(2))
        return (u - 0.5) * scale_u + 0.5 + shift_u, (v - 0.5) * scale_v + 0.5 + shift_v

    def _show_others(
        self,
        ink: Tensor,
        neighbours: Tensor,
        beside: tuple[Tensor, Tensor],
        behind: tuple[Tensor, Tensor],
        on_page: Tensor,
        on_neighbour: Tensor,
        draw: _Dice,
    ) -> Tensor:
        """The ink, (B, 1, H, W), of the page, of the page beside it and of what shows through."""
        ink = ink + _sample(1 - neighbours, *beside) * on_neighbour.unsqueeze(1)
        through = _sample((1 - neighbours).flip(-1), *behind) * on_page.unsqueeze(1)
        weak = (0.08 * draw.uniform(0, 1) * draw.chance(0.3)).unsqueeze(1)
        return (ink + weak * through).clamp(0, 1)

    def _mark(self, paper: Tensor, u: Tensor, v: Tensor, draw: _Dice) -> Tensor:
        """Pen strokes and highlighter, drawn on the paper so that they bend with it."""
        if self.marks is None:
            return paper
        which = torch.randint(len(self.marks), (len(paper),), generator=draw.generator, device=paper.device)
        angle, scale = draw.uniform(-0.6, 0.6), draw.uniform(0.7, 2.0)
        du, dv = u - draw.uniform(0.2, 0.8), v - draw.uniform(0.2, 0.8)
        mark_u = (du * torch.cos(angle) - dv * torch.sin(angle)) * scale + 0.5
        mark_v = (du * torch.sin(angle) + dv * torch.cos(angle)) * scale + 0.5
        colour = draw.random(paper.shape[1], 1, 1) * 0.7
        mask = _sample(self.marks[which], mark_u, mark_v) * draw.chance(self.options.marks).unsqueeze(1)
        return paper * (1 - mask * (1 - colour))

    def _desk(
        self, pages: Tensor, size: tuple[int, int], channels: int, draw: _Dice, u: Tensor, v: Tensor
    ) -> Tensor:
        """What lies around the paper: a plain, grained or striped desk, and now and then other sheets."""
        h, w = size
        colour = draw.random(channels, 1, 1) * 0.5 + draw.uniform(0, 0.5).unsqueeze(1)
        grain = sum(
            F.interpolate(draw.noise(1, n, n), size=size, mode="bilinear")
            * draw.uniform(0, 0.08).unsqueeze(1)
            for n in (4, 16, 64)
        )
        ys = torch.linspace(0, 1, h, device=pages.device).view(1, h, 1)
        xs = torch.linspace(0, 1, w, device=pages.device).view(1, 1, w)
        turn = draw.uniform(0, math.pi)
        stripes = torch.sin((xs * torch.cos(turn) + ys * torch.sin(turn)) * draw.uniform(10, 160))
        desk = colour + grain + (stripes * draw.uniform(0, 0.12) * draw.chance(0.4)).unsqueeze(1)
        angle = draw.uniform(-1.5, 1.5)
        cu = (u - draw.uniform(-1.5, 1.5)) * torch.cos(angle) - (v - draw.uniform(-1.5, 1.5)) * torch.sin(
            angle
        )
        cv = (u - draw.uniform(-1.5, 1.5)) * torch.sin(angle) + (v - draw.uniform(-1.5, 1.5)) * torch.cos(
            angle
        )
        inside = ((cu > 0) & (cu < 1) & (cv > 0) & (cv < 1)).float().unsqueeze(1)
        sheet = (1 - _sample(1 - pages.roll(1, 0), cu, cv)) * draw.random(channels, 1, 1).clamp(min=0.3)
        inside = inside * draw.chance(self.options.clutter).unsqueeze(1)
        return (desk * (1 - inside) + sheet * inside).clamp(0, 1)

    def _light(self, size: tuple[int, int], draw: _Dice) -> Tensor:
        """Uneven light, a straight shadow edge and a round one, as of a hand or the phone: (B, 1, H, W)."""
        h, w = size
        field = F.interpolate(draw.noise(1, 3, 3), size=size, mode="bicubic", align_corners=True)
        light = 1 + field * draw.uniform(0, 0.2).unsqueeze(1)
        ys = torch.linspace(-1, 1, h, device=field.device).view(1, h, 1)
        xs = torch.linspace(-1, 1, w, device=field.device).view(1, 1, w)
        for _ in range(2):
            turn = draw.uniform(0, 2 * math.pi)
            ramp = xs * torch.cos(turn) + ys * torch.sin(turn) - draw.uniform(-0.8, 0.8)
            edge = torch.sigmoid(ramp / draw.uniform(0.01, 0.4))
            light = light * (1 - edge * draw.uniform(0, 0.7) * draw.chance(self.options.shadows)).unsqueeze(1)
        radius = ((xs - draw.uniform(-1, 1)) / draw.uniform(0.2, 1)) ** 2
        radius = radius + ((ys - draw.uniform(-1, 1)) / draw.uniform(0.2, 1)) ** 2
        blob = torch.sigmoid((1 - radius) / draw.uniform(0.02, 0.5))
        light = light * (1 - blob * draw.uniform(0, 0.7) * draw.chance(self.options.shadows / 2)).unsqueeze(1)
        return light.clamp(0.1, 2)

    def _fingers(self, scene: Tensor, draw: _Dice) -> Tensor:
        """Up to four fingers side by side, reaching in from beyond the frame."""
        _, channels, h, w = scene.shape
        ys = torch.linspace(-1, 1, h, device=scene.device).view(1, h, 1)
        xs = torch.linspace(-1, 1, w, device=scene.device).view(1, 1, w)
        turn = draw.uniform(0, 2 * math.pi)
        along = xs * torch.cos(turn) + ys * torch.sin(turn)
        across = -xs * torch.sin(turn) + ys * torch.cos(turn) - draw.uniform(-0.9, 0.9)
        tip, radius = draw.uniform(0.35, 1.1), draw.uniform(0.04, 0.1)
        skin = 0.25 + 0.65 * draw.random(channels, 1, 1).sort(dim=1, descending=True).values
        present = draw.chance(self.options.fingers)
        for k in range(4):
            here = present * (1.0 if k == 0 else draw.chance(0.55))
            offset = across - k * 2 * radius
            beyond = (tip + 0.15 * draw.normal() - along).clamp(min=0)
            distance = (offset**2 + beyond**2).sqrt() / radius
            inside = (((1 - distance) * 12).clamp(0, 1) * here).unsqueeze(1)
            round_shade = (1 - 0.5 * distance.clamp(0, 1) ** 2).unsqueeze(1)
            scene = scene * (1 - inside) + skin * round_shade * inside
        return scene

    def _camera(self, scene: Tensor, draw: _Dice) -> Tensor:
        """Defocus, hand shake, exposure, sensor noise, over-sharpening, JPEG."""
        o = self.options
        sigma = draw.uniform(0.25, 1).squeeze() ** 2 * o.defocus + 0.25
        scene = _blur(scene, sigma, draw.uniform(0, math.pi), draw.uniform(0, 3.0) * draw.chance(o.motion))
        amount = draw.uniform(0, 1.5) * draw.chance(o.sharpen)
        soft = F.avg_pool2d(F.pad(scene, (1, 1, 1, 1), mode="replicate"), 3, 1)
        scene = scene + amount.unsqueeze(1) * (scene - soft)
        scene = scene.clamp(1e-3, 4) ** draw.uniform(0.7, 1.4).unsqueeze(1) * draw.uniform(
            0.4, 1.15
        ).unsqueeze(1)
        noise = torch.randn(scene.shape, generator=draw.generator, device=scene.device)
        scene = (scene + noise * o.noise * (draw.uniform(0, 1) ** 2).unsqueeze(1)).clamp(0, 1)
        return torch.where(draw.chance(o.jpeg).unsqueeze(1) > 0, _jpeg(scene, draw.uniform(0.3, 4)), scene)


class _Dice:
    """One random number a photo, shaped to broadcast over (B, H, W)."""

    def __init__(self, count: int, generator: Generator, device: torch.device) -> None:
        self.count, self.generator, self.device = count, generator, device

    def random(self, *shape: int) -> Tensor:
        return torch.rand((self.count, *shape), generator=self.generator, device=self.device)

    def uniform(self, low: float, high: float) -> Tensor:
        return low + (high - low) * self.random(1, 1)

    def normal(self) -> Tensor:
        return self.noise(1, 1)

    def noise(self, *shape: int) -> Tensor:
        return torch.randn((self.count, *shape), generator=self.generator, device=self.device)

    def chance(self, probability: float) -> Tensor:
        return (self.random(1, 1) < probability).float()


def _crumples(u: Tensor, v: Tensor, strength: Tensor, draw: _Dice, *, slope: float) -> tuple[Tensor, Tensor]:
    """What crumples do: how far print moves, (B, 2, H, W), and the shade of the facets, (B, H, W).

    The sheet is a sum of tents: ridges and dents of finite length with a sharp crest, none of them wider than
    a quarter of the sheet. Seen aslant, what is high moves (parallax); lit aslant, the two sides of a crest
    differ. Besides, a crumpled sheet has shrunk, here more and there less.

    Args:
        u: (B, H, W) of each pixel the point of the sheet, v the same.
        strength: (B, 1, 1), 0 for a flat sheet.
        draw: the dice.
        slope: standard deviation of the tents' slopes at strength 1.
    """
    move, shade = torch.zeros_like(u).unsqueeze(1).repeat(1, 2, 1, 1), torch.zeros_like(u)
    # Drawn for all, so that one photo's dice do not hang on another's.
    number = 22
    place, across, along = draw.random(number, 2, 1, 1), draw.random(number, 1, 1), draw.random(number, 1, 1)
    angle, rise = draw.random(number, 1, 1) * math.pi, draw.noise(number, 1, 1) * slope
    eye, light, shrink = draw.noise(2, 1, 1) * 0.5, draw.noise(2, 1, 1) * 0.8, draw.noise(2, 5, 5) * 0.02
    crumpled = (strength.view(-1) > 0).nonzero()[:, 0]
    if not len(crumpled):
        return move, shade
    # Half the resolution: creases stay sharp enough, and it is a quarter of the work.
    us, vs = (F.avg_pool2d(t[crumpled].unsqueeze(1), 2, ceil_mode=True)[:, 0] for t in (u, v))
    height, glow = torch.zeros_like(us), torch.zeros_like(us)
    for k in range(number):
        cos, sin = torch.cos(angle[crumpled, k]), torch.sin(angle[crumpled, k])
        du, dv = us - place[crumpled, k, 0] * 1.2 + 0.1, vs - place[crumpled, k, 1] * 1.2 + 0.1
        off = du * cos + dv * sin
        width, length = 0.03 + 0.2 * across[crumpled, k] ** 2, 0.06 + 0.4 * along[crumpled, k] ** 2
        window = torch.exp(-((off / width) ** 2) - ((dv * cos - du * sin) / length) ** 2)
        side = (off / 0.004).clamp(-1, 1)
        height = height + rise[crumpled, k] * off.abs() * window
        facing = light[crumpled, 0] * cos + light[crumpled, 1] * sin
        glow = glow + rise[crumpled, k] * facing * side * window
    field = F.interpolate(shrink[crumpled], size=us.shape[1:], mode="bicubic", align_corners=True)
    # The sheet's corners are where the page finder lays its own.
    field = field * (16 * us * (1 - us) * vs * (1 - vs)).clamp(0, 1).unsqueeze(1)
    drawn = torch.cat([height.unsqueeze(1) * eye[crumpled] + field, glow.unsqueeze(1)], 1)
    drawn = F.interpolate(drawn, size=u.shape[1:], mode="bilinear", align_corners=False)
    drawn = drawn * strength[crumpled].unsqueeze(1)
    move[crumpled], shade[crumpled] = drawn[:, :2], drawn[:, 2]
    return move, shade


def _look_at_paper(corners: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """For each pixel the point of the paper's plane it looks at, u and v (B, H, W); is it in front?"""
    h, w = size
    inverse = torch.linalg.inv(homographies(corners))
    ys, xs = torch.meshgrid(
        torch.arange(h, device=corners.device, dtype=torch.float32),
        torch.arange(w, device=corners.device, dtype=torch.float32),
        indexing="ij",
    )
    rays = torch.stack([xs, ys, torch.ones_like(xs)]).reshape(3, -1)
    u, v, depth = (inverse @ rays).view(-1, 3, h, w).unbind(1)
    # All corners are in front of the camera, so the depth's sign there is the sign of "in front".
    middle = torch.cat([corners.mean(1), torch.ones(len(corners), 1, device=corners.device)], 1)
    sign = torch.sign((inverse[:, 2] * middle).sum(1)).view(-1, 1, 1)
    front = depth * sign > 1e-6
    depth = torch.where(front, depth, torch.ones_like(depth))
    return (u / depth).clamp(-9, 9), (v / depth).clamp(-9, 9), front


def _sample(images: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Bilinear look-up of (B, C, h, w) at unit-square coordinates; 0 outside."""
    grid = torch.stack([u * 2 - 1, v * 2 - 1], dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _blur(images: Tensor, sigma: Tensor, angle: Tensor, length: Tensor) -> Tensor:
    """Each image by its own kernel: a Gaussian of `sigma` pixels drawn out over `length` pixels."""
    count, channels, h, w = images.shape
    r = 5
    ys, xs = torch.meshgrid(
        torch.arange(-r, r + 1, device=images.device),
        torch.arange(-r, r + 1, device=images.device),
        indexing="ij",
    )
    along = xs * torch.cos(angle) + ys * torch.sin(angle)
    across = -xs * torch.sin(angle) + ys * torch.cos(angle)
    beyond = (along.abs() - length).clamp(min=0)
    kernel = torch.exp(-(across**2 + beyond**2) / (2 * sigma.view(-1, 1, 1) ** 2))
    kernel = kernel / kernel.sum((1, 2), keepdim=True)
    weights = kernel.repeat_interleave(channels, 0).unsqueeze(1)
    padded = F.pad(images.reshape(1, count * channels, h, w), (r, r, r, r), mode="reflect")
    return F.conv2d(padded, weights, groups=count * channels).view(count, channels, h, w)


# Annex K of ITU-T T.81, the luminance table that almost every encoder scales.
_QUANTISATION = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=torch.float32,
)


def _jpeg(images: Tensor, strength: Tensor) -> Tensor:
    """Quantises 8x8 cosine blocks as JPEG does; `strength` (B, 1, 1) scales the table (1 = quality 50)."""
    count, channels, h, w = images.shape
    k = torch.arange(8, device=images.device, dtype=torch.float32)
    basis = torch.cos(math.pi / 8 * (k + 0.5) * k.view(8, 1)) * 0.5
    basis[0] *= math.sqrt(0.5)
    down, right = (-h) % 8, (-w) % 8
    padded = F.pad(images, (0, right, 0, down), mode="replicate") * 255 - 128
    blocks = padded.view(count, channels, (h + down) // 8, 8, (w + right) // 8, 8).transpose(3, 4)
    table = (_QUANTISATION.to(images.device) * strength).view(count, 1, 1, 1, 8, 8).clamp(min=1)
    spectrum = torch.round(basis @ blocks @ basis.T / table) * table
    restored = (basis.T @ spectrum @ basis).transpose(3, 4).reshape(count, channels, h + down, w + right)
    return ((restored[..., :h, :w] + 128) / 255).clamp(0, 1)
