"""Weights that are laid out for oneDNN give the bits of those that are not."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ttstudy.models.linear import laid_out, linear


@pytest.mark.parametrize("rows", [16, 48, 512])
@pytest.mark.parametrize(("out", "inner"), [(80, 20), (335, 48), (960, 576), (576, 1536)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_product_has_the_same_bits(rows, out, inner, dtype):
    torch.manual_seed(rows)
    weight, x = torch.randn(out, inner).to(dtype) / inner**0.5, torch.randn(rows, inner).to(dtype)
    for bias in (None, torch.randn(out).to(dtype)):
        assert torch.equal(linear(x, laid_out(weight), bias), F.linear(x, weight, bias))
    if dtype == torch.float32:
        assert laid_out(weight) is weight
