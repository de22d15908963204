"""What two names, places and domains say on whether a lead's company is an account: a sum of evidence in nats.

Each piece says how much likelier it is of one company than of two (Fellegi and Sunter). Words that agree count by
their rarity; words that only one side has cost by their kind; places, forms and domains add theirs.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from math import exp, inf, log1p
from operator import itemgetter
from typing import Final, NamedTuple

from rapidfuzz.distance import OSA

from clearlane.identity.matching import phones
from clearlane.identity.matching.lexicon import GIVEN_NAMES, Kind
from clearlane.identity.matching.names import FORM_WORDS, Name, Reading, Word, as_word, may_be_form, sound
from clearlane.identity.matching.rarity import Rarity

Weigh = Rarity


@dataclass(frozen=True)
class Company:
    """What is known of a company: country as ISO code, its own registered domain, its number in E.164."""

    name: Name
    country: str = ""
    city: str = ""
    address: frozenset[str] = frozenset()
    domain: str = ""
    phone: str = ""


class Evidence(NamedTuple):
    """One piece: what it weighs in nats, and the words of both sides."""

    weight: float
    what: str
    lead: str = ""
    account: str = ""


class Likeness(NamedTuple):
    """The sum of the evidence, its pieces, and the part of it that sisters may share.

    `names`, and what sister companies share beside, cannot bear out more than `ceiling` beyond chance, however rare
    the words are.
    """

    total: float
    evidence: tuple[Evidence, ...]
    names: float = 0.0
    ceiling: float = inf

    def has(self, what: str) -> bool:
        """Is there such a piece?"""
        return any(piece.what == what for piece in self.evidence)

    def beyond(self, chance: float) -> float:
        """Nats for one company, where so many speak for two before anything is looked at."""
        names = self.names - chance
        low, high = sorted((names, self.ceiling))
        return self.total - self.names + low - log1p(exp(low - high))


MISSING: Final = {
    Kind.FILLER: 1.0,
    Kind.TRADE: 1.2,
    Kind.COMPOUND: 2.0,
    Kind.PLACE: 2.6,
    Kind.COMMON: 3.0,
    Kind.GIVEN: 2.5,
    Kind.NUMBER: 3.0,
    Kind.INITIAL: 0.8,
    Kind.NAME: 6.0,
}
"""what a word costs that only one side has"""
MISSING_SHORT: Final = 2.5
"""the same for a name of two letters: a state, a country, a legal form that we do not know"""
FURTHER: Final = 0.6
"""of the cost, for each further word that is missing"""
WHOLE: Final = 3.5
NEARLY_WHOLE: Final = 2.4
"""no word of weight is missing on either side; letters are not as they should be"""
OTHERWISE: Final = {
    "known by another name": 2.0,
    "also known as": 1.5,
    "without what follows the legal form": 0.7,
    "without a misspelled legal form": 1.0,
    "written apart": 1.0,
    "turned at the comma": 0.3,
}
TURNED: Final = "turned at the comma"
IN_BRACKETS: Final = 0.3
KNOWN_AS_OTHER: Final = 8.0
"""both are known companies, and not the same"""
ONE_WORD: Final = 0.5
EDIT: Final = 1.6
ANOTHER_EDIT: Final = 3.0
SWAPPED: Final = 1.0
"""less, where two letters changed places: different words seldom differ so"""
PLURAL: Final = 1.0
"""an s that only one has: `Rogers` and `Roger`, `John's` and `John`"""
HEARD: Final = 1.5
"""words that sound alike: `Müller` and `Mueller`"""
TYPO: Final = {3: 4.5, 4: 4.0, 5: 3.5, 6: 3.0, 7: 2.5, 8: 2.0, 9: 1.6}
"""what the first wrong letter costs in a word of so many letters: short words have more neighbours"""
TYPO_OF_LONG: Final = 1.2
INSTEAD: Final = 2.0
"""each side has a word that the other has not: sister companies are called so"""
SISTERS: Final = 4.5
"""what names with other words beside can bear out at most, less what those words cost: sisters share rare words"""
MISTYPED: Final = 0.5
"""what a usual word costs that is mistyped"""
AGAIN: Final = (1.0, 0.5)
"""what agreement on the rarest word counts, and on the next; further words count AND_SO_ON"""
AND_SO_ON: Final = 0.3
OTHER_START: Final = 2.0
LEAST_NEAR: Final = -1.0
"""words that say less than this by being alike are two words"""
OTHER_ORDER: Final = 3.5
JOINED: Final = 4
"""letters that a name has at least, to be told by its letters without spaces and small words"""
SHORTENED: Final = 1.0
CUT: Final = 4.0
LETTER_KEPT: Final = 1.4
LETTER: Final = 2.4
ACRONYM: Final = 3.5
IDENTICAL: Final = 3.0
SAME_FORM, OTHER_FORM = 0.4, 0.6
IN_FULL: Final = 1.5
"""what a word more costs beside where both names are in full: who writes the legal form too leaves no word out"""
INSIDE: Final = 1.5
"""the same for a trade before words that agree: who shortens a name leaves out its end"""
FORM_TYPED: Final = 1.0
"""what the last words cost where they are the other name's legal form but for a letter"""
ABROAD: Final = 1.9
"""the same words under another legal form in another country can bear out no more: a company of its own there"""
SAME_COUNTRY, OTHER_COUNTRY = 1.0, 1.5
SAME_CITY, OTHER_CITY = 2.5, 0.7
SAME_ADDRESS: Final = 4.0
SAME_LABEL: Final = 5.0
OTHER_DOMAIN: Final = 2.5
SAME_DOMAIN: Final = 16.5
OTHER_NAME_AT_DOMAIN: Final = -4.0
"""a domain of one's own outweighs a name that is otherwise, down to here"""


