"""The peer: the same GPT in eager PyTorch, from the same parameters.

It was written for this project, in nanoGPT's architecture.

It keeps GPT-2's (in, out) weight layout, so that one dict of arrays starts both models. It needs
the extra `torch`.
"""

import numpy as np
import torch
from torch.nn import functional as F

from minigpt.config import GPTConfig
from minigpt.training.settings import TrainSettings

GELU_FORMS = {"gelu": "tanh", "gelu_erf": "none"}


class TorchGPT:
    """A pre-LN GPT with a tied head.

    params: minigpt's parameters, by name, as NumPy arrays.
    """

    def __init__(self, config: GPTConfig, params: dict[str, np.ndarray]):
        if config.norm != "pre" or config.positions != "learned" or config.windows:
            raise ValueError("TorchGPT: only pre-LN with learned positions and without windows")
        self.config = config
        self.params = {
            name: torch.tensor(array, requires_grad=True) for name, array in params.items()
        }

    def loss(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of targets (B, T) in nats.

        Targets of -1 are ignored.
        """
        p = self.params
        x = F.embedding(ids, p["wte.weight"]) + p["wpe.weight"][: ids.shape[1]]  # (B, T, C)
        for i in range(self.config.n_layer):
            x = x + self._attention(self._layer_norm(x, f"h.{i}.ln_1"), f"h.{i}.attn")
            x = x + self._mlp(self._layer_norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp")
        logits = self._layer_norm(x, "ln_f") @ p["wte.weight"].T  # (B, T, V)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)

    def _attention(self, x: torch.Tensor, name: str) -> torch.Tensor:
        B, T, C = x.shape
        qkv = self._linear(x, f"{name}.c_attn").split(C, dim=2)
        q, k, v = (
            each.view(B, T, self.config.n_head, -1).transpose(1, 2) for each in qkv
        )  # (B, nh, T, hs)
        heads = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, nh, T, hs)
        return self._linear(heads.transpose(1, 2).reshape(B, T, C), f"{name}.c_proj")

    def _mlp(self, x: torch.Tensor, name: str) -> torch.Tensor:
        pre = self._linear(x, f"{name}.c_fc")
        post = (
            F.relu(pre)
            if self.config.activation == "relu"
            else F.gelu(pre, approximate=GELU_FORMS[self.config.activation])
        )
        return self._linear(post, f"{name}.c_proj")

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(x, self.params[f"{name}.weight"].T, self.params.get(f"{name}.bias"))

    def _layer_norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = self.params[f"{name}.weight"], self.params.get(f"{name}.bias")
        return F.layer_norm(x, weight.shape, weight, bias, self.config.layer_norm_epsilon)

    def optimizer(self, s: TrainSettings) -> torch.optim.AdamW:
        """Return AdamW that decays only matrices."""
        matrices = [p for p in self.params.values() if p.ndim >= 2]
        vectors = [p for p in self.params.values() if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": s.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=s.learning_rate, betas=(s.beta1, s.beta2))

    def step(
        self,
        optimizer: torch.optim.AdamW,
        ids: np.ndarray,
        targets: np.ndarray,
        lr: float,
        clip: float,
    ) -> float:
        """Run one training step; return the loss."""
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = self.loss(torch.from_numpy(ids), torch.from_numpy(targets))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.params.values(), clip)
        optimizer.step()
        return loss.item()
