"""A labelled set of names from Russia, Greece, Japan, China and Arab countries.

An account is in one way of Latin letters, its leads in another or in their own script, trade and legal form too.
The ways are those that are about: for Russian BGN and the German, for Greek ELOT and the old, for Japanese Hepburn and
Kunrei, for Chinese Pinyin and Wade-Giles, for Arabic the English and the French.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import pandas as pd

from benchmarks.matching_sets import Task

Chance = random.Random


class Sound(NamedTuple):
    """A part of a name in its own script, and in two ways of Latin letters."""

    own: str
    one: str
    other: str


class Language(NamedTuple):
    """Parts from which names are made, how many of them a name has, what stands between, trades and legal forms."""

    sounds: Sequence[Sound]
    parts: tuple[int, int]
    trades: Mapping[str, str]
    forms: tuple[str, str, str]
    """of accounts, of leads in Latin letters, of leads in their own script"""


def _sounds(text: str) -> tuple[Sound, ...]:
    return tuple(Sound(*part.split(":")) for part in text.split())


RUSSIAN: Final = Language(
    _sounds(
        "жа:zha:scha ще:shche:schtsche ко:ko:ko вин:vin:win ско:sko:sko ро:ro:ro хо:kho:cho дов:dov:dow цы:tsy:zy "
        "ган:gan:gan лю:lyu:lju бя:bya:bja нев:nev:new чер:cher:tscher шу:shu:schu май:may:mai ра:ra:ra зи:zi:si "
        "юр:yur:jur те:te:te мо:mo:mo"
    ),
    (3, 4),
    {"Bank": "Банк", "Energo": "Энерго", "Stroy": "Строй", "Invest": "Инвест", "Metall": "Металл"},
    ("LLC", "OOO", "ООО"),
)
GREEK: Final = Language(
    _sounds(
        "χα:cha:ha φι:fi:phi λο:lo:lo γιώ:gio:yio ρου:rou:ru κη:ki:ke δά:da:da μπα:ba:mpa νι:ni:ni ψα:psa:psa "
        "θε:the:the ξε:xe:kse βα:va:ba πα:pa:pa τσο:tso:tso"
    ),
    (3, 4),
    {"Shipping": "Ναυτιλιακή", "Foods": "Τρόφιμα", "Bank": "Τράπεζα"},
    ("S.A.", "SA", "ΑΕ"),
)
JAPANESE: Final = Language(
    _sounds(
        "シ:shi:si ツ:tsu:tu チ:chi:ti ジ:ji:zi フ:fu:hu カ:ka:ka モ:mo:mo ト:to:to ラ:ra:ra ミ:mi:mi サ:sa:sa "
        "ノ:no:no ハ:ha:ha キョウ:kyo:kyou ショウ:sho:syou ジュン:jun:zyun"
    ),
    (3, 4),
    {"Electric": "電機", "Bank": "銀行", "Trading": "商事", "Industry": "工業", "Electronics": "電子"},
    ("Co., Ltd.", "K.K.", "株式会社"),
)
CHINESE: Final = Language(
    _sounds(
        "清:qing:ching 新:xin:hsin 中:zhong:chung 北:bei:pei 大:da:ta 光:guang:kuang 金:jin:chin 天:tian:tien "
        "宝:bao:pao 东:dong:tung 海:hai:hai 龙:long:lung 华:hua:hua 夏:xia:hsia 江:jiang:chiang"
    ),
    (2, 3),
    {"Bank": "银行", "Electronics": "电子", "Technology": "科技", "Group": "集团"},
    ("Co., Ltd.", "Ltd", "有限公司"),
)
ARABIC: Final = Language(
    _sounds(
        "قا:qa:ka سم:sem:sam خل:khal:hal يل:il:eel نو:noo:nou ري:ree:ri شا:sha:cha هد:hed:had محمود:mahmoud:mahmud "
        "فار:far:far وق:ouq:ouk جا:ja:dja بر:ber:bir يو:yu:you سف:sef:saf"
    ),
    (2, 3),
    {"Trading": "للتجارة", "Bank": "بنك", "Contracting": "للمقاولات"},
    ("LLC", "Est.", "ذ.م.م"),
)
LANGUAGES: Final = (RUSSIAN, GREEK, JAPANESE, CHINESE, ARABIC)


class Firm(NamedTuple):
    """A company's language by its place in LANGUAGES, the parts of its name, its trade in English."""

    language: int
    sounds: tuple[Sound, ...]
    trade: str


def elsewhere(seed: int, number: int) -> Task:
    """So many companies, a third of them no account, with two leads each."""
    chance = random.Random(seed)
    firms = list(dict.fromkeys(_firm(chance) for _ in range(number)))
    keys = {firm: f"a{n}" for n, firm in enumerate(firms) if chance.random() > 1 / 3}
    leads = [
        (firm, chance.choice((_native, _native, _other_way, _other_way, _hurried))) for firm in firms * 2
    ]
    return Task(
        "names from other scripts",
        pd.DataFrame(
            [(f"l{n}", write(firm, chance)) for n, (firm, write) in enumerate(leads)],
            columns=["lead_id", "company"],
        ),
        pd.DataFrame([(key, _account(firm)) for firm, key in keys.items()], columns=["account_id", "name"]),
        {f"l{n}": keys[firm] for n, (firm, _) in enumerate(leads) if firm in keys},
    )


def _firm(chance: Chance) -> Firm:
    language = chance.randrange(len(LANGUAGES))
    sounds, (least, most), trades, _ = LANGUAGES[language]
    return Firm(
        language, tuple(chance.choices(sounds, k=chance.randint(least, most))), chance.choice(list(trades))
    )


def _account(firm: Firm) -> str:
    name = "".join(sound.one for sound in firm.sounds).capitalize()
    article = "Al " if LANGUAGES[firm.language] is ARABIC else ""
    return f"{article}{name} {firm.trade} {LANGUAGES[firm.language].forms[0]}"


def _native(firm: Firm, chance: Chance) -> str:
    """In its own script; Arabic, of which the vowels are not written, the other way."""
    language = LANGUAGES[firm.language]
    if language is ARABIC:
        return _other_way(firm, chance)
    name, trade = "".join(sound.own for sound in firm.sounds), language.trades[firm.trade]
    gap = "" if language in (JAPANESE, CHINESE) else " "
    form = language.forms[2]
    return (
        f"{form}{gap}{name}{gap}{trade}"
        if language in (RUSSIAN, JAPANESE)
        else f"{name}{gap}{trade}{gap}{form}"
    )


def _other_way(firm: Firm, chance: Chance) -> str:
    """In other Latin letters; Chinese with its parts apart."""
    language = LANGUAGES[firm.language]
    gap = " " if language is CHINESE else ""
    name = gap.join(sound.other for sound in firm.sounds)
    article = "El-" if language is ARABIC else ""
    return f"{article}{name.title()} {firm.trade} {chance.choice((language.forms[1], ''))}".strip()


def _hurried(firm: Firm, chance: Chance) -> str:
    """As the account is written, without the form, and mostly with a letter less."""
    name = _account(firm).removesuffix(LANGUAGES[firm.language].forms[0]).strip()
    at = chance.randrange(1, len(name))
    return chance.choice((name, name[:at] + name[at + 1 :], name[:at] + name[at + 1 :]))
