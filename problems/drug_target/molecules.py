"""Reads SMILES into graphs of atoms and bonds, without rdkit; refuses what it cannot read, with a reason.

It knows the organic subset, bracket atoms, branches, rings, charges, aromatic letters and several parts. It does not
know stereochemistry (`@`, `/`, `\\` are read and forgotten) and finds no aromaticity by itself: `C1=CC=CC=C1` and
`c1ccccc1` are two drugs here. `problems/drug_target/rdkit_reader.py` does both where rdkit is installed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise

ELEMENTS = ("C", "N", "O", "S", "F", "Cl", "Br", "I", "P", "B", "Si", "Se", "Na", "K")  # others share one number
OTHER = len(ELEMENTS)
#: What each column of an atom holds: how many values there are. The order is that of `Molecule.atoms`.
COLUMNS = (("element", OTHER + 1), ("degree", 7), ("hydrogens", 5), ("charge", 5), ("aromatic", 2), ("ring", 2))
VALENCES = {"B": (3,), "C": (4,), "N": (3, 5), "O": (2,), "P": (3, 5), "S": (2, 4, 6)}
VALENCES |= dict.fromkeys(("F", "Cl", "Br", "I"), (1,))
BONDS = {"-": 1, "/": 1, "\\": 1, "=": 2, "#": 3, "$": 3, ":": 4}
AROMATIC = 4  # the number of an aromatic bond
SAME_AFTER = 8  # rounds of refinement after which two molecules with equal atoms count as one drug
TOKEN = re.compile(
    r"(?P<bracket>\[[^\[\]]*\])|(?P<organic>Cl|Br|[BCNOPSFI]|[bcnops])|(?P<bond>[-=#$:/\\])"
    r"|(?P<ring>%\d\d|\d)|(?P<open>\()|(?P<close>\))|(?P<dot>\.)"
)
BRACKET = re.compile(
    r"\[\d*(?P<element>[A-Z][a-z]?|[bcnops]|se|as|\*)@{0,2}(?:TH\d|AL\d|SP\d)?"
    r"(?:(?P<h>H)(?P<count>\d?))?(?P<charge>\+\+?|--?|[+-]\d)?(?::\d+)?\]"
)
LONGEST = 2000  # characters; the longest in BindingDB are below 800


class BadSmiles(ValueError):
    """Not a SMILES that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Molecule:
    """Atoms as small whole numbers (one per column of COLUMNS), bonds as (atom, atom, order)."""

    atoms: tuple[tuple[int, ...], ...]
    bonds: tuple[tuple[int, int, int], ...]

    @property
    def key(self) -> str:
        """The same for one molecule however it is written, and nearly never for two."""
        return hashlib.blake2b(repr(sorted(environments(self, SAME_AFTER)[-1])).encode(), digest_size=12).hexdigest()


def environments(molecule: Molecule, radius: int) -> list[list[int]]:
    """A number for the surroundings of each atom, at every radius from 0 on, as Morgan's algorithm makes them."""
    near: list[list[tuple[int, int]]] = [[] for _ in molecule.atoms]
    for one, other, order in molecule.bonds:
        near[one].append((order, other))
        near[other].append((order, one))
    found = [[_number(atom) for atom in molecule.atoms]]
    for _ in range(radius):
        last = found[-1]
        found.append(
            [
                _number((last[atom], sorted((order, last[other]) for order, other in near[atom])))
                for atom in range(len(last))
            ]
        )
    return found


def _number(value: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(value).encode(), digest_size=6).digest(), "little")


def read(smiles: str) -> Molecule:
    """The molecule. Raises BadSmiles.

    >>> [atom[0] for atom in read("CC(=O)O").atoms], read("CC(=O)O").bonds
    ([0, 0, 2, 2], ((0, 1, 1), (1, 2, 2), (1, 3, 1)))
    """
    if not smiles.strip():
        raise BadSmiles("it is empty")
    if len(smiles) > LONGEST:
        raise BadSmiles(f"it has {len(smiles)} characters, more than {LONGEST}")
    return _Reader(smiles.strip()).molecule()


@dataclass(slots=True)
class _Atom:
    element: str
    aromatic: bool
    charge: int = 0
    hydrogens: int | None = None  # None: as many as the valence asks for
    parent: int = -1


