"""Matching leads to accounts on labelled names: ours beside stripped suffixes with token-sort, and splink.

The labelled sets are others' and not part of the project: CLEARLANE_LABELLED_NAMES names their folder. Of every set
one name of a company is the account and its other names are leads; a third of the companies is no account, so that
a lead may have none. An answer is right where it names the lead's company; recall is of leads that have an account.
Pairs are those that could be looked at, leads times accounts, for a second of processor time.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import re
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import pandas as pd
from rapidfuzz import fuzz, process

from benchmarks import matching_lists, matching_scripts, matching_sets
from benchmarks.matching_sets import Made, Task
from clearlane.identity.matching import match_files

SEED = 20_26
ABSENT = 3
"""one company in so many is no account"""


@dataclass(frozen=True)
class Answer:
    """Lead → (account, how sure) for the best account of every lead, and those taken without asking."""

    best: Mapping[str, tuple[str, float]]
    taken: Mapping[str, str]
    seconds: float
    asked: int = 0


# --- tasks ------------------------------------------------------------------------------------------


GENERATED = (
    (matching_sets.invented, 4_000),
    (matching_sets.short, 2_000),
    (matching_sets.institutions, 2_500),
)
"""sets of our own, and of how many companies"""
GROWN, ELSEWHERE = 3_000, 1_500
"""companies of the sets of a grown CRM and of names from other scripts"""


def tasks(data: Path) -> list[Task]:
    """Every labelled set that the folder holds."""
    found = [
        *_clustered("patstat", _patstat(data), _usual),
        *_clustered("cleanco, garbled", _garbled(data), lambda names: names[0]),
        *_tickers(data),
        *_pairs(data),
    ]
    return [task for task in found if len(task.leads)]


def task_of(made: Made) -> Task:
    """The task that a generated set is."""
    leads = [(f"l{i}", name, country) for i, (name, country, _) in enumerate(made.leads)]
    return Task(
        made.name,
        pd.DataFrame(leads, columns=["lead_id", "company", "country"]),
        pd.DataFrame(made.accounts, columns=["account_id", "name", "country"]),
        {f"l{i}": account for i, (_, _, account) in enumerate(made.leads) if account},
    )


def _patstat(data: Path) -> dict[str, list[str]]:
    clusters: dict[str, list[str]] = defaultdict(list)
    for row in _read(data / "matching" / "dedupe_patstat" / "patstat_reference.csv"):
        clusters[row["leuven_id"]].append(row["person_name"])
    return clusters


def _garbled(data: Path) -> dict[str, list[str]]:
    """Names as they are, and as people type them: other form, other case, a typo, a word less, another order."""
    path = data / "matching" / "cleanco" / "companies.csv"
    chance = random.Random(SEED)
    names = {line.rpartition(";")[0] for line in path.read_text().splitlines()} if path.is_file() else set()
    keys = {stripped(name): name for name in sorted(names)}
    return {name: [name, *(garbled(name, chance) for _ in range(3))] for name in keys.values()}


def garbled(name: str, chance: random.Random) -> str:
    """The name as someone may type it: one to two changes, each of which happens in CRMs."""
    for change in chance.sample(_CHANGES, chance.choice((1, 1, 1, 2))):
        name = change(name, chance)
    return name


def _other_form(name: str, chance: random.Random) -> str:
    return (
        f"{_SUFFIX.sub('', name)} {chance.choice(['Inc', 'Ltd', 'GmbH', 'S.A.', 'LLC', 'plc', ''])}".strip()
    )


def _typo(name: str, chance: random.Random) -> str:
    at = chance.randrange(1, max(len(name) - 1, 2))
    return chance.choice(
        (
            name[:at] + name[at + 1 :],
            name[:at] + name[at : at + 1] * 2 + name[at + 1 :],
            name[:at] + name[at + 1 : at + 2] + name[at : at + 1] + name[at + 2 :],
            name[:at] + chance.choice("aeiorstn") + name[at + 1 :],
        )
    )


def _no_spaces(name: str, chance: random.Random) -> str:
    return _SUFFIX.sub("", name).replace(" ", "")


def _turned(name: str, chance: random.Random) -> str:
    words = _SUFFIX.sub("", name).split()
    return " ".join([*words[1:], words[0]]) if words else name


def _cased(name: str, chance: random.Random) -> str:
    return chance.choice((name.upper(), name.lower(), name.title()))


def _abbreviated(name: str, chance: random.Random) -> str:
    for whole, short in _ABBREVIATIONS.items():
        name = re.sub(rf"\b{whole}\b", short, name)
    return name


_ABBREVIATIONS = {
    "International": "Intl", "Technologies": "Tech", "and": "&", "Systems": "Sys", "Communications": "Comm",
    "Resources": "Res.", "Industries": "Ind.", "Group": "Grp",
}  # fmt: skip
_CHANGES: list[Callable[[str, random.Random], str]] = [
    _other_form,
    _typo,
    _no_spaces,
    _turned,
    _cased,
    _abbreviated,
]


def _usual(names: Sequence[str]) -> str:
    return min(Counter(names).items(), key=lambda one: (-one[1], one[0]))[0]


def _clustered(
    name: str, clusters: Mapping[str, list[str]], account: Callable[[Sequence[str]], str]
) -> list[Task]:
    """Two tasks: every company is an account, by one of its names; and one in three is none."""
    usual = {key: account(names) for key, names in clusters.items()}
    leads = [
        (text, key)
        for key, names in sorted(clusters.items())
        for text in sorted(set(names))
        if text != usual[key]
    ]
    frame = pd.DataFrame(
        {"lead_id": [f"l{i}" for i in range(len(leads))], "company": [text for text, _ in leads]}
    )
    made = []
    for label, kept in (
        (name, set(usual)),
        (f"{name}, a third absent", {key for key in usual if not _absent(key)}),
    ):
        accounts = pd.DataFrame(sorted((key, usual[key]) for key in kept), columns=["account_id", "name"])
        truth = {f"l{i}": key for i, (_, key) in enumerate(leads) if key in kept}
        made.append(Task(label, frame, accounts, truth))
    return made


def _absent(key: str) -> bool:
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % ABSENT == 0


def _tickers(data: Path) -> list[Task]:
    """Fortune 1000 names are leads, S&P 500 names accounts, tickers the truth; most leads have no account."""
    folder = data / "accounts_reference"
    accounts = {row["Symbol"]: row["Security"] for row in _read(folder / "sp500_constituents.csv")}
    leads = [
        (row["company"], row["Ticker"]) for row in _read(folder / "Fortune_1000_2020.csv") if row["Ticker"]
    ]
    frame = pd.DataFrame(
        {"lead_id": [f"l{i}" for i in range(len(leads))], "company": [name for name, _ in leads]}
    )
    truth = {f"l{i}": ticker for i, (_, ticker) in enumerate(leads) if ticker in accounts}
    known = pd.DataFrame(list(accounts.items()), columns=["account_id", "name"])
    both = frame[frame["lead_id"].isin(set(truth))].reset_index(drop=True)
    return [Task("tickers", both, known, truth), Task("tickers, all of Fortune 1000", frame, known, truth)]


def _pairs(data: Path) -> list[Task]:
    """Labelled pairs: the first name of each is to find the company of the second among the companies of all."""
    rows = _read(data / "matching" / "eason" / "test_data.csv")
    company: dict[str, str] = {}
    for row in rows:
        if row["Targets"] == "1":
            known = {company.get(row[side], row[side]) for side in ("Name_x", "Name_y")}
            company |= {name: min(known) for name, key in company.items() if key in known}
            company |= {row[side]: min(known) for side in ("Name_x", "Name_y")}
    accounts = sorted({(company.get(row["Name_y"], row["Name_y"]), row["Name_y"]) for row in rows})
    names = sorted(
        {row["Name_x"] for row in rows if company.get(row["Name_x"]) in {key for key, _ in accounts}}
    )
    frame = pd.DataFrame({"lead_id": [f"l{i}" for i in range(len(names))], "company": names})
    truth = {f"l{i}": company[name] for i, name in enumerate(names)}
    return [Task("eason pairs", frame, pd.DataFrame(accounts, columns=["account_id", "name"]), truth)]


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# --- ways -------------------------------------------------------------------------------------------


def ours(task: Task, folder: Path) -> Answer:
    """The command as anyone runs it."""
    task.leads.to_csv(folder / "leads.csv", index=False)
    task.accounts.to_csv(folder / "accounts.csv", index=False)
    start = process_time()
    match_files(folder / "leads.csv", folder / "accounts.csv", folder / "out.csv")
    seconds = process_time() - start
    out = pd.read_csv(folder / "out.csv", keep_default_na=False, dtype=str)
    best = {
        row.lead_id: (row.account_id, float(row.probability)) for row in out.itertuples() if row.account_id
    }
    taken = {row.lead_id: row.account_id for row in out.itertuples() if row.outcome == "match"}
    return Answer(best, taken, seconds, int((out["outcome"] == "ask").sum()))


_SUFFIX = re.compile(
    r"[\s,]+(?:inc|corp|corporation|incorporated|co|company|ltd|limited|llc|plc|gmbh|ag|sa|nv|bv|ab|as|asa|oyj?|spa|srl|"
    r"kk|aktiengesellschaft|se|lp|llp|s\.a\.?|n\.? ?v\.?|b\.? ?v\.?|s\.p\.a\.?|a\.g\.?)\.?,*$",
    re.IGNORECASE,
)


def stripped(name: str) -> str:
    """Lower case, without the legal forms at the end and without punctuation: the usual first step."""
    before = ""
    name = re.sub(r"^[* ]+", "", name)
    while name != before:
        before, name = name, _SUFFIX.sub("", name.strip(" .,;"))
    return re.sub(r"[^\w]+", " ", name.lower()).strip()


def token_sort(task: Task) -> Answer:
    """Suffixes stripped, RapidFuzz token-sort, at the threshold that is best with the truth known."""
    start = process_time()
    keys = [stripped(name) for name in task.accounts["name"]]
    ids = task.accounts["account_id"].tolist()
    scores = process.cdist(
        [stripped(name) for name in task.leads["company"]], keys, scorer=fuzz.token_sort_ratio, workers=1
    )
    best = {
        lead: (ids[at], float(row[at]))
        for lead, row, at in zip(task.leads["lead_id"], scores, scores.argmax(axis=1), strict=True)
    }
    return _at_best_threshold(task, best, process_time() - start)


def splink(task: Task, folder: Path, python: str) -> Answer:
    """splink, trained on the two files themselves, in an environment of its own."""
    task.leads.to_csv(folder / "leads.csv", index=False)
    task.accounts.to_csv(folder / "accounts.csv", index=False)
    script = Path(__file__).with_name("matching_splink.py")
    done = subprocess.run([python, str(script), str(folder)], capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    told = json.loads((folder / "splink.json").read_text())
    best = {lead: (account, score) for lead, account, score in told["best"]}
    return _at_best_threshold(task, best, told["seconds"])


def _at_best_threshold(task: Task, best: Mapping[str, tuple[str, float]], seconds: float) -> Answer:
    """Taken from the score on at which F1 is best."""
    right = 0
    top, threshold = -1.0, 0.0
    ordered = sorted(best.items(), key=lambda one: -one[1][1])
    for n, (lead, (account, score)) in enumerate(ordered, start=1):
        right += task.right(lead, account)
        f1 = 2 * right / (n + len(task.truth))
        last = n == len(ordered) or ordered[n][1][1] < score
        if last and f1 > top:
            top, threshold = f1, score
    return Answer(best, {lead: one for lead, (one, score) in best.items() if score >= threshold}, seconds)


# --- figures ----------------------------------------------------------------------------------------


def figures(task: Task, answer: Answer) -> tuple[float, float, float]:
    """Precision, recall and F1 of what was taken."""
    right = sum(task.right(lead, account) for lead, account in answer.taken.items())
    found = sum(answer.taken.get(lead) == account for lead, account in task.truth.items())
    precision, recall = right / max(len(answer.taken), 1), found / max(len(task.truth), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


DATA, SPLINK = "CLEARLANE_LABELLED_NAMES", "CLEARLANE_SPLINK_PYTHON"
"""variables that name the folder of labelled sets, and a Python that has splink"""


def main() -> None:
    """Print every set's figures, one line for each way."""
    data, python = os.environ.get(DATA), os.environ.get(SPLINK)
    if not data:
        print(f"matching: {DATA} names no folder of labelled names; only generated ones are measured")
    given = tasks(Path(data)) if data else []
    made = [task_of(generated(SEED, number)) for generated, number in GENERATED]
    made += [matching_lists.grown(SEED, GROWN), matching_scripts.elsewhere(SEED, ELSEWHERE)]
    print(
        f"{'set':34} {'way':10} {'leads':>6} {'precision':>9} {'recall':>7} {'F1':>6} {'asked':>6} {'pairs/cpu s':>12}"
    )
    for task in [*given, *made]:
        for way, answer in _answers(task, python).items():
            told = "{:9.3f} {:7.3f} {:6.3f}".format(*figures(task, answer))
            pairs = len(task.leads) * len(task.accounts) / max(answer.seconds, 1e-9)
            print(f"{task.name:34} {way:10} {len(task.leads):6} {told} {answer.asked:6} {pairs:12,.0f}")


def _answers(task: Task, python: str | None) -> dict[str, Answer]:
    with tempfile.TemporaryDirectory() as name:
        ways = {"ours": ours(task, Path(name)), "token-sort": token_sort(task)}
        return ways | ({"splink": splink(task, Path(name), python)} if python else {})


def mistakes(task: Task, answer: Answer) -> Iterable[tuple[str, str, str, str, str]]:
    """(kind, lead's name, name taken or likeliest, right name, how sure) of what was wrong or left out."""
    names = dict(zip(task.accounts["account_id"], task.accounts["name"], strict=True))
    for lead, company in zip(task.leads["lead_id"], task.leads["company"], strict=True):
        taken, right = answer.taken.get(lead), task.truth.get(lead)
        if taken != right and not (taken and task.right(lead, taken)):
            best, sure = answer.best.get(lead, ("", 0.0))
            kind = "wrong" if taken else "left out"
            yield kind, company, names.get(taken or best, ""), names.get(right or "", ""), f"{sure:.2f}"
