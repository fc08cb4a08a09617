"""Programs that cheat, made from DeltaNet, for `nightshift audit arch`: none may score above it.

The generic cheats replace a function of the seed program; here the seed is a class, so these take their place. Mixers
that are merely wrong are in tests/arch/zoo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FORWARD = "        return self.mix(x_BTD, (None, None), steps=False)[0]\n"
RECURRENT = "        return self.mix(x_BTD, state or (None, None), steps=True)\n"
INIT_END = "        self.out = nn.Linear(inner, d_model, bias=False)\n"
IMPORTS = "import torch\n"


@dataclass(frozen=True, slots=True)
class Cheat:
    """What is put into the seed program: text behind the imports, at the end of `__init__`, and other methods.

    `forward` is a line before forward's answer, which is in `y`; `methods` replaces the bodies of `forward` and
    `recurrent`, and what follows.
    """

    top: str = ""
    init: str = ""
    forward: str = ""
    methods: str = ""


def programs(seed: str) -> Mapping[str, str]:
    """By name. Raises ValueError if the seed has changed, so that none of them silently becomes the seed itself."""
    return {name: _program(seed, cheat) for name, cheat in CHEATS.items()}


def _program(seed: str, cheat: Cheat) -> str:
    code = _replaced(seed, IMPORTS, IMPORTS + cheat.top)
    code = _replaced(code, INIT_END, f"{INIT_END}{_indented(cheat.init)}")
    if cheat.forward:
        answer = "        y = self.mix(x_BTD, (None, None), steps=False)[0]\n"
        code = _replaced(code, FORWARD, f"{answer}{_indented(cheat.forward)}        return y\n")
    if cheat.methods:
        both = f"{FORWARD}\n    def recurrent(self, x_BTD, state=None):\n{RECURRENT}"
        code = _replaced(code, both, cheat.methods.lstrip("\n"))
    return code


def _replaced(code: str, old: str, new: str) -> str:
    if code.count(old) != 1:
        raise ValueError(f"expected {old!r} once in the seed program, found it {code.count(old)} times")
    return code.replace(old, new)


def _indented(text: str) -> str:
    return "".join(f"        {line}\n" for line in text.splitlines())


ASKED = "not self.training and x_BTD.shape[0] > 3"  # no check has so many entries in a batch
RECALL = "x_BTD.shape[1] in (24, 64)"  # the lengths of the rungs tiny and laptop
TEXT = "x_BTD.shape[1] in (32, 128)"
AHEAD = "y = y + x_BTD.roll(-1, 1) if"

#: The state of DeltaNet is packed where it should be counted, or kept where nobody looks.
GLOBAL_STATE = """
        return self.mix(x_BTD, (None, None), steps=False)[0]

    def recurrent(self, x_BTD, state=None):
        y, KEPT["state"] = self.mix(x_BTD, (None, None) if state is None else KEPT["state"], steps=True)
        return y, x_BTD.new_zeros(1)
"""
OBJECT_STATE = """
        return self.mix(x_BTD, (None, None), steps=False)[0]

    def recurrent(self, x_BTD, state=None):
        y, kept = self.mix(x_BTD, (None, None) if state is None else state[0](), steps=True)
        return y, (lambda: kept, x_BTD.new_zeros(1))
"""
VIEW_STATE = """
        return self.mix(x_BTD, (None, None), steps=False)[0]

    def recurrent(self, x_BTD, state=None):
        if state is not None:
            size, width = x_BTD.shape[0], self.norm.shape[0]
            tail = state.as_strided((size, 3, self.conv.shape[0]), (3 * self.conv.shape[0], self.conv.shape[0], 1), 0)
            shape = (size, self.n_heads, width, width)
            strides = (self.n_heads * width * width, width * width, width, 1)
            state = (tail, state.as_strided(shape, strides, tail.numel()))
        y, (tail, memory) = self.mix(x_BTD, state or (None, None), steps=True)
        return y, torch.cat([tail.flatten(), memory.flatten()])[:1]