class Named(NamedTuple):
    """What two names say: nats of their words and of their legal forms, the most that sisters bear out, the pieces."""

    words: float
    forms: float
    ceiling: float
    evidence: tuple[Evidence, ...]


def likeness(lead: Company, account: Company, weigh: Weigh) -> Likeness:
    """The evidence for the lead's company being the account, by the readings that agree best."""
    return together(of_names(lead.name, account.name, weigh), beside(lead, account))


def of_names(lead: Name, account: Name, weigh: Weigh) -> Named:
    """The evidence of the names alone."""
    words, forms = _of_words(lead, account, weigh), tuple(_of_forms(lead, account))
    return Named(_sum(words), _sum(forms), _ceiling(words), (*words, *forms))


def beside(lead: Company, account: Company) -> tuple[Evidence, ...]:
    """The evidence beside the names: of domain, country, city, address and phone."""
    return (*_of_domains(lead.domain, account.domain), *_of_places(lead, account))


def together(names: Named, rest: Sequence[Evidence]) -> Likeness:
    """The evidence of the names and that beside them. `identity.likely` says the same in SQL."""
    words, ceiling = names.words, min(names.ceiling, _ceiling_abroad(names, rest))
    if rest and rest[0].what == "same domain":
        words, ceiling = max(words, OTHER_NAME_AT_DOMAIN), inf
    shared = max(names.forms, 0.0) + _sum([piece for piece in rest if piece.what == "same country"])
    total = words + names.forms + _sum(rest)
    return Likeness(total, (*names.evidence, *rest), words + shared, ceiling)


def _ceiling(pieces: Sequence[Evidence]) -> float:
    costs = [piece.weight for piece in pieces if piece.what in _BESIDE]
    return SISTERS + sum(costs) if costs else inf


def _ceiling_abroad(names: Named, rest: Sequence[Evidence]) -> float:
    abroad = names.forms < 0 and any(piece.what == "other country" for piece in rest)
    return ABROAD if abroad else inf


MEANT_SO: Final = "in another order, each a name of its own"
_BESIDE: Final = (
    "only the lead",
    "only the account",
    "instead",
    "named in full without it",
    "misspelled legal form",
    "inside the name",
    MEANT_SO,
)


# --- names ------------------------------------------------------------------------------------------


