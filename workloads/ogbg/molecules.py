"""Random molecule-like graphs, grown one atom at a time, all of them in parallel."""

import dataclasses
from typing import NamedTuple

import numpy as np

MIN_ATOMS, MAX_ATOMS = 8, 24
MAX_RINGS = 5
MAX_BONDS = MAX_ATOMS - 1 + MAX_RINGS
MAX_DEGREE = 4
ELEMENTS = ("C", "N", "O", "S", "F", "Cl", "Br")
VALENCES = np.array([4, 3, 2, 2, 1, 1, 1], np.int8)

_CHAIN_ELEMENTS = np.array([0.57, 0.14, 0.16, 0.04, 0.03, 0.04, 0.02])
_RING_ELEMENTS = np.array([0.80, 0.10, 0.06, 0.04, 0, 0, 0])
_RING_SIZES, _RING_SHARES = np.arange(3, 8), np.array([0.10, 0.11, 0.29, 0.35, 0.15])
_MULTIPLE = np.array([0.28, 0.22, 0.62, 0.4, 0, 0, 0])  # chance of a new atom's double bond
_NEW_RING, _TRIPLE, _CLOSING_DOUBLE, _LATEST = 0.2, 0.04, 0.3, 0.5
_WL_ROUNDS = 4
_ORDER_WEIGHTS = np.array(
    [0, 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F], np.uint64
)


class Molecules(NamedTuple):
    """Connected graphs of n molecules; the sum of an atom's bond orders is at most its valence."""

    elements: np.ndarray  # (n, MAX_ATOMS) int8 index into ELEMENTS, -1 for none
    bonds: np.ndarray  # (n, MAX_BONDS, 3) int8: two atoms and the order, all 0 for none
    hydrogens: np.ndarray  # (n, MAX_ATOMS) int8: what is left of the valence

    @property
    def num_atoms(self) -> np.ndarray:
        return (self.elements >= 0).sum(axis=1)

    @property
    def num_bonds(self) -> np.ndarray:
        return (self.bonds[:, :, 2] > 0).sum(axis=1)

    def take(self, rows: np.ndarray) -> "Molecules":
        return Molecules(*(part[rows] for part in self))


class Neighbours(NamedTuple):
    """The same bonds, atom by atom; empty places are bonds of order 0 to the first atom."""

    flat: np.ndarray  # (MAX_DEGREE, n, MAX_ATOMS) intp, counts the atoms of all molecules
    orders: np.ndarray  # (MAX_DEGREE, n, MAX_ATOMS) int8

    def of(self, values: np.ndarray) -> np.ndarray:
        """Values (n, MAX_ATOMS) of every atom's neighbours, (MAX_DEGREE, n, MAX_ATOMS)."""
        return np.take(values, self.flat)


def grow(rng: np.random.Generator, size: int) -> Molecules:
    """`size` random molecules of at most MAX_ATOMS; some stop early for want of a free valence."""
    growth = _Growth.start(rng, size)
    for atom in range(1, MAX_ATOMS):
        growth.open_rings(rng, atom)
        growth.add(rng, atom)
    return Molecules(growth.elements, growth.bonds, growth.free)


def neighbours(molecules: Molecules) -> Neighbours:
    """Every atom's neighbours in the order of the bonds."""
    n = len(molecules.elements)
    flat = np.zeros((MAX_DEGREE, n, MAX_ATOMS), np.intp)
    orders = np.zeros((MAX_DEGREE, n, MAX_ATOMS), np.int8)
    degrees = np.zeros((n, MAX_ATOMS), np.int8)
    for bond in range(MAX_BONDS):
        one, other, order = molecules.bonds[:, bond].T
        rows = np.flatnonzero(order)
        for here, there in ((one[rows], other[rows]), (other[rows], one[rows])):
            place = degrees[rows, here], rows, here
            flat[place] = rows * MAX_ATOMS + there
            orders[place] = order[rows]
            degrees[rows, here] += 1
    return Neighbours(flat, orders)


def keys(molecules: Molecules, near: Neighbours) -> np.ndarray:
    """A hash (n,) uint64 that isomorphic molecules share (Weisfeiler-Lehman, 4 rounds)."""
    weights = _ORDER_WEIGHTS[near.orders]
    colours = _mix((molecules.elements * 8 + molecules.hydrogens + 1).astype(np.uint64))
    for _ in range(_WL_ROUNDS):
        colours = _mix(colours + (near.of(_mix(colours)) * weights).sum(axis=0))
    return _mix((colours * (molecules.elements >= 0)).sum(axis=1))


def _mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele et al. 2014), a bijection of uint64."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x ^ (x >> np.uint64(31))


