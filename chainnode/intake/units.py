"""Units of measure: UCUM expressions made of atoms we know, so that no name can hide in a unit.

Source: The Unified Code for Units of Measure, 2.1 (grammar, prefixes, atoms). The atoms are those
of laboratories, vital signs and doses; an unknown one makes the expression invalid.
"""

import re
from functools import lru_cache

from chainnode.intake.lists import words

MAX_UNIT_CHARS = 40

_PREFIXES = words("Y Z E P T G M k h da d c m u n p f a z y")
_METRIC = words(
    "m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L t bar eq osm kat U "
    "[iU] [IU] cal eV B Np m[H2O] m[Hg] [arb'U] [CFU]"
)
_OTHER = words(
    "min h d wk mo mo_j mo_g a a_j a_g deg ' '' % [ppth] [ppm] [ppb] [pptr] [pH] [degF] [in_i] [ft_i] "
    "[lb_av] [oz_av] [foz_us] [cup_us] [tsp_us] [tbs_us] [pt_us] [drp] [HPF] [LPF] [p'diop] [diop] "
    "[mesh_i] [Ch] [MET] [anti'Xa'U] [USP'U] [PFU] [CCID_50] [EID_50] [FFU] [BAU] [AU] [todd'U] [dye'U] "
    "[knk'U] [mclg'U] [tb'U] [Amb'a'1'U] [D'ag'U] [bdsk'U] [GPL'U] [MPL'U] [APL'U] [iU] mm[Hg] cm[H2O]"
)
_ANNOTATIONS = words(
    "{score} {#} {nominal} {ratio} {index} {count} {beats} {breaths} {cells} {copies} {titer} {INR} "
    "{rbc} {wbc} {1.73_m2} {creat} {Creat} {DDU} {FEU} {tbl} {tablet} {capsule} {puff} {actuat} {dose} "
    "{spray} {patch} {T} {HPF} {LPF} {person} {times} {pack} {packs} {cigarettes} {drinks} "
    "{steps} {events} {Ehrlich'U} {absorbance}"
)

_ATOMS = frozenset(_METRIC) | frozenset(_OTHER) | {p + a for p in _PREFIXES for a in _METRIC}
_NOTES = frozenset(_ANNOTATIONS)
_COMPONENT = re.compile(r"(10[*^][+-]?[0-9]{1,2}|[^{}0-9+-][^{}+]*?)?(-?[0-9])?(\{[^{}]*\})?")
_FACTOR = re.compile(r"1|2|4|6|8|10|12|24|48|72|100|1000")

YEARS_PER_UNIT = {"a": 1.0, "a_j": 1.0, "a_g": 1.0, "mo": 1 / 12, "wk": 7 / 365.25, "d": 1 / 365.25}
"""For quantities that may be an age."""


@lru_cache(maxsize=4_096)
def is_ucum(unit: str) -> bool:
    """Whether the unit is a UCUM expression of known atoms: `mg/dL`, `10*3/uL`, `mL/min/{1.73_m2}`."""
    if not unit or len(unit) > MAX_UNIT_CHARS or not unit.isascii():
        return False
    if not _balanced(unit):
        return False
    components = [part for part in re.split(r"[./()](?![^{]*\})", unit) if part]
    return bool(components) and all(_is_component(part) for part in components)


def _balanced(unit: str) -> bool:
    open_now = 0
    for character in unit:
        open_now += (character == "(") - (character == ")")
        if open_now < 0:
            return False
    return open_now == 0


def _is_component(part: str) -> bool:
    if _FACTOR.fullmatch(part):
        return True
    match = _COMPONENT.fullmatch(part)
    if match is None:
        return False
    atom, exponent, note = match.groups()
    if note is not None and note not in _NOTES:
        return False
    if atom is None:
        return note is not None and exponent is None
    return atom in _ATOMS or atom.startswith("10")