def _of_words(lead: Name, account: Name, weigh: Weigh) -> tuple[Evidence, ...]:
    if lead.plain != account.plain and lead.plain.replace(" ", "") == account.plain.replace(" ", ""):
        return tuple(_but_for_spaces(lead.plain, account.readings[0], weigh))
    if lead.readings and account.readings and lead.readings[0].written == account.readings[0].written:
        return _of_readings(lead.readings[0], account.readings[0], weigh)
    forms = (lead.form, account.form)
    pairs = [_of_readings(a, b, weigh, forms) for a in lead.readings for b in account.readings]
    best = pairs[0] if len(pairs) == 1 else max(pairs, key=_sum, default=())
    if lead.known and account.known and not lead.known & account.known:
        return (*best, Evidence(-KNOWN_AS_OTHER, "another known company", lead.plain, account.plain))
    return best


def _sum(pieces: Sequence[Evidence]) -> float:
    return sum(map(_WEIGHT, pieces))


def _discounted(pieces: Sequence[Evidence]) -> Iterator[Evidence]:
    """Words come together (Coca Cola), so those that agree beside the rarest count in part."""
    agreeing = [piece for piece in pieces if piece.weight > 0]
    if len(agreeing) > 1:
        agreeing.sort(key=_WEIGHT, reverse=True)
    for place, piece in enumerate(agreeing):
        yield Evidence(piece.weight * (AGAIN[place] if place < len(AGAIN) else AND_SO_ON), *piece[1:])
    if len(agreeing) < len(pieces):
        yield from [piece for piece in pieces if piece.weight <= 0]


_WEIGHT: Final[Callable[[Evidence], float]] = itemgetter(0)


def _of_readings(
    lead: Reading, account: Reading, weigh: Weigh, forms: tuple[str, str] = ("", "")
) -> tuple[Evidence, ...]:
    said = tuple(_read_otherwise(lead, account)) if lead.said or account.said else ()
    if lead.words == account.words:
        same = [Evidence(weigh(word), "same", word.spelled, word.spelled) for word in account.words]
        return (*_discounted(same), Evidence(WHOLE, "whole"), *said)
    if lead.written == account.written or (lead.joined == account.joined and len(lead.joined) > JOINED):
        return (*_but_for_spaces(lead.written, account, weigh), *said)
    return (*_by_word(lead, account, weigh, forms), *said)


def _but_for_spaces(written: str, account: Reading, weigh: Weigh) -> Iterator[Evidence]:
    apart = [Evidence(weigh(word), "one word", written, _text(account.words)) for word in account.words]
    value = _sum(list(_discounted(apart))) - ONE_WORD
    yield Evidence(value, "one word", written, _text(account.words))
    yield Evidence(WHOLE, "whole")


def _read_otherwise(lead: Reading, account: Reading) -> Iterator[Evidence]:
    for reading in (lead, account):
        if reading.said:
            yield Evidence(
                -OTHERWISE.get(reading.said, IN_BRACKETS), reading.said, lead.joined, account.joined
            )


def _by_word(lead: Reading, account: Reading, weigh: Weigh, forms: tuple[str, str]) -> tuple[Evidence, ...]:
    pieces: list[Evidence] = []
    left, right = _without_same(lead.words, account.words, weigh, pieces)
    for agree in (_joined, _acronym, _near, _one_word, _cut):
        if left and right:
            agree(left, right, weigh, pieces)
    if not left and not right and _in_another_order(lead, account, pieces):
        pieces.append(Evidence(-OTHER_ORDER, _order(lead, account), _text(lead.words), _text(account.words)))
    pieces += _misspelled_form(lead, left, forms[1])
    pieces += [_turned_round(piece) for piece in _misspelled_form(account, right, forms[0])]
    beside = _sisters(lead, account, left, right, forms) if left or right else ()
    return (*_discounted(pieces), *_whole(pieces, [*left, *right]), *_missing(left, right), *beside)