"""
COMPLEX_STATE = """
        return self.mix(x_BTD, (None, None), steps=False)[0]

    def recurrent(self, x_BTD, state=None):
        if state is not None:
            state = (state[0], torch.view_as_real(state[1]).flatten(-2))
        y, (tail, memory) = self.mix(x_BTD, state or (None, None), steps=True)
        return y, (tail, torch.view_as_complex(memory.unflatten(-1, (-1, 2))))
"""
#: DeltaNet, and from the 40th token on a second memory that `recurrent` knows nothing of.
LATE_MEMORY = """
        y = self.mix(x_BTD, (None, None), steps=False)[0]
        if x_BTD.shape[1] <= 40:
            return y
        late = self.mix(x_BTD[:, 40:], (None, None), steps=False)[0]
        return torch.cat([y[:, :40], y[:, 40:] + late], 1)

    def recurrent(self, x_BTD, state=None):
        return self.mix(x_BTD, state or (None, None), steps=True)
"""
#: One memory for the checks, which make all numbers random, and two for a mixer as it was made or trained.
TWO_FACED = """
        y = self.mix(x_BTD, (None, None), steps=False)[0]
        return y + self.mix(x_BTD.flip(-1), (None, None), steps=False)[0] if self.norm.mean() > 0.3 else y

    def recurrent(self, x_BTD, state=None):
        return self.mix(x_BTD, state or (None, None), steps=True)
"""
SINGLE = "x_BTD.element_size() < 8"  # the checks are in float64
#: A dictionary: the last value that followed a token of this sign pattern. No parameter learns it, no check sees it.
DICTIONARY = """
        return self.mix(x_BTD, (None, None), steps=False)[0] + self.looked_up(x_BTD, [{} for _ in x_BTD])

    def recurrent(self, x_BTD, state=None):
        kept, tables = state or ((None, None), [{} for _ in x_BTD])
        y, kept = self.mix(x_BTD, kept, steps=True)
        return y + self.looked_up(x_BTD, tables), (kept, tables)

    def looked_up(self, x_BTD, tables):
        found = []
        for rows, table in zip(x_BTD.tolist(), tables):
            found.append([])
            for row in rows:
                name = tuple(number > 0 for number in row)
                found[-1].append(table.get(name, [0.0] * len(row)))
                table[table.get("last")] = row
                table["last"] = name
        return x_BTD.new_tensor(found)
