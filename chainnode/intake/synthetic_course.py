"""An invented course of disease: what befell a patient and when, before it is written as FHIR.

Shares and ages of onset are rough figures for adults in the United States, chosen so that a table of
patients by condition and age band looks as a clinician expects.
"""

import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

YEAR_DAYS = 365.25


@dataclass(frozen=True, slots=True)
class Illness:
    """`share`: of the oldest who have it. `onset_years`, `spread_years`: logistic curve of onset."""

    code: str
    share: float
    onset_years: float
    spread_years: float
    medication: str = ""
    gender: str = ""


CHRONIC = (
    Illness("59621000", 0.65, 55, 9, "314076"),
    Illness("44054006", 0.24, 57, 9, "860975"),
    Illness("714628002", 0.34, 50, 10),
    Illness("55822004", 0.46, 53, 9, "259255"),
    Illness("162864005", 0.38, 34, 11),
    Illness("195967001", 0.10, 9, 4, "745679"),
    Illness("13645005", 0.14, 63, 7, "895994"),
    Illness("53741008", 0.20, 66, 7, "243670"),
    Illness("49436004", 0.16, 73, 6, "855332"),
    Illness("239873007", 0.27, 61, 8, "849574"),
    Illness("370143000", 0.14, 31, 11, "312940"),
    Illness("433144002", 0.22, 69, 7),
    Illness("254837009", 0.11, 60, 9, "", "female"),
    Illness("64859006", 0.24, 70, 6, "", "female"),
)

ACUTE = (
    Illness("444814009", 0.16, 0, 1),
    Illness("195662009", 0.13, 0, 1, "313782"),
    Illness("10509002", 0.10, 0, 1, "313782"),
    Illness("65363002", 0.04, 0, 1, "562251"),
)
"""`share` is the chance of each in one year."""

ALLERGIES = (
    ("300913006", "food"),
    ("91934008", "food"),
    ("418689008", "environment"),
    ("232350006", "environment"),
)


@dataclass(frozen=True, slots=True)
class Episode:
    """One illness of the patient. `end` is None while it lasts."""

    illness: Illness
    start: date
    end: date | None


@dataclass(frozen=True, slots=True)
class Course:
    """Everything that happened, in order of time. `checkups`: yearly visits with measurements."""

    episodes: list[Episode]
    checkups: list[date]
    death: date | None
    allergies: list[tuple[str, str]]
    smoker: str
    height_cm: float
    measures: dict[str, float] = field(default_factory=dict)

    def has(self, code: str, on: date) -> bool:
        """Whether the patient has the illness on that day."""
        return any(
            e.illness.code == code and e.start <= on and (e.end is None or on <= e.end) for e in self.episodes
        )


def course(random: Random, birth: date, gender: str, today: date) -> Course:
    """What befell somebody born then, until today."""
    years = (today - birth).days / YEAR_DAYS
    death = (
        today - timedelta(days=random.randrange(30, 900)) if years > 70 and random.random() < 0.15 else None
    )
    last = death or today
    checkups = [day for n in range(8, 0, -1) if (day := _yearly(random, last, n)) > birth]
    episodes = [e for illness in CHRONIC if (e := _chronic(random, illness, birth, gender, last)) is not None]
    episodes += [e for day in checkups for e in _acute(random, day, last)]
    return Course(
        episodes=sorted(episodes, key=lambda episode: episode.start),
        checkups=checkups,
        death=death,
        allergies=[a for a in ALLERGIES if random.random() < 0.08],
        smoker=random.choices(("266919005", "8517006", "449868002"), weights=(60, 26, 14))[0],
        height_cm=random.gauss(176 if gender == "male" else 163, 7) * min(1.0, 0.35 + years / 26),
        measures={"weight_factor": random.uniform(0.95, 1.08)},
    )


def _yearly(random: Random, last: date, years_before: int) -> date:
    return last - timedelta(days=int(years_before * YEAR_DAYS) - random.randrange(0, 200))


def _chronic(random: Random, illness: Illness, birth: date, gender: str, last: date) -> Episode | None:
    years = (last - birth).days / YEAR_DAYS
    if illness.gender and illness.gender != gender:
        return None
    reached = 1 / (1 + math.exp(-(years - illness.onset_years) / illness.spread_years))
    if random.random() >= illness.share * reached:
        return None
    onset = min(years - 0.2, max(0.5, random.gauss(illness.onset_years, illness.spread_years)))
    start = birth + timedelta(days=int(max(0.1, onset) * YEAR_DAYS))
    return Episode(illness, min(start, last), None)


def _acute(random: Random, around: date, last: date) -> list[Episode]:
    found = []
    for illness in ACUTE:
        if random.random() < illness.share:
            start = min(around + timedelta(days=random.randrange(1, 150)), last)
            found.append(Episode(illness, start, min(start + timedelta(days=random.randrange(7, 21)), last)))
    return found