def _in_another_order(lead: Reading, account: Reading, pieces: Sequence[Evidence]) -> bool:
    """Are the words the same, or nearly, but not their order?"""
    meant = {piece.lead: piece.account for piece in pieces if piece.what in _WORD_FOR_WORD}
    mine, theirs = [meant.get(word.spelled) for word in lead.words], [word.spelled for word in account.words]
    return None not in mine and mine != theirs


def _order(lead: Reading, account: Reading) -> str:
    """Whether the order matters: University of Miami and Miami University, Clarke & Wilson and Wilson & Clarke."""
    says = [reading.written.removeprefix("the") != reading.joined for reading in (lead, account)]
    partners = [reading.written.endswith(f"and{reading.words[-1].spelled}") for reading in (lead, account)]
    return MEANT_SO if says[0] != says[1] or all(partners) else "in another order"


def _whole(pieces: Sequence[Evidence], rest: Sequence[Word]) -> Iterator[Evidence]:
    if not [word for word in rest if word.kind is not Kind.FILLER]:
        exact = not rest and all(piece.what in _EXACT for piece in pieces)
        yield Evidence(WHOLE if exact else NEARLY_WHOLE, "whole")


_EXACT: Final = ("same", "one word", "in another order", MEANT_SO)
_WORD_FOR_WORD: Final = ("same", "nearly")


def _without_same(
    lead: Sequence[Word], account: Sequence[Word], weigh: Weigh, pieces: list[Evidence]
) -> tuple[list[Word], list[Word]]:
    left, right = [], list(account)
    texts = [word.text for word in account]
    for word in lead:
        if word.text in texts:
            at = texts.index(word.text)
            del texts[at]
            other = right.pop(at)
            pieces.append(Evidence(weigh(other), "same", word.spelled, other.spelled))
        else:
            left.append(word)
    return left, right


def _missing(left: Sequence[Word], right: Sequence[Word]) -> Iterator[Evidence]:
    costs = [_costs(words) for words in (left, right)]
    for word, one in zip(left, costs[0], strict=True):
        yield Evidence(-one, "only the lead", word.spelled)
    for word, one in zip(right, costs[1], strict=True):
        yield Evidence(-one, "only the account", "", word.spelled)
    if left and right:
        yield Evidence(-INSTEAD - min(map(sum, costs)), "instead", _text(left), _text(right))


def _sisters(
    lead: Reading, account: Reading, left: Sequence[Word], right: Sequence[Word], forms: tuple[str, str]
) -> Iterator[Evidence]:
    """What speaks for a word more being another company's, not a word that somebody left out."""
    if (forms[0] and _left_out(account, right)) or (forms[1] and _left_out(lead, left)):
        yield Evidence(-IN_FULL, "named in full without it")
    if _inside(lead.words, left) or _inside(account.words, right):
        yield Evidence(-INSIDE, "inside the name")


def _left_out(reading: Reading, missing: Sequence[Word]) -> bool:
    """Has the name a word more that others have, too, or one that says little at its end?"""
    return any(
        word.kind in _OTHERS_HAVE or (word.kind is Kind.FILLER and word == reading.words[-1])
        for word in missing
    )


_OTHERS_HAVE: Final = (Kind.TRADE, Kind.PLACE, Kind.COMMON)


def _misspelled_form(reading: Reading, missing: list[Word], form: str) -> Iterator[Evidence]:
    """What is typed for the other name's legal form, with a letter wrong: `Acme SS.A.` and `Acme S.A.`"""
    for many in range(1, min(len(missing), FORM_WORDS) + 1) if form else ():
        if tuple(missing[-many:]) == reading.words[-many:] and may_be_form(missing[-many:], form):
            piece = Evidence(-FORM_TYPED, "misspelled legal form", _text(missing[-many:]), form)
            del missing[-many:]
            yield piece
            return


def _turned_round(piece: Evidence) -> Evidence:
    return Evidence(piece.weight, piece.what, piece.account, piece.lead)


def _inside(words: Sequence[Word], missing: Sequence[Word]) -> bool:
    """Is a trade missing between words that are not?"""
    trades = [i for i, word in enumerate(words) if word.kind is Kind.TRADE and word in missing]
    return any(i and any(word not in missing for word in words[i:]) for i in trades)


