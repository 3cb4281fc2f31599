"""Eq. 1: as written the emotion cannot act; with v split into tokens it does."""

import pytest
import torch
from torch.nn.functional import normalize

from pipeline.coemogen.embedding import EmotionEmbedding, Mapper, PerceptionEncoder
from pipeline.conditioning.encoder import TokenSpace
from pipeline.emotions import EMOTIONS
from pipeline.params import Input, Perception

WIDTH, VISUAL = 12, 10


def build(perception: Perception = "residual", kind: Input = "onehot") -> EmotionEmbedding:
    torch.manual_seed(0)
    names = torch.randn(8, 5)
    return EmotionEmbedding(
        Mapper(WIDTH, 16, kind, names), PerceptionEncoder(WIDTH, VISUAL, 4, perception), TokenSpace((WIDTH,), (0.02,))
    )


def embeddings(module: EmotionEmbedding) -> torch.Tensor:
    """Of all emotions for the same v, 8W."""
    return module(torch.eye(8), torch.nn.functional.normalize(torch.ones(8, VISUAL), dim=1))


def test_as_written_the_query_cannot_matter_and_gets_no_gradient() -> None:
    """With one key the softmax is 1: e^v = v W_v."""
    module = build("literal")
    made = embeddings(module)
    assert torch.allclose(made, made[:1].expand(8, -1))
    made.square().sum().backward()
    still = {name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-9}
    assert {name.split(".")[-2] for name in still} >= {"query", "key"}
    assert any(name.startswith("mapper.") for name in still)


def test_as_written_it_is_equation_1() -> None:
    encoder = PerceptionEncoder(WIDTH, VISUAL, kind="literal")
    emotion, visual = torch.randn(3, WIDTH), torch.randn(3, VISUAL)
    query, key, value = encoder.query(emotion), encoder.key(visual), encoder.value(visual)
    scores = (query * key).sum(1, keepdim=True) / WIDTH**0.5
    wanted = torch.softmax(scores[:, None], -1)[:, 0] * value
    assert torch.allclose(encoder(emotion, visual), wanted, atol=1e-6)


def test_with_tokens_the_query_matters_and_everything_gets_a_gradient() -> None:
    module = build()
    made = embeddings(module)
    assert torch.pdist(made).min() > 1e-4
    (made * torch.randn(8, WIDTH)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in module.parameters())


@pytest.mark.parametrize("kind", ["onehot", "onehot_centered", "learnable", "text"])
def test_every_input_tells_emotions_apart_and_mixes_by_weight(kind: Input) -> None:
    mapper = build(kind=kind).mapper
    each = mapper(torch.eye(8))
    assert torch.pdist(each).min() > 1e-3
    assert torch.allclose(mapper(torch.full((1, 8), 1 / 8)), each.mean(0, keepdim=True), atol=1e-6)
    assert torch.allclose(each.square().mean(1).sqrt(), torch.ones(8), atol=1e-3)
    trained = {name.split(".")[0] for name, _ in mapper.named_parameters()}
    wanted = {"onehot": {"layers"}, "onehot_centered": {"layers"}, "learnable": {"table"}, "text": set()}
    assert trained == wanted[kind]


def test_what_all_emotions_share_does_not_drown_what_tells_them_apart_once_it_is_taken_off() -> None:
    cosines = {}
    for kind in ("onehot", "onehot_centered"):
        mapper = Mapper(WIDTH, 16, kind)
        with torch.no_grad():
            mapper.layers[2].bias.fill_(10.0)  # type: ignore[index]  # what training adds to every emotion
            each = normalize(mapper(torch.eye(8)))
        cosines[kind] = float((each @ each.T)[~torch.eye(8, dtype=torch.bool)].mean())
    assert cosines["onehot"] > 0.95
    assert cosines["onehot_centered"] < 0.2


@pytest.mark.parametrize("width", [WIDTH, 768])
def test_the_three_inputs_are_equally_strong_at_first(width: int) -> None:
    """The share of the variance of e^v that the emotion makes, for names that are as alike as CLIP's text features."""
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(width, generator=generator)
    names, visual = (normalize(torch.randn(n, width, generator=generator) + 2 * common) for n in (8, 64))
    shares = {}
    for kind in ("onehot", "learnable", "text"):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = EmotionEmbedding(
                Mapper(width, 512, kind, names), PerceptionEncoder(width, width), TokenSpace((width,), (0.02,))
            )
        with torch.no_grad():
            made = torch.stack([module(row.expand(64, -1), visual) for row in torch.eye(8)])
        middle = made.mean((0, 1))
        shares[kind] = float((made.mean(1) - middle).square().mean() / (made - middle).square().mean())
    assert max(shares.values()) < 1.5 * min(shares.values()), shares


def test_text_features_of_another_width_are_projected_the_same_each_time() -> None:
    names = normalize(torch.randn(8, 8))
    assert torch.equal(Mapper(WIDTH, 4, "text", names).table, Mapper(WIDTH, 4, "text", names).table)
    lengths = Mapper(WIDTH, 4, "text", names).table.norm(dim=1)
    assert torch.allclose(lengths, (names - names.mean(0)).norm(dim=1), atol=1e-5)


def test_the_size_is_a_gain_on_that_of_tokens() -> None:
    module = build()
    trained = dict(module.named_parameters())
    assert trained["gain"].item() == 1
    with torch.no_grad():
        module.gain.mul_(2)
    assert torch.allclose(embeddings(module).square().mean(1).sqrt(), torch.tensor(0.04), rtol=1e-3)


def test_the_embedding_is_as_large_as_a_token_s() -> None:
    assert torch.allclose(embeddings(build()).square().mean(1).sqrt(), torch.tensor(0.02), rtol=1e-3)


def test_at_the_papers_size_the_mapper_is_8_512_768() -> None:
    mapper = Mapper(768, 512)
    assert [tuple(p.shape) for p in mapper.parameters()] == [(512, len(EMOTIONS)), (512,), (768, 512), (768,)]
