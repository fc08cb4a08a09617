"""What an answer leaves to be worked out, by kinds of work. A leaf: it imports sympy.

math-verify makes sympy compute before it compares, so that the question, put into the box, would be its own answer. A
kind of work that the right answer does not show is therefore refused in an answer (process.py). Values as competition
answers are written are no work: numbers, fractions (unreduced ones too), mixed numbers, powers of a number, a number
below ten times a power of ten, roots that do not come out, multiples of pi, and sums of what cannot be added up.
Expressions with letters are left alone where the right answer has letters: multiplied out or not is a matter of taste
there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sympy import (
    Add,
    E,
    Equality,
    FiniteSet,
    Float,
    Function,
    Integer,
    Mul,
    NumberSymbol,
    Pow,
    Rational,
    Symbol,
    Tuple,
    UnevaluatedExpr,
    exp,
    factorial,
    factorial2,
    preorder_traversal,
    srepr,
)
from sympy.core.function import AppliedUndef

#: What is (partly) worked out while the text is read, so that the tree does not show it.
WORDS: Mapping[str, str] = {
    r"\\(?:sum|prod|i*int|oint|lim|det|gcd|lcm|p?mod|bmod|max|min|Gamma|zeta|operatorname)(?![a-zA-Z])": "operator",
    r"\\begin\s*\{[vV]matrix\}": "operator",
    r"\\(?:[dt]?binom|choose|genfrac)(?![a-zA-Z])": "binomial",
    r"\\(?:ln|log|lg)(?![a-zA-Z])": "logarithm",
    r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)h?(?![a-zA-Z])": "trigonometry",
    r"\d[\s)}]*(?:\\cdot|\\times|\\ast|\*)[\s({]*[-\d]": "product",
    r"\\div(?![a-zA-Z])|\d\s*:\s*\d|\d[\s)}]*/[\s({]*\d+[\s)}]*/|%[^,;]*%": "quotient",
}
SPACES = re.compile(r"\\(?:left|right|quad|qquad|[,;:! ])|~")
PART = r"(\{(?:(?!frac)[^{}])*\}|[^\s{}\\])"
#: Three and a half; not three and eight quarters, which is a sum.
MIXED = re.compile(r"\d+\s*\\[cdt]?frac\s*(\d|\{\d+\})\s*(\d|\{\d+\})")
#: A number between one and ten, times a power of ten.
SCIENTIFIC = re.compile(r"(?<![\d.])[1-9](?:\.\d+)?\s*(?:\\times|\\cdot)\s*10\s*\^\s*(?:\d+|\{\s*-?\d+\s*\})")
#: Innermost things, by which a text is made shorter step by step: fractions, roots and texts, powers and indices.
FRACTION = re.compile(rf"\\[cdt]?frac\s*{PART}\s*{PART}")
WRAPPED = re.compile(r"\\(?:sqrt|text|textbf|mathrm|mathbf|mbox)\s*(?:\[[^\]]*\])?\s*\{[^{}]*\}")
RAISED = re.compile(rf"[\^_]\s*{PART}")
SIDE_BY_SIDE = re.compile(r"[\dF][\s(){}\[\]]+[\dF][\d.F]*(?![\d.\s]*[-+*\\^!a-zA-Z])|\dF|F\d")
NUMBERS = re.compile(r"[-+*/\d.\sF(){}]*")
ROOT, EXACT_ROOT = "root", "exact root"
CONSTANT = "constant"  # pi, e: work where the right answer has none, since it would have to cancel


def work(text: str, tree: Any) -> set[str]:
    """The kinds of work that an answer leaves, from its LaTeX and from what was read of it (None: nothing)."""
    found = _of_text(text)
    if isinstance(tree, Equality) and isinstance(tree.lhs, AppliedUndef):
        tree = tree.rhs  # f(2) only names the answer
    return found if tree is None else found | {kind for node in preorder_traversal(tree) for kind in _kinds(node)}


def letters(tree: Any) -> bool:
    """Whether a value is written with letters, which might cancel; those before an equals sign only name it."""
    if isinstance(tree, Equality):
        return all(side.free_symbols for side in tree.args)
    if isinstance(tree, Tuple | FiniteSet):
        return any(letters(entry) for entry in tree.args)
    return bool(getattr(tree, "free_symbols", None)) and not isinstance(tree, Symbol)


def is_rational(tree: Any) -> bool:
    """Whether it is a number with no root, function or letter in it, or a list of such."""
    nodes = list(preorder_traversal(tree))
    return all(isinstance(node, Rational | Float) for node in nodes if not getattr(node, "args", ())) and not any(
        ROOT in _kinds(node) or isinstance(node, Function) for node in nodes
    )


def _of_text(text: str) -> set[str]:
    """Numbers side by side are added by the reader, and a fraction within a fraction comes out."""
    text = SPACES.sub(" ", text).replace(r"\{", "(").replace(r"\}", ")")
    text = SCIENTIFIC.sub("1", text)
    found = {kind for pattern, kind in WORDS.items() if re.search(pattern, text)}
    short, before = MIXED.sub(_number, text), ""
    while short != before:
        before = short
        for match in FRACTION.finditer(short):
            if NUMBERS.fullmatch(match[0][match[0].index("frac") + 4 :]) and re.search("[F/]", match[1] + match[2]):
                found.add("quotient")
        short = RAISED.sub("", WRAPPED.sub("r", FRACTION.sub(_letter, short)))
    if re.search(r"/\s*F|F\s*/", short):
        found.add("quotient")
    return found | {"side by side"} if SIDE_BY_SIDE.search(short) else found


def _number(mixed: re.Match[str]) -> str:
    """A digit in the place of a mixed number whose fraction is below one."""
    above, below = (int(part.strip("{}")) for part in mixed.groups())
    return "1" if above < below else mixed[0]


def _letter(fraction: re.Match[str]) -> str:
    """F for a fraction of numbers."""
    return "F" if NUMBERS.fullmatch(fraction[1] + fraction[2]) else "f"


def _kinds(node: Any) -> Iterator[str]:
    if getattr(node, "free_symbols", None) and not isinstance(node, Add | Mul):
        return
    if isinstance(node, Add):
        yield from _of_sum(node)
    elif isinstance(node, Mul):
        yield from _of_product(node)
    elif isinstance(node, Pow):
        yield from _of_power(node)
    elif isinstance(node, NumberSymbol | exp):
        yield CONSTANT
    elif isinstance(node, factorial | factorial2):
        yield "factorial"
    elif isinstance(node, Function) and not isinstance(node, AppliedUndef):
        yield _family(type(node).__name__)


def _family(name: str) -> str:
    """Sine and cosine are one kind: an answer may use another function than the right one does."""
    if re.fullmatch(r"a?(sin|cos|tan|cot|sec|csc)h?", name):
        return "trigonometry"
    return "logarithm" if name == "log" else name


def _of_sum(node: Any) -> Iterator[str]:
    """Terms that could be added up: two numbers, or two multiples of one root."""
    alike = Counter(_irrational_part(term) for term in node.args if not term.free_symbols)
    if any(count > 1 for count in alike.values()):
        yield "sum"


def _irrational_part(term: Any) -> tuple[str, ...]:
    factors = [factor for factor in _factors(term) if not _is_plain(factor)]
    return tuple(sorted(srepr(factor) for factor in factors))


def _of_product(node: Any) -> Iterator[str]:
    """Two numbers or two roots above or below the line; a fraction over a number; the same above and below."""
    if any(isinstance(factor, Mul) and node is not factor for factor in node.args) and node.free_symbols:
        return  # its part is looked at by itself
    factors = [factor for factor in _factors(node) if not factor.free_symbols and factor != Integer(-1)]
    below = [factor.base for factor in factors if _is_below(factor)]
    above = [factor for factor in factors if not _is_below(factor)]
    for side in (above, below):
        if (sum(map(_is_plain, side)) > 1 and not _is_scientific(side)) or sum(
            isinstance(factor, Pow) and _is_root(factor) for factor in side
        ) > 1:
            yield "product"
        if sum(isinstance(factor, Add) for factor in side) > 1:
            yield "product"
    if below and any(_is_plain(factor) for factor in below) and any(map(_is_broken, above)):
        yield "quotient"
    if {_base(factor) for factor in above} & {_base(factor) for factor in below} - {None}:
        yield "quotient"


def _factors(node: Any) -> Iterator[Any]:
    """Of nested products; the hundredth that a percent sign stands for is none."""
    if isinstance(node, Mul):
        for factor in node.args:
            yield from _factors(factor)
    elif not isinstance(node, UnevaluatedExpr):
        yield node


def _of_power(node: Any) -> Iterator[str]:
    if node.exp == Integer(-1):
        return
    if isinstance(node.base, Pow) or not isinstance(node.exp, Rational | Float):
        yield "power of a power"
    if _is_root(node):
        yield EXACT_ROOT if _is_exact(node) else ROOT


def _is_root(node: Any) -> bool:
    return isinstance(node.exp, Rational | Float) and not isinstance(node.exp, Integer)


def _is_exact(node: Any) -> bool:
    """A root that comes out: of 361, of nine quarters, not of 12."""
    return isinstance(node.base, Rational) and bool(Pow(node.base, node.exp).is_rational)


def _is_plain(node: Any) -> bool:
    """A rational number, or a power of one with a whole exponent."""
    if isinstance(node, Pow):
        return isinstance(node.exp, Integer) and _is_plain(node.base)
    return isinstance(node, Rational | Float)


def _is_scientific(factors: list[Any]) -> bool:
    """A number between one and ten, and a power of ten."""
    powers = [factor for factor in factors if isinstance(factor, Pow) and factor.base == Integer(10)]
    numbers = [factor for factor in factors if isinstance(factor, Rational | Float)]
    return len(factors) == 2 and len(powers) == len(numbers) == 1 and bool(1 <= abs(numbers[0]) < 10)


def _base(factor: Any) -> Any:
    """What a whole power of something that is no number is a power of; None: it is another thing."""
    while isinstance(factor, Pow) and isinstance(factor.exp, Integer):
        factor = factor.base
    if isinstance(factor, exp) and isinstance(factor.args[0], Integer):
        return E
    return None if _is_plain(factor) or isinstance(factor, Pow) else factor


def _is_below(factor: Any) -> bool:
    return isinstance(factor, Pow) and factor.exp == Integer(-1)


def _is_broken(factor: Any) -> bool:
    return isinstance(factor, Rational | Float) and not isinstance(factor, Integer)