def _costs(words: Sequence[Word]) -> list[float]:
    """The dearest word counts whole, the others in part."""
    costs = list(map(cost, words))
    if len(costs) < 2:
        return costs
    dearest = costs.index(max(costs))
    return [one if at == dearest else one * FURTHER for at, one in enumerate(costs)]


def cost(word: Word) -> float:
    """What the word costs, in nats, where only one side has it."""
    return MISSING_SHORT if word.kind is Kind.NAME and len(word.spelled) < 3 else MISSING[word.kind]


def _text(words: Sequence[Word]) -> str:
    return " ".join([word.spelled for word in words])


def _joined(left: list[Word], right: list[Word], weigh: Weigh, pieces: list[Evidence]) -> None:
    """Two or three words of one side are one word of the other: `super micro` and `supermicro`."""
    for several, single, flipped in ((left, right, False), (right, left, True)):
        if len(several) < 2:
            continue
        for run, at in _runs_that_are(several, single):
            one, many = single[at], several[run]
            pair = (_text(many), one.spelled)
            value = max(weigh(one), sum(map(weigh, many))) - ONE_WORD
            pieces.append(Evidence(value, "one word", *(pair[::-1] if flipped else pair)))
            del several[run], single[at]
            break


def _runs_that_are(several: Sequence[Word], single: Sequence[Word]) -> Iterator[tuple[slice, int]]:
    places = {word.spelled: i for i, word in enumerate(single)}
    for length in (2, 3):
        for start in range(len(several) - length + 1):
            at = places.get("".join([word.spelled for word in several[start : start + length]]))
            if at is not None:
                yield slice(start, start + length), at


def _one_word(left: list[Word], right: list[Word], weigh: Weigh, pieces: list[Evidence]) -> None:
    """What is left on both sides is the same but for spaces and a letter: `dsm ip aset` and `dsmip asset`."""
    if len(left) == len(right):
        return  # words that are near were taken as such
    one, other = ("".join([word.spelled for word in words]) for words in (left, right))
    edits = letters_apart(one, other)
    if edits is not None and edits <= 1 and not (edits and _other_words(left, right)):
        rarest = sorted(map(weigh, right))[-2:]
        value = rarest[-1] + rarest[0] * (len(rarest) - 1) / 2 - ONE_WORD - EDIT * edits
        pieces.append(Evidence(value, "nearly one word" if edits else "one word", _text(left), _text(right)))
        left.clear()
        right.clear()


def _other_words(left: Sequence[Word], right: Sequence[Word]) -> bool:
    """Cut at the same letters, does one side have another word of the language: marysschool and Mark's School?"""
    words, others = sorted((left, right), key=len, reverse=True)
    letters = "".join([word.spelled for word in others])
    ends = list(accumulate(len(word.spelled) for word in words))
    pieces = [letters[start:end] for start, end in pairwise((0, *ends))]
    return any(
        piece != word.spelled and _known(word) and _known(as_word(piece))
        for word, piece in zip(words, pieces, strict=True)
    )


def _acronym(left: list[Word], right: list[Word], weigh: Weigh, pieces: list[Evidence]) -> None:
    for short, long, flipped in ((left, right, False), (right, left, True)):
        if len(long) < 2:
            continue
        initials = "".join([word.spelled[0] for word in long])
        for word in [word for word in short if word.kind is Kind.NAME and 2 <= len(word.text) <= 6]:
            at = initials.find(word.text)
            if at >= 0 and len(long) >= len(word.text):
                meant = long[at : at + len(word.text)]
                pair = (word.spelled, _text(meant))
                value = LETTER * len(word.text) - ACRONYM
                pieces.append(Evidence(value, "initials", *(pair[::-1] if flipped else pair)))
                short.remove(word)
                del long[at : at + len(meant)]
                return