@dataclasses.dataclass
class _Growth:
    """Molecules in the making. A ring grows like a chain from `tail` and closes at `head`."""

    elements: np.ndarray
    bonds: np.ndarray
    free: np.ndarray  # (n, MAX_ATOMS) valence left, less what an open ring has reserved
    final_size: np.ndarray  # (n,)
    num_bonds: np.ndarray  # (n,)
    head: np.ndarray  # (n,)
    tail: np.ndarray  # (n,)
    left: np.ndarray  # (n,) atoms that the open ring still lacks, 0 for no open ring
    num_rings: np.ndarray  # (n,)

    @classmethod
    def start(cls, rng: np.random.Generator, size: int) -> "_Growth":
        """One carbon atom each."""
        elements = np.full((size, MAX_ATOMS), -1, np.int8)
        free = np.zeros((size, MAX_ATOMS), np.int8)
        elements[:, 0], free[:, 0] = 0, VALENCES[0]
        final_size = rng.integers(MIN_ATOMS, MAX_ATOMS, size, endpoint=True)
        final_size = np.maximum(final_size, rng.integers(MIN_ATOMS, MAX_ATOMS, size, endpoint=True))
        bonds = np.zeros((size, MAX_BONDS, 3), np.int8)
        counts = [np.zeros(size, np.intp) for _ in range(5)]
        return cls(elements, bonds, free, final_size, *counts)

    def open_rings(self, rng: np.random.Generator, atom: int) -> None:
        """Begins some rings, each on a bond whose two atoms have a free valence."""
        size = len(self.free)
        missing = _draw(rng, _RING_SHARES, size) + _RING_SIZES[0] - 2
        opens = (self.left == 0) & (self.num_rings < MAX_RINGS) & (rng.random(size) < _NEW_RING)
        g = np.flatnonzero(opens & (atom + missing <= self.final_size))
        one, other, orders = np.moveaxis(self.bonds[g], 2, 0)
        rows = g[:, None]
        possible = (orders > 0) & (self.free[rows, one] > 0) & (self.free[rows, other] > 0)
        picked = np.argmax(possible * rng.random(possible.shape, np.float32), axis=1)
        found = possible.any(axis=1)
        g, picked = g[found], picked[found]
        self.tail[g], self.head[g] = self.bonds[g, picked, :2].T
        self.left[g] = missing[g]
        self.num_rings[g] += 1
        self.free[g, self.head[g]] -= 1

    def add(self, rng: np.random.Generator, atom: int) -> None:
        """Adds atom number `atom` to every molecule that has room for it."""
        size = len(self.free)
        in_ring = self.left > 0
        weights = (self.free > 0) * rng.random(self.free.shape, np.float32)
        weights[:, atom - 1] *= np.where(rng.random(size) < _LATEST, 1e6, 1.0)
        parent = np.where(in_ring, self.tail, np.argmax(weights, axis=1))
        element = np.where(
            in_ring, _draw(rng, _RING_ELEMENTS, size), _draw(rng, _CHAIN_ELEMENTS, size)
        )
        chance = rng.random(size)
        order = 1 + (chance < _MULTIPLE[element]) + ((chance < _TRIPLE) & ~in_ring)
        closing = rng.random(size) < _CLOSING_DOUBLE
        grows = (atom < self.final_size) & (weights.any(axis=1) | in_ring)
        g = np.flatnonzero(grows)
        order = np.minimum(order[g], VALENCES[element[g]] - in_ring[g])
        order = np.minimum(order, self.free[g, parent[g]])
        self.elements[g, atom] = element[g]
        self.free[g, atom] = VALENCES[element[g]]
        self._bond(g, parent[g], np.full(len(g), atom), order)
        self.tail[g] = atom
        self.left[g] -= in_ring[g]
        self._close(g[in_ring[g] & (self.left[g] == 0)], atom, closing)

    def _close(self, g: np.ndarray, atom: int, double: np.ndarray) -> None:
        head = self.head[g]
        self.free[g, head] += 1  # no longer reserved
        both = np.minimum(self.free[g, head], self.free[g, atom])
        order = np.minimum(1 + double[g], both)
        self._bond(g, head, np.full(len(g), atom), order)

    def _bond(self, g: np.ndarray, one: np.ndarray, other: np.ndarray, order: np.ndarray) -> None:
        self.bonds[g, self.num_bonds[g]] = np.stack([one, other, order], axis=1)
        self.num_bonds[g] += 1
        self.free[g, one] -= order.astype(np.int8)
        self.free[g, other] -= order.astype(np.int8)


def _draw(rng: np.random.Generator, shares: np.ndarray, size: int) -> np.ndarray:
    """`size` indices, each with the chance that `shares` gives it."""
    return np.searchsorted(np.cumsum(shares)[:-1], rng.random(size), side="right")