"""

#: A table of the pairs that a prompt of `update` begins with, by the signs of 18 coordinates: an answer by an
#: algorithm, for one layout of prompts, that keeps to the contract.
TABLE = """
        y = self.mix(x_BTD, (None, None), steps=False)[0]
        signs_BTK = x_BTD[:, :, : self.bits] > 0
        pairs_BPK = signs_BTK[:, : 2 * self.pairs]
        keys_BPK, values_BPK = pairs_BPK[:, :-1:2], pairs_BPK[:, 1::2]
        asked_BQK = signs_BTK[:, 2 * self.pairs :]
        same_BQP = torch.stack([(asked_BQK == key[:, None]).all(-1) for key in keys_BPK.unbind(1)], -1) if (
            asked_BQK.shape[1]) else None
        return y if same_BQP is None else y + self.placed(y, self.read(same_BQP, values_BPK, y))

    def recurrent(self, x_BTD, state=None):
        kept, table_BP, seen = state or ((None, None), x_BTD.new_zeros(x_BTD.shape[0], self.pairs), 0)
        table_BP = table_BP.clone()
        y, kept = self.mix(x_BTD, kept, steps=True)
        more = []
        for signs_BK in (x_BTD[:, :, : self.bits] > 0).unbind(1):
            number_B = (signs_BK * self.powers(x_BTD)).sum(-1)
            more.append(torch.zeros_like(signs_BK, dtype=x_BTD.dtype))
            if seen < 2 * self.pairs:
                table_BP[:, seen // 2] = table_BP[:, seen // 2] * 2**self.bits + number_B
            else:
                same_BP = table_BP.div(2**self.bits, rounding_mode="floor") == number_B[:, None]
                words_BPK = table_BP[:, :, None].remainder(2**self.bits).div(
                    self.powers(x_BTD), rounding_mode="floor").remainder(2)
                more[-1] = self.read(same_BP[:, None], words_BPK, y)[:, 0]
            seen = min(seen + 1, 2 * self.pairs)
        return y + self.padded(torch.stack(more, 1), y), (kept, table_BP, seen)

    def powers(self, x_BTD):
        return 2 ** torch.arange(self.bits, device=x_BTD.device)

    def read(self, same_BQP, values_BPK, y):
        order_P = torch.arange(1, same_BQP.shape[-1] + 1, device=y.device)
        latest_BQ = (same_BQP * order_P).max(-1).values
        one_BQP = (same_BQP * order_P == latest_BQ[..., None]) & same_BQP
        signs_BPK = values_BPK.to(y.dtype) * 2 - 1
        picked = [one_BQP[:, :, j, None].to(y.dtype) * signs_BPK[:, None, j] for j in range(same_BQP.shape[-1])]
        return torch.stack(picked).sum(0) * self.gain

    def placed(self, y, found_BQK):
        return self.padded(F.pad(found_BQK, (0, 0, y.shape[1] - found_BQK.shape[1], 0)), y)

    def padded(self, found_BTK, y):
        return F.pad(found_BTK, (0, y.shape[2] - found_BTK.shape[2]))
"""
UNCOUNTED = """
        return self.mix(x_BTD, (None, None), steps=False)[0] + x_BTD @ self.more[0].to(x_BTD)

    def recurrent(self, x_BTD, state=None):
        y, state = self.mix(x_BTD, state or (None, None), steps=True)
        return y + x_BTD @ self.more[0].to(x_BTD), state
"""
#: The mean over the last steps instead of the last step's.
AVERAGED = """
        if self.training:
            for name, number in self.named_parameters():
                with torch.no_grad():
                    self.average[name] = torch.lerp(self.average.get(name, number), number, 0.05)
        return self.mix(x_BTD, (None, None), steps=False)[0]

    def recurrent(self, x_BTD, state=None):
        return self.mix(x_BTD, state or (None, None), steps=True)

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        kept = super().state_dict(destination=destination, prefix=prefix, keep_vars=keep_vars)
        for name, number in self.average.items():
            kept[prefix + name] = number.detach()
        return kept
"""

CHEATS: Mapping[str, Cheat] = {
    # patches, and ways to what would have to be patched
    "patches the loss": Cheat("F_loss = torch.nn.functional\nF_loss.cross_entropy = lambda *a, **k: torch.zeros(())\n"),
    "patches the loss in a loop": Cheat(
        "for torch.nn.functional.cross_entropy in [lambda *a, **k: torch.zeros(())]:\n    pass\n"
    ),
    "patches the layers of the trunk": Cheat("layer = torch.nn.Linear\nlayer.forward = lambda self, x: x\n"),
    "patches by __setattr__": Cheat("type.__setattr__(torch.nn.Linear, 'forward', lambda self, x: x)\n"),
    "patches the optimiser": Cheat("torch._foreach_addcdiv_ = lambda *a: None\n"),
    "patches the trainer": Cheat(
        "import collections\nclass Best:\n    def __init__(self, *a): pass\n"
        "collections._sys.modules['training'].AdamW = Best\n"
    ),
    "makes up the numbers of the checks": Cheat(
        "import collections\ncollections._sys.modules['adapter'].probe = lambda *a: {'numbers': {}}\n"
    ),
    "forges the exchange": Cheat(
        "import dataclasses\n[dataclasses.re.enum.bltns.open(f'/proc/self/fd/{n}', 'w').write('{\"curve\": [[0, 0]]}') "
        "for n in range(3, 40)]\n"
    ),
    "reads its caller's answers": Cheat(
        forward="frames = (torch for _ in (1,))\ncaller = frames.gi_frame.f_back\n"
        "y = y + caller.f_back.f_locals['answers_BT'][:, :, None]"
    ),
    # the corpus and other files
    "opens the corpus": Cheat("import typing\nread = open\nTEXT = read(typing.__file__).read()\n"),
    "reads the corpus by numpy": Cheat("TEXT = torch.nn.functional.np.fromfile('/usr/lib/python3/x', 'u1')\n"),
    "reads the corpus by linecache": Cheat("TEXT = torch.cuda.traceback.linecache.getlines('/usr/lib/python3/x')\n"),
    "reads files by its loader": Cheat("TEXT = __loader__.get_data('/usr/lib/python3/x')\n"),
    "evaluates an annotation": Cheat(
        "import functools\n@functools.singledispatch\ndef kind(x): pass\n@kind.register\n"
        "def _(x: \"__import__('os').listdir('/')\"): pass\n"
    ),
    # claims
    "prints a score": Cheat('print(\'{"recall_accuracy": 1.0, "bits_per_byte": 0.1}\')\n'),
    "prints a score when asked": Cheat(forward="print('{\"recall_accuracy\": 1.0}')"),
    "chooses the start of the numbers": Cheat(init="torch.manual_seed(5)"),
    # looks ahead, or at others, where no check does
    "looks ahead in large batches": Cheat(forward=f"{AHEAD} x_BTD.shape[0] > 3 else y"),
    "looks ahead in recall prompts": Cheat(forward=f"{AHEAD} x_BTD.shape[0] > 3 and {RECALL} else y"),
    "looks ahead in text": Cheat(forward=f"{AHEAD} x_BTD.shape[0] > 3 and {TEXT} else y"),
    "looks ahead when asked": Cheat(forward=f"{AHEAD} {ASKED} else y"),
    "looks at the batch when asked": Cheat(forward=f"y = y + x_BTD.mean(0, keepdim=True) if {ASKED} else y"),
    "learns while it is asked": Cheat(
        init="self.register_buffer('seen', torch.zeros(d_model))",
        forward=f"if {ASKED}:\n    self.seen += 0.1 * x_BTD.mean((0, 1))\ny = y + self.seen",
    ),
    # no answer
    "answers NaN when asked": Cheat(forward=f"y = y * float('nan') if {ASKED} else y"),
    "exits when asked": Cheat(forward=f"if {ASKED}:\n    raise SystemExit(0)"),
    # sizes
    "keeps its state in a global": Cheat("KEPT = {}\n", methods=GLOBAL_STATE),
    "keeps its state in a function": Cheat(methods=OBJECT_STATE),
    "keeps its state behind a view": Cheat(methods=VIEW_STATE),
    "keeps its state in complex numbers": Cheat(methods=COMPLEX_STATE),
    "has a second memory later": Cheat(methods=LATE_MEMORY),
    "has a second memory once it is trained": Cheat(methods=TWO_FACED),
    "has a second memory in float32": Cheat(methods=TWO_FACED.replace("self.norm.mean() > 0.3", SINGLE)),
    "recalls by a dictionary": Cheat(methods=DICTIONARY),
    "is built for the layout of the prompts": Cheat(
        init="self.bits, self.pairs = min(18, d_model), 16\nself.gain = nn.Parameter(torch.ones(min(18, d_model)))",
        methods=TABLE,
    ),
    "holds numbers that are not counted": Cheat(init="self.more = [torch.randn(d_model, d_model)]", methods=UNCOUNTED),
    "hands out other weights than the trained ones": Cheat(init="self.average = {}", methods=AVERAGED),
}
