"""Two players, two optimizers: a generator learns a bell curve from the critic who judges it.

Try:
    b leaf critic.0.weight      then c: twice a step, once for each of the two losses
    b leaf generator.0.weight   then c: once a step; w is the path, right through the critic
    n                           up to the critic's loss; then p fake.detach().grad_fn: nothing
    :t fake                     the generator's work;  :t real  what it is to look like
"""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
critic = nn.Sequential(nn.Linear(1, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
generator_optimizer = torch.optim.Adam(generator.parameters(), lr=3e-3, betas=(0.5, 0.99))
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=3e-3, betas=(0.5, 0.99))
yes, no = torch.ones(128, 1), torch.zeros(128, 1)

for step in range(401):
    real = 4 + torch.randn(128, 1)
    fake = generator(torch.randn(128, 4))

    # The critic learns; detach() keeps its loss out of the generator.
    critic_loss = F.binary_cross_entropy_with_logits(critic(real), yes)
    critic_loss += F.binary_cross_entropy_with_logits(critic(fake.detach()), no)
    critic_optimizer.zero_grad()
    critic_loss.backward()
    critic_optimizer.step()

    # The generator learns; its gradient comes through the critic, which does not move.
    generator_loss = F.binary_cross_entropy_with_logits(critic(fake), yes)
    generator_optimizer.zero_grad()
    generator_loss.backward()
    generator_optimizer.step()

    if step % 100 == 0:
        print(f"step {step:3}  critic {critic_loss.item():.3f}  fakes around {fake.mean():.2f}")

print(f"real numbers lie around 4.00, the last fakes around {fake.mean():.2f}")