def _near(left: list[Word], right: list[Word], weigh: Weigh, pieces: list[Evidence]) -> None:
    """Words that differ by a letter or two, the nearest first."""
    found = [
        (edits, i, j)
        for i, word in enumerate(left)
        for j, other in enumerate(right)
        if not _two_words(word, other) and (edits := letters_apart(word.spelled, other.spelled)) is not None
    ]
    if not found:
        return
    taken_left: set[int] = set()
    taken_right: set[int] = set()
    for edits, i, j in sorted(found):
        piece = _misspelled(left[i], right[j], edits, weigh)
        if i not in taken_left and j not in taken_right and piece.weight > LEAST_NEAR:
            taken_left.add(i)
            taken_right.add(j)
            pieces.append(piece)
    left[:] = [word for i, word in enumerate(left) if i not in taken_left]
    right[:] = [word for j, word in enumerate(right) if j not in taken_right]


def worth(lead: Word, account: Word, weigh: Weigh) -> float:
    """Nats of two words that are nearly one; none, -inf, where they are two."""
    edits = None if _two_words(lead, account) else letters_apart(lead.spelled, account.spelled)
    weight = -inf if edits is None else _misspelled(lead, account, edits, weigh).weight
    return weight if weight > LEAST_NEAR else -inf


def _two_words(one: Word, other: Word) -> bool:
    """Are both words of the language, and not the same one?"""
    return (
        _known(one) and _known(other) and sound(one.spelled).rstrip("s") != sound(other.spelled).rstrip("s")
    )


def _known(word: Word) -> bool:
    return word.kind in _KNOWN or (word.spelled.endswith("s") and word.spelled[:-1] in GIVEN_NAMES)


def _misspelled(lead: Word, account: Word, edits: int, weigh: Weigh) -> Evidence:
    usual, odd = sorted((weigh.elsewhere(lead), weigh(account)))
    typo = _of_typo(lead.spelled, account.spelled, edits)
    if lead.kind in _GENERIC or account.kind in _GENERIC:
        # Who writes `tehcnology` means that word: what is written so by chance is rarer still.
        return Evidence(min(usual, odd - typo) - MISTYPED, "nearly", lead.spelled, account.spelled)
    return Evidence(usual - typo, "nearly", lead.spelled, account.spelled)


def _of_typo(one: str, other: str, edits: int) -> float:
    """What the letters cost by which two words differ."""
    if one in (f"{other}s", f"{other}es") or other in (f"{one}s", f"{one}es"):
        return PLURAL
    if not edits:
        return HEARD
    first = TYPO.get(min(len(one), len(other)), TYPO_OF_LONG) + EDIT
    start = OTHER_START if one[0] != other[0] else 0.0
    swapped = SWAPPED if sorted(one) == sorted(other) else 0.0
    return first + ANOTHER_EDIT * (edits - 1) + start - swapped


SHORT: Final = 7
_LONGER: Final = (3, SHORT, 12)
"""letters of a word, from which on it may have a wrong one more"""
MOST_APART: Final = len(_LONGER)
"""letters; of a word of fewer than SHORT one"""


@lru_cache(maxsize=2**17)
def letters_apart(one: str, other: str) -> int | None:
    """Letters by which two words differ, where they are few for their length; numbers differ or do not.

    Letters that sound alike do not differ.
    """
    if one[-1:].isdigit() and other[-1:].isdigit() and _digits(one) != _digits(other):
        return None
    as_written, heard = _letters(one, other), (sound(one), sound(other))
    if heard == (one, other) or _VOWELS.isdisjoint(heard[0]) or _VOWELS.isdisjoint(heard[1]):
        return as_written  # WBKC is said letter by letter
    return _fewer(as_written, _letters(*heard))


_VOWELS: Final = frozenset("aeiouy")


