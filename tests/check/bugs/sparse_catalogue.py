import torch
from torch import nn


class Basket(nn.Module):
    """Which product goes next into the basket."""

    def __init__(self, products: int, dim: int):
        super().__init__()
        self.items = nn.Embedding(products, dim, sparse=True)
        self.mix = nn.Linear(dim, dim)

    def forward(self, basket: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.mix(self.items(basket).mean(1)))
        return h @ self.items.weight.detach().t()


def main():
    torch.manual_seed(16)
    model = Basket(500, 8)
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(3):
        basket = torch.randint(0, 500, (12, 5))
        scores = model(basket[:, :-1])
        loss = nn.functional.cross_entropy(scores, basket[:, -1])
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(step, loss.item())


if __name__ == "__main__":
    main()
