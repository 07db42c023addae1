"""Exact answers to questions about a molecule's structure: the labels of the data set."""

from collections.abc import Callable

import numpy as np

from workloads.ogbg.molecules import ELEMENTS, MAX_ATOMS, MAX_BONDS, Molecules, Neighbours

MAX_RING_SIZE = 7
_FARTHEST = 11  # bonds, of what the assays ask
_PLACES = np.arange(MAX_ATOMS, dtype=np.uint32)  # atom a of a set is bit a
# Pauling's electronegativities in hundredths, less 275; the last is for no atom.
_POLARITY = np.array([-20, 29, 69, -17, 123, 41, 21, 0], np.int32)


class Structure:
    """The structure of n molecules, as the assays ask for it.

    Sets of atoms are boolean (n, MAX_ATOMS).
    """

    def __init__(self, molecules: Molecules, near: Neighbours):
        self.molecules, self.near = molecules, near
        self.reach = _reach(near)
        self.ring_sizes = smallest_rings(molecules)
        self.num_ring_bonds = np.zeros(molecules.elements.shape, np.int8)
        rows = np.arange(len(molecules.elements))
        for bond in range(MAX_BONDS):
            for end in (0, 1):
                atoms = molecules.bonds[:, bond, end]
                self.num_ring_bonds[rows, atoms] += self.ring_sizes[:, bond] > 0

    @property
    def in_ring(self) -> np.ndarray:
        """The atoms in rings of at most 7."""
        return self.num_ring_bonds > 0

    def of(self, *elements: str) -> np.ndarray:
        """The atoms of any of these elements."""
        wanted = np.array([e in elements for e in ELEMENTS] + [False])  # the last is -1, none
        return wanted[self.molecules.elements]

    def count(self, atoms: np.ndarray, order: int | None = None) -> np.ndarray:
        """Each atom's number of neighbours in `atoms`, by a bond of `order` or by any."""
        bonded = self.near.orders > 0 if order is None else self.near.orders == order
        return (self.near.of(atoms) & bonded).sum(axis=0, dtype=np.int8)

    def beside(self, atoms: np.ndarray, order: int | None = None) -> np.ndarray:
        """The atoms that have such a neighbour."""
        return self.count(atoms, order) > 0

    def at_distance(self, distance: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Whether shortest paths of exactly `distance` bonds lead from `one` to `other`, (n,)."""
        shell = self._shell(distance)
        return (one & ((shell & _set(other)[:, None]) > 0)).any(axis=1)

    def correlation(self, one: str, other: str, distance: int) -> np.ndarray:
        """Sum of `one` times `other` over ordered pairs of atoms `distance` bonds apart, (n,).

        Autocorrelation of a topological structure (Moreau and Broto 1980); whole numbers.
        """
        shell = self._shell(distance)
        values, around = self._property(other), np.zeros(shell.shape, np.int32)
        for atom in _PLACES:
            around += (shell >> atom & 1).view(np.int32) * values[:, atom, None]
        return (self._property(one) * around).sum(axis=1)

    def _shell(self, distance: int) -> np.ndarray:
        """The atoms exactly `distance` bonds from every atom, as bits."""
        return self.reach[distance] & ~self.reach[distance - 1]

    def _property(self, name: str) -> np.ndarray:
        """A property of every atom that is about zero on average, (n, MAX_ATOMS) int32."""
        exists = self.molecules.elements >= 0
        if name == "polarity":
            return _POLARITY[self.molecules.elements]
        if name == "hydrogens":
            return exists * (self.molecules.hydrogens - np.int32(1))
        pi_bonds = np.maximum(self.near.orders - 1, 0).sum(axis=0)
        return exists * (2 * pi_bonds - 1).astype(np.int32)

    def has_ring(self, size: int) -> np.ndarray:
        """Whether the shortest cycle through some bond has `size` atoms, (n,)."""
        return (self.ring_sizes == size).any(axis=1)


Assay = Callable[[Structure], np.ndarray]


def _carbonyl(s: Structure) -> np.ndarray:
    return s.of("C") & s.beside(s.of("O"), 2)


def _correlated(one: str, other: str, distance: int, threshold: int) -> Assay:
    """Whether two atomic properties correlate above `threshold` over pairs `distance` apart."""
    return lambda s: s.correlation(one, other, distance) > threshold


ASSAYS: dict[str, Assay] = {
    "ring of 3": lambda s: s.has_ring(3),
    "ring of 4": lambda s: s.has_ring(4),
    "ring of 5": lambda s: s.has_ring(5),
    "ring of 6": lambda s: s.has_ring(6),
    "ring of 7": lambda s: s.has_ring(7),
    "3 rings or more": lambda s: s.molecules.num_bonds - s.molecules.num_atoms >= 2,
    "fused rings": lambda s: (s.num_ring_bonds >= 3).any(axis=1),
    "N on a ring": lambda s: (s.of("N") & ~s.in_ring & s.beside(s.in_ring)).any(axis=1),
    "C=O in a ring": lambda s: (_carbonyl(s) & s.in_ring).any(axis=1),
    "amide, O=C-N": lambda s: (_carbonyl(s) & s.beside(s.of("N"), 1)).any(axis=1),
    "ester or acid, O=C-O": lambda s: (_carbonyl(s) & s.beside(s.of("O"), 1)).any(axis=1),
    "tertiary amine": lambda s: (s.of("N") & (s.count(s.of("C"), 1) == 3)).any(axis=1),
    "N 4 bonds from O": lambda s: s.at_distance(4, s.of("N"), s.of("O")),
    "11 bonds across": lambda s: s.at_distance(11, s.of(*ELEMENTS), s.of(*ELEMENTS)),
    "polarity at 1": _correlated("polarity", "polarity", 1, 6400),
    "polarity at 2": _correlated("polarity", "polarity", 2, 5600),
    "polarity at 3": _correlated("polarity", "polarity", 3, 6100),
    "hydrogens at 2": _correlated("hydrogens", "hydrogens", 2, 11),
    "hydrogens at 3": _correlated("hydrogens", "hydrogens", 3, 9),
    "hydrogens at 4": _correlated("hydrogens", "hydrogens", 4, 7),
    "pi bonds at 2": _correlated("pi bonds", "pi bonds", 2, 8),
    "pi bonds at 3": _correlated("pi bonds", "pi bonds", 3, 8),
    "polarity, hydrogens at 1": _correlated("polarity", "hydrogens", 1, 150),
    "polarity, hydrogens at 3": _correlated("polarity", "hydrogens", 3, 120),
}


def labels(molecules: Molecules, near: Neighbours) -> np.ndarray:
    """Boolean (n, len(ASSAYS)): the truth about every molecule."""
    structure = Structure(molecules, near)
    return np.stack([assay(structure) for assay in ASSAYS.values()], axis=1)


def smallest_rings(molecules: Molecules) -> np.ndarray:
    """Atoms in the shortest cycle through each bond, (n, MAX_BONDS) int8; 0 beyond 7 or none.

    A breadth-first search from one end of every bond that does not use the bond itself. Sets of
    atoms are bits of an integer.
    """
    one, other, order = np.moveaxis(molecules.bonds, 2, 0)
    adjacent = _adjacency(molecules)
    start, end = (np.left_shift(np.uint32(1), ends.astype(np.uint32)) for ends in (one, other))
    found = np.zeros(order.shape, np.int8)
    reached = adjacent[np.arange(len(one))[:, None], one] & ~end
    for size in range(3, MAX_RING_SIZE + 1):
        reached = _step(adjacent, reached & ~start)
        found[(order > 0) & (found == 0) & ((reached & end) > 0)] = size
    return found


def _step(adjacent: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """All neighbours of all atoms of each set; (n, MAX_ATOMS) and (n, sets) to (n, sets)."""
    reached = np.zeros_like(sets)
    for atom in range(MAX_ATOMS):
        reached |= ((sets >> np.uint32(atom)) & np.uint32(1)) * adjacent[:, atom, None]
    return reached


def _adjacency(molecules: Molecules) -> np.ndarray:
    """Every atom's neighbours as bits, (n, MAX_ATOMS) uint32."""
    adjacent = np.zeros(molecules.elements.shape, np.uint32)
    rows = np.arange(len(adjacent))
    for bond in range(MAX_BONDS):
        one, other, order = molecules.bonds[:, bond].T
        exists = (order > 0).astype(np.uint32)
        adjacent[rows, one] |= exists << other.astype(np.uint32)
        adjacent[rows, other] |= exists << one.astype(np.uint32)
    return adjacent


def _reach(near: Neighbours) -> list[np.ndarray]:
    """The atoms within 0, 1, ... _FARTHEST bonds of every atom, each (n, MAX_ATOMS) as bits."""
    reach = [np.broadcast_to(np.uint32(1) << _PLACES, near.orders.shape[1:])]
    for _ in range(_FARTHEST):
        seen = near.of(reach[-1]) * (near.orders > 0).astype(np.uint32)
        reach.append(reach[-1] | np.bitwise_or.reduce(seen, axis=0))
    return reach


def _set(atoms: np.ndarray) -> np.ndarray:
    """A boolean set (n, MAX_ATOMS) as bits, (n,) uint32."""
    return (atoms << _PLACES).sum(axis=1, dtype=np.uint32)