class _Reader:
    """One pass over the text. Rings close over a tree of atoms, so their members are found by walking up it."""

    def __init__(self, smiles: str) -> None:
        self.smiles = smiles
        self.atoms: list[_Atom] = []
        self.bonds: dict[tuple[int, int], int] = {}
        self.open_rings: dict[str, tuple[int, str]] = {}
        self.branches: list[int] = []
        self.ring_bonds: set[tuple[int, int]] = set()
        self.last, self.bond = -1, ""

    def molecule(self) -> Molecule:
        """The molecule. Raises BadSmiles."""
        place = 0
        while place < len(self.smiles):
            match = TOKEN.match(self.smiles, place)
            if match is None:
                raise BadSmiles(f"{self.smiles[place : place + 10]!r} at character {place + 1} is not SMILES")
            self._take(str(match.lastgroup), match.group())
            place = match.end()
        if self.branches or self.open_rings:
            what = "a branch" if self.branches else f"ring {next(iter(self.open_rings))}"
            raise BadSmiles(f"{what} is not closed")
        if self.bond or not self.atoms:
            raise BadSmiles("it ends in a bond" if self.bond else "it has no atom")
        self._settle()
        bonds = tuple((one, other, order) for (one, other), order in sorted(self.bonds.items()))
        return Molecule(tuple(self._columns(n) for n in range(len(self.atoms))), bonds)

    def _take(self, kind: str, text: str) -> None:
        if kind == "bracket":
            self._add(_bracket(text))
        elif kind == "organic":
            self._add(_Atom(text.capitalize(), text.islower()))
        elif kind == "bond":
            self._set_bond(text)
        elif kind == "ring":
            self._ring(text.lstrip("%"))
        elif kind == "dot":
            self._end_part()
        else:
            self._branch(kind)

    def _set_bond(self, text: str) -> None:
        if self.bond or self.last < 0:
            raise BadSmiles(f"the bond {text!r} follows no atom")
        self.bond = text

    def _end_part(self) -> None:
        if self.bond or self.branches or self.last < 0:
            raise BadSmiles("a part ends too early")
        self.last = -1

    def _branch(self, kind: str) -> None:
        if self.last < 0 or self.bond or (kind == "close" and not self.branches):
            raise BadSmiles(f"a bracket to {kind} is out of place")
        if kind == "open":
            self.branches.append(self.last)
        else:
            self.last = self.branches.pop()

    def _add(self, atom: _Atom) -> None:
        atom.parent = self.last
        self.atoms.append(atom)
        new = len(self.atoms) - 1
        if self.last >= 0:
            self._join(self.last, new, self.bond)
        self.last, self.bond = new, ""

    def _ring(self, number: str) -> None:
        if self.last < 0:
            raise BadSmiles(f"ring {number} follows no atom")
        if number not in self.open_rings:
            self.open_rings[number] = (self.last, self.bond)
        else:
            start, bond = self.open_rings.pop(number)
            if bond and self.bond and BONDS[bond] != BONDS[self.bond]:
                raise BadSmiles(f"ring {number} opens and closes with different bonds")
            self._join(start, self.last, bond or self.bond)
            self._mark_ring(start, self.last)
        self.bond = ""

    def _join(self, one: int, other: int, bond: str) -> None:
        pair = (min(one, other), max(one, other))
        if one == other or pair in self.bonds:
            raise BadSmiles("two atoms are joined twice")
        both = self.atoms[one].aromatic and self.atoms[other].aromatic
        self.bonds[pair] = BONDS[bond] if bond else (AROMATIC if both else 1)

    def _mark_ring(self, one: int, other: int) -> None:
        """The bond that closes the ring, and those on the way between its ends in the tree."""
        ways = [self._way_up(one), self._way_up(other)]
        shared = set(ways[0]) & set(ways[1])
        if not shared:
            raise BadSmiles("a ring joins two parts")
        self.ring_bonds.add((min(one, other), max(one, other)))
        for way in ways:
            inner = [atom for atom in way if atom not in shared] + [max(shared)]
            self.ring_bonds.update((min(pair), max(pair)) for pair in pairwise(inner))

    def _way_up(self, atom: int) -> list[int]:
        """The atom and all before it in the tree; their numbers fall."""
        way = [atom]
        while (atom := self.atoms[atom].parent) >= 0:
            way.append(atom)
        return way

    def _settle(self) -> None:
        """A bond between two rings, such as biphenyl's, is single although both its atoms are aromatic."""
        for pair, order in self.bonds.items():
            if order == AROMATIC and pair not in self.ring_bonds:
                self.bonds[pair] = 1

    def _columns(self, number: int) -> tuple[int, ...]:
        atom = self.atoms[number]
        orders = [order for pair, order in self.bonds.items() if number in pair]
        element = ELEMENTS.index(atom.element) if atom.element in ELEMENTS else OTHER
        charge = min(2, max(-2, atom.charge)) + 2
        hydrogens = min(4, self._hydrogens(atom, orders))
        ring = int(any(number in pair for pair in self.ring_bonds))
        return element, min(6, len(orders)), hydrogens, charge, int(atom.aromatic), ring

    def _hydrogens(self, atom: _Atom, orders: list[int]) -> int:
        """As written; else what the valence leaves free. An aromatic atom gives one bond to the ring as a whole."""
        if atom.hydrogens is not None:
            return atom.hydrogens
        used = sum(1 if order == AROMATIC else order for order in orders) + int(AROMATIC in orders)
        if atom.aromatic:
            return max(0, VALENCES[atom.element][0] - used)
        fitting = [valence for valence in VALENCES[atom.element] if valence >= used]
        if not fitting:
            raise BadSmiles(f"{atom.element} has {used} bonds")
        return fitting[0] - used


def _bracket(text: str) -> _Atom:
    match = BRACKET.fullmatch(text)
    if match is None:
        raise BadSmiles(f"{text!r} is not an atom")
    element = match["element"]
    count = int(match["count"] or 1) if match["h"] else 0
    return _Atom(element.capitalize(), element.islower(), _charge(match["charge"] or ""), count)


def _charge(text: str) -> int:
    """A charge as written: `+`, `--`, `-2`.

    >>> _charge("+"), _charge("--"), _charge("-2"), _charge("")
    (1, -2, -2, 0)
    """
    if not text:
        return 0
    sign = 1 if text[0] == "+" else -1
    return sign * (int(text[1:]) if text[1:].isdigit() else len(text))
