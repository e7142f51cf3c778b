"""Double DQN on a small corridor: replay buffer, target network, hard updates."""

import copy
import random
from collections import deque

import torch
import torch.nn.functional as F
from torch import nn

LENGTH, GAMMA = 6, 0.9


class Corridor:
    def reset(self):
        self.position = 1
        return self.observe()

    def observe(self):
        return F.one_hot(torch.tensor(self.position), LENGTH).float()

    def step(self, action):
        self.position += 1 if action == 1 else -1
        done = self.position in (0, LENGTH - 1)
        return self.observe(), float(self.position == LENGTH - 1), done


random.seed(0)
torch.manual_seed(0)
env = Corridor()
policy = nn.Sequential(nn.Linear(LENGTH, 32), nn.ReLU(), nn.Linear(32, 2))
target = copy.deepcopy(policy).requires_grad_(False).eval()
optimizer = torch.optim.Adam(policy.parameters(), lr=5e-3)
memory = deque(maxlen=500)
steps = 0

for episode in range(40):
    state, done = env.reset(), False
    epsilon = max(0.1, 1 - episode / 20)
    while not done:
        if random.random() < epsilon:
            action = random.randrange(2)
        else:
            with torch.no_grad():
                action = policy(state).argmax().item()
        following, reward, done = env.step(action)
        memory.append((state, action, reward, following, done))
        state = following
        steps += 1
        if len(memory) < 32:
            continue
        s, a, r, n, d = zip(*random.sample(memory, 32), strict=True)
        s, n = torch.stack(s), torch.stack(n)
        a = torch.tensor(a).unsqueeze(1)
        r, d = torch.tensor(r), torch.tensor(d, dtype=torch.float32)
        q = policy(s).gather(1, a).squeeze(1)
        with torch.no_grad():
            best = policy(n).argmax(1, keepdim=True)
            goal = r + GAMMA * (1 - d) * target(n).gather(1, best).squeeze(1)
        loss = F.smooth_l1_loss(q, goal)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if steps % 20 == 0:
            target.load_state_dict(policy.state_dict())

with torch.no_grad():
    choice = policy(torch.eye(LENGTH)[1:-1]).argmax(1)
print("actions along the corridor:", choice.tolist())
assert choice.tolist() == [1] * (LENGTH - 2)
