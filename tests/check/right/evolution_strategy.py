"""Evolution strategies: a black-box score, antithetic samples, no autograd at all."""

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters


def score(policy, seeds):
    """The points of an episode; a black box with three actions and a simulator in numpy."""
    total = 0.0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        position, velocity = rng.uniform(-1, 1), 0.0
        for _ in range(12):
            observation = torch.tensor([position, velocity], dtype=torch.float32)
            push = 0.3 * float(np.sign(round(policy(observation).item(), 1)))
            velocity = 0.7 * velocity + push
            position += velocity
            total -= abs(position)
    return total / len(seeds)


@torch.no_grad()
def main():
    torch.manual_seed(0)
    policy = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    theta = parameters_to_vector(policy.parameters())
    before = score_of(policy, theta, range(1000, 1010))
    for generation in range(20):
        noise = torch.randn(8, len(theta))
        noise = torch.cat([noise, -noise])
        seeds = range(4 * generation, 4 * generation + 4)
        scores = torch.tensor([score_of(policy, theta + 0.3 * e, seeds) for e in noise])
        ranks = scores.argsort().argsort().float()
        weights = (ranks - ranks.mean()) / ranks.std()
        theta = theta + 0.5 * (weights @ noise) / len(noise)
    after = score_of(policy, theta, range(1000, 1010))
    print(f"score {before:.2f} -> {after:.2f}")
    assert after > before + 2


def score_of(policy, theta, seeds):
    vector_to_parameters(theta, policy.parameters())
    return score(policy, seeds)


if __name__ == "__main__":
    main()
