"""ORB and SIFT: what is kept of an image, what a homography explains, which page comes out."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import text_page
from shelf import ASKEW, first, indexed, put_pages, put_photo

from whichpage.benchmark.peers.features import WIDTH, Features, Kind, count_inliers, detect
from whichpage.benchmark.peers.local_features import LocalFeatureOptions, LocalFeaturePeer

KINDS: list[Kind] = ["orb", "sift"]


@pytest.mark.parametrize("kind", KINDS)
def test_features_survive_their_bytes(kind: Kind) -> None:
    features = detect(kind, text_page(1), most=300)
    assert 250 <= len(features.points) <= 300
    data = features.to_bytes()
    assert len(data) == len(features.points) * (4 + WIDTH[kind])
    back = Features.from_bytes(data, kind)
    assert (back.descriptors == features.descriptors).all()
    assert np.abs(back.points - features.points).max() <= 0.5


def test_sift_is_kept_as_roots_of_shares() -> None:
    page = text_page(1)
    _, raw = cv2.SIFT_create(300).detectAndCompute(page, None)  # type: ignore[attr-defined]
    wanted = np.sqrt(raw[0] / raw[0].sum()) * 512
    assert np.abs(detect("sift", page, most=300).descriptors[0] - np.minimum(wanted, 255)).max() <= 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_image_has_no_features(kind: Kind) -> None:
    none = detect(kind, np.full((300, 200), 255, np.uint8), most=100)
    assert none.points.shape == (0, 2)
    assert count_inliers(kind, none, detect(kind, text_page(1), most=100)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_warped_page_agrees_with_itself_and_with_no_other(kind: Kind) -> None:
    page = text_page(1)
    height, width = page.shape
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    seen = cv2.warpPerspective(page, cv2.getPerspectiveTransform(frame, ASKEW), (900, 1200), borderValue=90)
    photo = detect(kind, np.asarray(seen, np.uint8), most=2000)
    assert count_inliers(kind, photo, detect(kind, page, most=1000)) > 100
    assert count_inliers(kind, photo, detect(kind, text_page(2), most=1000)) < 15


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_seen_from_behind_counts_nothing(kind: Kind) -> None:
    """Mirrored points with the descriptors of the page: only a homography that turns it over fits."""
    page = detect(kind, text_page(1), most=500)
    mirrored = Features(
        page.points * np.array([-1, 1], np.float32) + np.array([672, 0], np.float32), page.descriptors
    )
    assert count_inliers(kind, page, page) > 150
    assert count_inliers(kind, mirrored, page) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_easy_page_is_found_and_an_absent_one_is_not_answered(kind: Kind, tmp_path: Path) -> None:
    options = LocalFeatureOptions(words=64, shortlist=4)
    peer = LocalFeaturePeer(kind, least_inliers=30, options=options)
    pages = put_pages(tmp_path / "book")
    cost = indexed(peer, pages, tmp_path / "cache")
    photo = put_photo(tmp_path / "photo.jpg", 5, turns=2)
    assert first(peer.answer(photo)) == (5, True)
    absent = peer.answer(put_photo(tmp_path / "absent.jpg", 99))
    assert 1 <= len(absent) <= 4
    assert not any(one.accepted for one in absent)
    kept = sorted(path.name for path in (tmp_path / "cache").iterdir())
    assert kept == ["features.sqlite", "inverted.npz", "steps.json", "words.npy"]
    assert cost.bytes == sum((tmp_path / "cache" / name).stat().st_size for name in kept)
    # 6 pages of at most 1,000 features of 36 or 132 bytes, the rest is the words and SQLite's own.
    assert 6 * 500 * (4 + WIDTH[kind]) < cost.bytes < 6 * 1000 * (4 + WIDTH[kind]) + 150_000


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    options = LocalFeatureOptions(words=64)
    pages = put_pages(tmp_path / "book")
    once = indexed(LocalFeaturePeer("orb", least_inliers=30, options=options), pages, tmp_path / "cache")
    words = (tmp_path / "cache" / "words.npy").stat()
    again = LocalFeaturePeer("orb", least_inliers=30, options=options)
    assert indexed(again, pages, tmp_path / "cache") == once
    assert (tmp_path / "cache" / "words.npy").stat().st_mtime_ns == words.st_mtime_ns
    assert first(again.answer(put_photo(tmp_path / "photo.jpg", 2))) == (2, True)