def _fewer(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def _letters(one: str, other: str) -> int | None:
    shortest = min(len(one), len(other))
    most = 0 if len(one) == len(other) == 3 else bisect(_LONGER, shortest)
    if abs(len(one) - len(other)) > most or one[-1:].isdigit() != other[-1:].isdigit():
        return None
    edits = OSA.distance(one, other, score_cutoff=most)
    if edits > most or (edits and _digits(one) != _digits(other)):
        return None
    return edits


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _cut(left: list[Word], right: list[Word], weigh: Weigh, pieces: list[Evidence]) -> None:
    """A word cut short, or its first letter: `internat` and `international`, `J` and `John`."""
    for one, other, flipped in ((left, right, False), (right, left, True)):
        for word in list(one):
            whole = next((w for w in other if w.spelled.startswith(word.spelled) and _is_cut(word, w)), None)
            if whole:
                pair = (word.spelled, whole.spelled)
                pieces.append(
                    Evidence(_of_cut(word, whole, weigh), "short for", *(pair[::-1] if flipped else pair))
                )
                one.remove(word)
                other.remove(whole)


def _is_cut(word: Word, whole: Word) -> bool:
    """Whether a word with which another begins may be short for it."""
    if word.kind is Kind.INITIAL:
        return whole.kind in (Kind.GIVEN, Kind.NAME)
    generic = whole.kind in _GENERIC
    if not generic and (word.kind is not Kind.NAME or _known(as_word(whole.spelled[len(word.spelled) :]))):
        return False
    least, more = (3, 2) if generic else (4, 3)
    return len(word.spelled) >= least and len(whole.spelled) >= len(word.spelled) + more


def _of_cut(word: Word, whole: Word, weigh: Weigh) -> float:
    if word.kind is Kind.INITIAL:
        return SHORTENED
    if whole.kind in _GENERIC:
        return max(weigh(whole) - SHORTENED, 0.0)
    return min(weigh(whole), len(word.spelled) * LETTER_KEPT) - CUT


_GENERIC: Final = (Kind.TRADE, Kind.FILLER, Kind.PLACE)
_KNOWN: Final = (*_GENERIC, Kind.COMMON, Kind.GIVEN)
"""words of the language: one of them is no misspelling of another"""


# --- beside the name --------------------------------------------------------------------------------


def _of_domains(lead: str, account: str) -> Iterator[Evidence]:
    if lead and account:
        if lead == account:
            yield Evidence(SAME_DOMAIN, "same domain", lead, account)
        elif label(lead) == label(account) and len(label(lead)) > 2:
            yield Evidence(SAME_LABEL, "same domain in another country", lead, account)
        else:
            yield Evidence(-OTHER_DOMAIN, "other domain", lead, account)


def label(domain: str) -> str:
    """The part of a registered domain that its owner chose: acme of acme.co.uk."""
    return domain.partition(".")[0]


def _of_forms(lead: Name, account: Name) -> Iterator[Evidence]:
    if lead.plain == account.plain:
        yield Evidence(IDENTICAL, "letter by letter", lead.plain, account.plain)
    elif lead.forms and account.forms:
        same = bool(lead.forms & account.forms)
        words = (" ".join(sorted(lead.forms)), " ".join(sorted(account.forms)))
        yield Evidence(
            SAME_FORM if same else -OTHER_FORM, "same legal form" if same else "other legal form", *words
        )


def _of_places(lead: Company, account: Company) -> Iterator[Evidence]:
    if (lead.country and account.country) or (lead.city and account.city):
        yield from _of_country_and_city(lead, account)
    if lead.address and account.address and _same_address(lead.address, account.address):
        yield Evidence(SAME_ADDRESS, "same address")
    weight, said = phones.agreement(lead.phone, account.phone)
    if weight:
        yield Evidence(weight, said, lead.phone, account.phone)


def _of_country_and_city(lead: Company, account: Company) -> Iterator[Evidence]:
    for what, mine, theirs, same, other in (
        ("country", lead.country, account.country, SAME_COUNTRY, OTHER_COUNTRY),
        ("city", lead.city, account.city, SAME_CITY, OTHER_CITY),
    ):
        if mine and theirs:
            agree = mine == theirs
            yield Evidence(same if agree else -other, f"{'same' if agree else 'other'} {what}", mine, theirs)


def _same_address(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(_numbered(one) & _numbered(other)) and len(one & other) > 1


def _numbered(address: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in address if any(map(str.isdigit, word)))
