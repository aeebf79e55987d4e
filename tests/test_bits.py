"""The numbers of an image and the bits of their signs."""

from __future__ import annotations

import random

import numpy as np
import pytest

from whichpage.bits import sign_bits, signs, soft_signs


def test_first_number_is_the_highest_bit_of_the_first_byte() -> None:
    chance = random.Random(3)
    vectors = np.array([[chance.uniform(-1, 1) for _ in range(256)] for _ in range(6)], np.float32)
    packed = sign_bits(vectors.reshape(2, 3, 256))
    assert packed.shape == (2, 3, 32)
    for row in range(6):
        for byte in range(32):
            value = 0
            for bit in range(8):
                value = value * 2 + int(vectors[row, 8 * byte + bit] > 0)
            assert packed[row // 3, row % 3, byte] == value


def test_zero_is_no_bit() -> None:
    assert sign_bits(np.array([0.0, -0.0, 1e-30, -1e-30] * 64, np.float32)).tolist() == [0b00100010] * 32


def test_signs_are_those_that_were_packed() -> None:
    numbers = np.random.default_rng(1).normal(size=(2, 3, 128)).astype(np.float32)
    kept = signs(sign_bits(numbers))
    assert kept.dtype == np.float32
    np.testing.assert_array_equal(kept, np.sign(numbers))


def test_likeness_is_1_with_the_own_code_and_minus_1_with_its_contrary() -> None:
    numbers = np.random.default_rng(2).normal(size=(5, 256)).astype(np.float32)
    own = np.einsum("nd,nd->n", soft_signs(numbers), signs(sign_bits(numbers)))
    np.testing.assert_allclose(own, 1, atol=1e-6)
    contrary = np.einsum("nd,nd->n", soft_signs(numbers), signs(sign_bits(-numbers)))
    np.testing.assert_allclose(contrary, -1, atol=1e-6)


def test_a_number_near_zero_counts_for_little() -> None:
    numbers = np.array([2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.01], np.float32)
    code = signs(np.array([0b11111110], np.uint8))
    assert signs(sign_bits(numbers)) @ code == 6
    assert soft_signs(numbers) @ code == pytest.approx(1, abs=0.003)


def test_numbers_that_say_nothing_are_like_no_code() -> None:
    assert not soft_signs(np.zeros((1, 256), np.float32)).any()
