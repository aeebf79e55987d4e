"""The article's pipeline, with a model of known numbers in the place of the trained one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from drawn import text_page
from onnx import TensorProto, helper, numpy_helper
from onnx_file import write_identity
from shelf import first, indexed, put_pages, put_scan

from whichpage.benchmark.peers.article import WIDTH, ArticleModel, ArticlePeer, prepare
from whichpage.errors import ModelError

HEIGHT, WIDE = 64, 48


def write_projection(file: Path) -> np.ndarray:
    """A model of one view: 256 random sums over a 64 x 48 image, 0 of an even one. Returns their weights."""
    weights = np.random.default_rng(0).normal(0, 1, (HEIGHT * WIDE, 256)).astype(np.float32)
    weights -= weights.mean(0)
    shape = numpy_helper.from_array(np.array([-1, HEIGHT * WIDE]), "flat")
    views = numpy_helper.from_array(np.array([-1, 1, 256]), "views")
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["grey", "flat"], ["rows"]),
            helper.make_node("MatMul", ["rows", "weights"], ["sums"]),
            helper.make_node("Reshape", ["sums", "views"], ["vectors"]),
        ],
        "projection",
        [helper.make_tensor_value_info("grey", TensorProto.FLOAT, ["batch", 1, HEIGHT, WIDE])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["batch", 1, 256])],
        [shape, views, numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return weights


def test_a_code_is_the_signs_of_the_vectors(tmp_path: Path) -> None:
    weights = write_projection(tmp_path / "model.onnx")
    image = cv2.resize(text_page(1), (WIDE, HEIGHT), interpolation=cv2.INTER_AREA)
    code = ArticleModel.load(tmp_path / "model.onnx", threads=1).code(np.asarray(image, np.uint8))
    sums = image.reshape(-1).astype(np.float64) @ weights
    agree = np.unpackbits(code) == (sums > 0)
    assert agree[np.abs(sums) > 1].all()
    assert np.count_nonzero(np.abs(sums) > 1) > 250


def test_its_file_says_which_network_it_is(tmp_path: Path) -> None:
    write_projection(tmp_path / "model.onnx")
    peer = ArticlePeer(tmp_path / "model.onnx", threads=1, most_bits=40)
    assert peer.what.startswith("the article's pipeline: a network trained by")
    model = onnx.load(tmp_path / "model.onnx")
    helper.set_model_props(model, {"backbone": "ResNet18"})
    onnx.save(model, tmp_path / "model.onnx")
    peer = ArticlePeer(tmp_path / "model.onnx", threads=1, most_bits=40)
    assert peer.what.startswith("the article's pipeline: ResNet18 trained by")


def test_a_photo_is_prepared_as_in_the_article() -> None:
    """480 wide, its own aspect; noise is gone, print is not."""
    page = text_page(1)
    noisy = np.clip(page + np.random.default_rng(0).normal(0, 4, page.shape), 0, 255).astype(np.uint8)
    prepared = prepare(noisy)
    assert prepared.shape == (round(960 * WIDTH / 672), WIDTH)
    small = cv2.resize(noisy, (WIDTH, prepared.shape[0]), interpolation=cv2.INTER_AREA)
    assert (prepared == cv2.fastNlMeansDenoising(small, h=10)).all()
    assert prepared.std() > 0.8 * small.std()


@pytest.mark.parametrize(
    "shapes", [(("n", 3, 64, 48),), (("n", 1, 64, 48),), (("n", 256),)], ids=["colour", "no code", "no image"]
)
def test_other_models_are_refused(shapes: tuple[tuple[int | str, ...]], tmp_path: Path) -> None:
    write_identity(tmp_path / "model.onnx", shapes[0])
    with pytest.raises(ModelError, match="article"):
        ArticleModel.load(tmp_path / "model.onnx", threads=1)


def test_a_scan_is_found_and_an_absent_page_is_not_answered(tmp_path: Path) -> None:
    write_projection(tmp_path / "model.onnx")
    peer = ArticlePeer(tmp_path / "model.onnx", threads=1, most_bits=40)
    cost = indexed(peer, put_pages(tmp_path / "book"), tmp_path / "cache")
    assert first(peer.answer(put_scan(tmp_path / "scan.jpg", 2))) == (2, True)
    absent = peer.answer(put_scan(tmp_path / "absent.jpg", 99))
    assert len(absent) == 5
    assert not any(one.accepted for one in absent)
    assert cost.bytes == (tmp_path / "cache" / "codes.sqlite").stat().st_size
