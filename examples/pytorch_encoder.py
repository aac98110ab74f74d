"""The encoders of `biossl` in PyTorch: `load("encoder.safetensors")` gives the module, in evaluation mode. It takes
`[n, channels, samples]`: windows cut as docs/store.md says, standardised where `normalisation` is `window`."""

import json
import math

from safetensors import safe_open
from torch import nn
from torch.nn.functional import adaptive_avg_pool1d, elu, max_pool1d

# kernel of the stem; channels and kernel of each block; bins of the last average
TABLES = {
    "eeg-sacl": (13, [(32, 11), (64, 9), (128, 7)], 2),
    "ecg-sacl": (3, [(32, 11), (64, 9), (128, 7), (256, 7)], 1),
}


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm1d(inputs), nn.BatchNorm1d(outputs)
        self.skip = nn.Conv1d(inputs, outputs, 1)
        self.conv1 = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        self.conv2 = nn.Conv1d(outputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x):
        active = elu(self.bn1(x))
        return self.skip(active) + self.conv2(elu(self.bn2(self.conv1(active))))


class Encoder(nn.Module):
    def __init__(self, name, channels, width=1.0):
        super().__init__()
        kernel, blocks, self.bins = TABLES[name]
        sizes = [max(4, 4 * math.floor(size * width / 4 + 0.5)) for size, _ in blocks]
        self.stem = nn.Conv1d(channels, sizes[0], kernel, padding=kernel // 2)
        inputs = [sizes[0], *sizes]
        self.blocks = nn.ModuleList(Block(*both, kernel) for *both, (_, kernel) in zip(inputs, sizes, blocks))
        self.bn = nn.BatchNorm1d(sizes[-1])

    def forward(self, x):
        x = self.stem(x)
        for i, block in enumerate(self.blocks):
            x = block(x if i == 0 else max_pool1d(x, 4))
        return adaptive_avg_pool1d(elu(self.bn(x)), self.bins).flatten(1)


def load(path):
    with safe_open(path, "pt") as file:
        made = {key: json.loads(value) for key, value in json.loads(file.metadata()["biossl"]).items()}
        module = Encoder(channels=len(made["channels"]), **made["settings"]["encoder"])
        module.load_state_dict({name: file.get_tensor(name) for name in file.keys()}, strict=True)
    return module.eval()


def standardise(windows):
    windows = windows.double()  # a constant channel becomes zeros
    deviation = windows.std(-1, correction=0, keepdim=True).clamp(min=1e-12)
    return ((windows - windows.mean(-1, keepdim=True)) / deviation).float()
