"""A company's name taken apart: its words and what kind each is, its legal form, its other names.

Scripts are written in Latin letters, initials and known abbreviations are put together, forms and an address
behind the name are taken off. What a name becomes depends on it alone.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence, Set
from functools import lru_cache, reduce
from operator import or_
from typing import Final, NamedTuple
from unicodedata import normalize

from anyascii import anyascii
from rapidfuzz.distance import OSA

from clearlane.identity.matching import lexicon
from clearlane.identity.matching.lexicon import Kind


class Word(NamedTuple):
    """A word as it is read (`tech` as technology), what it is worth, and how it was spelled."""

    text: str
    kind: Kind
    spelled: str


class Reading(NamedTuple):
    """One way to read a name. `said` is why it is read so, if not as written.

    `joined` is its words without spaces, `written` the same with those that weigh nothing (the, of).
    """

    words: tuple[Word, ...]
    joined: str
    written: str
    initials: str
    said: str = ""


class Name(NamedTuple):
    """`plain` is the name as spelled, forms and all; `forms` the families of its legal forms; readings, best first.

    `known` are the companies of lexicon.OTHER_NAMES that are called so.
    """

    plain: str
    forms: frozenset[str]
    readings: tuple[Reading, ...]
    known: frozenset[str]

    @property
    def form(self) -> str:
        """The legal form at its end, or one that it names elsewhere; nothing where it is not named in full."""
        last = self.plain.rpartition(" ")[2]
        return last if last in _ENDING else min(self.forms, default="")


MOST_WORDS: Final = 24
MOST_READINGS: Final = 6
"""of a name that are looked at"""
_BRACKETS: Final = re.compile(r"[(\[{（]([^()\[\]{}（）]*)(?:[)\]}）]|$)")
_SITE: Final = re.compile(
    r"(?:https?://)?(?:www\.)?([\w-]{3,})\.(?:(?:com?|org|net|ac|gov|edu|or|ne)\.)?"
    rf"(?:{'|'.join(lexicon.DOMAIN_ENDINGS)}|[a-z]{{2}})/?",
    re.IGNORECASE,
)
"""an address on the web that stands where the name should"""
_DESK: Final = re.compile(
    rf"(?:(?:\s[-–—|/:]\s*|\s*[,;(|]\s*)(?:{'|'.join(lexicon.DESKS)})"
    r"(?:\s+(?:dept|department|team|office|division|abteilung))?[.)]*)+\W*$",
    re.IGNORECASE,
)
"""a department or office behind the name"""
_CARE_OF: Final = re.compile(r"(?<=\w)\W+(?:c/o|p/a)\W.*$", re.IGNORECASE)
_OTHERWISE: Final = re.compile(
    r"\b(?:d\W?b\W?a|t/a|trading as|doing business as|formerly(?: known as)?|f\W?k\W?a|a\W?k\W?a|also known as|"
    r"previously|ex-)(?=\W)[\W_]*"
)
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_LONG_HUMP: Final = re.compile(r"(?<=[a-z]{3})(?=[A-Z][a-z]{3})")
"""DeutscheBank, SGLCarbon; in names of several words only where both parts are long: Acme BankLimited"""
_APOSTROPHE: Final = re.compile("['’`´]")
_TOGETHER: Final = re.compile(r"\b(\w{1,2})&(\w{1,2})\b")
_GAP: Final = re.compile(r"[^a-z0-9]+")
_SCRIPTS: Final = re.compile("|".join(map(re.escape, sorted(lexicon.SCRIPTS, key=len, reverse=True))))
_NUMBER: Final = re.compile(r"\d+|[ivx]{2,}")
_FORM_PHRASES: Final = re.compile(
    rf"\b(?:{'|'.join(sorted(lexicon.FORM_PHRASES, key=len, reverse=True))})(?!\S)"
)
_PHRASE_STARTS: Final = frozenset(phrase.split()[0] for phrase in lexicon.FORM_PHRASES)
_RUN_ENDS: Final = (
    "sarl", "bvba", "spa", "srl", "sas", "plc", "llc", "inc", "ltd", "aps", "asa",
    "nv", "bv", "sa", "ag", "ab", "as", "kk", "sl", "cv", "kg", "se", "oy",
)  # fmt: skip
"""legal forms that are written letter by letter, the longer before the shorter"""
_ALIKE: Final = (
    ("kh", "h"), ("dj", "j"), ("tsch", "ch"), ("shch", "sh"), ("ou", "u"),
    ("ph", "f"), ("ck", "k"), ("sch", "sh"), ("tz", "z"), ("ae", "a"), ("oe", "o"), ("ue", "u"), ("ij", "i"),
    ("y", "i"), ("w", "v"), ("c", "k"), ("x", "ks"), ("q", "k"),
)  # fmt: skip
_TWICE: Final = re.compile(r"(.)\1")
_DOTTED: Final = re.compile(r"\b(?:[A-Za-z0158]\.){2,}")
_ORDINALS: Final = {"1st": "first", "2nd": "second", "3rd": "third", "4th": "fourth", "5th": "fifth"}


@lru_cache(maxsize=10_000)
def spelled(text: str) -> str:
    """Latin letters and digits in lower case, words apart by one space, single letters in a row together.

    Doing so twice changes nothing: `Société A. B. C.` is `societe abc`.
    """
    latin = (text if text.isascii() else _in_latin(text)).lower()
    if not latin.replace(" ", "").isalnum():
        joined = _TOGETHER.sub(r"\1\2", _APOSTROPHE.sub("", latin))
        latin = _GAP.sub(" ", joined.replace("&", " and ").replace("+", " and "))
    return _initials_together(latin.split())


def _in_latin(text: str) -> str:
    return anyascii(_SCRIPTS.sub(lambda found: lexicon.SCRIPTS[found.group()], normalize("NFKC", text)))


def _initials_together(words: Sequence[str]) -> str:
    """d s m n v -> dsm nv: single letters are one word, up to those that are a legal form."""
    return " ".join(words if min(map(len, words), default=2) > 1 else _runs_together(words))


def _runs_together(words: Sequence[str]) -> Iterator[str]:
    run = ""
    for word in (*words, ""):
        if len(word) == 1 and word.isalpha():
            run += word
            continue
        if run:
            yield from _form_apart(run)
        run = ""
        if word:
            yield word


def _form_apart(run: str) -> Iterator[str]:
    form = next((end for end in _RUN_ENDS if len(run) > len(end) + 1 and run.endswith(end)), "")
    yield from filter(None, (run.removesuffix(form), form))


@lru_cache(maxsize=200_000)
def parsed(text: str) -> Name:
    """The name of a company taken apart; without readings where nothing is left (`-`, `N/A`)."""
    words = text.split()
    return _of_usual_words(words) if _are_usual(words) else _of_any_text(text)


def _are_usual(words: Sequence[str]) -> bool:
    """Nothing to take off, to put together or to read otherwise? So are most names that were normalised before."""
    return 0 < len(words) <= MOST_WORDS and all(map(_is_usual, words)) and _form_meant(words[-1]) == words[-1]


@lru_cache(maxsize=200_000)
def _is_usual(word: str) -> bool:
    return len(word) > 1 and word.isalnum() and word.isascii() and word.islower() and word not in _UNUSUAL


def _of_usual_words(words: Sequence[str]) -> Name:
    """As `_of_any_text` of the same words, several times as fast."""
    reading = _reading(tuple(map(as_word, words)))
    otherwise = (*_written_apart(reading), *_form_misspelled(reading))
    return _with_other_names(" ".join(words), frozenset(), (reading, *otherwise))


def only_reading(words: Sequence[str]) -> Sequence[Word]:
    """The words of the one reading of a name of different words that all count; none where `parsed` has to tell."""
    if len(words) < 2 or not _are_usual(words) or _is_misspelled_form(words[-1]):
        return ()
    read = [as_word(word) for word in words]
    texts = {word.text for word in read}
    known = len(texts) < len(read) or not texts.isdisjoint(lexicon.UNHEARD) or _key(read) in _known_names()
    return () if known else read


def _of_any_text(text: str) -> Name:
    given = _named(html.unescape(text))
    inner = _BRACKETS.findall(given)
    outer = _BRACKETS.sub(" ", given) if inner else given
    taken = [_taken_apart(version) for version in (outer, *_otherwise(outer))]
    readings = [taken[0][0], *(reading._replace(said="also known as") for reading, _ in taken[1:])]
    hump = _LONG_HUMP if any(map(str.isspace, outer)) else _HUMP
    if hump.search(outer):
        readings.append(_taken_apart(hump.sub(" ", outer))[0]._replace(said="written apart"))
    readings += _written_apart(readings[0])
    readings += _form_misspelled(readings[0])
    readings += _turned(outer)
    readings += [_inside(taken[0][0], text) for text in inner]
    plain = spelled(given)
    readings += _before_form(plain if outer == given else spelled(outer))
    forms = frozenset().union(*(found for _, found in taken))
    return _with_other_names(plain, forms, [one for one in readings if one.words])


def _named(text: str) -> str:
    """The text without what is no part of a name: the rest of a web address, who takes its post in, a department."""
    site = _SITE.fullmatch(text.strip())
    if site:
        return site.group(1)
    if not text.isalpha():
        text = _DOTTED.sub(lambda found: found.group().translate(_TAKEN_FOR), text)
    text = _CARE_OF.sub("", text)
    return _DESK.sub("", text) or text


def _written_apart(reading: Reading) -> Iterator[Reading]:
    """The usual words with which a single long word ends, each apart: `acmefoodsgroup` is `acme foods group`."""
    if len(reading.words) == 1 and len(reading.joined) >= SHORTEST_JOINED:
        rest = reading.joined.removeprefix("the")
        apart: list[str] = []
        while found := next((rest[i:] for i in range(2, len(rest) - 3) if rest[i:] in _USUAL_ENDS), ""):
            rest = rest.removesuffix(found)
            apart.insert(0, found)
        if apart or rest != reading.joined:
            yield _reading(tuple(map(as_word, (rest, *apart))), "written apart")


def _form_misspelled(reading: Reading) -> Iterator[Reading]:
    """Without a last word that no one knows and that is a letter from a legal form: `Acme Icn.`"""
    if len(reading.words) > 1 and _is_misspelled_form(reading.words[-1].spelled):
        yield _reading(reading.words[:-1], "without a misspelled legal form")


@lru_cache(maxsize=200_000)
def _is_misspelled_form(word: str) -> bool:
    return as_word(word).kind is Kind.NAME and _nearly_form(word)


def _turned(text: str) -> Iterator[Reading]:
    """What stands behind a comma first, where it is no legal form: `Foods, Acme`."""
    parts = _parts(text)
    if len(parts) == 2 and not _all_form(parts[1]) and not _ends_in_form(parts[0]):
        yield _taken_apart(f"{parts[1]} {parts[0]}")[0]._replace(said="turned at the comma")


def _otherwise(text: str) -> list[str]:
    parts = _OTHERWISE.split(text.lower())
    return parts if len(parts) > 1 else []


def _inside(outer: Reading, text: str) -> Reading:
    """What stands in brackets is another name (Labcorp), a part of this one (Eli), or nothing (The, Class A)."""
    inner, _ = _taken_apart(text)
    kinds = {word.kind for word in inner.words}
    if kinds <= {Kind.FILLER, Kind.INITIAL} or all(word.spelled in _ENDING for word in inner.words):
        return _reading(())
    if inner.joined == outer.initials or (kinds == {Kind.NAME} and len(inner.joined) > 5):
        return inner._replace(said="also known as")
    return _reading((*inner.words, *outer.words), "with what stands in brackets")


def _before_form(plain: str) -> Iterator[Reading]:
    """What stands before a legal form that more words follow: `DSM N.V. te Heerlen`."""
    words, _ = _phrases_as_forms(plain)
    at = next((i for i, word in enumerate(words) if i and word in _INSIDE), len(words))
    if at < len(words) - 1 and words[-1] not in _ENDING:
        yield _reading(tuple(map(as_word, words[:at])), "without what follows the legal form")


def _taken_apart(text: str) -> tuple[Reading, frozenset[str]]:
    kept = _without_address(_parts(text))
    words, phrases = _phrases_as_forms(kept)
    if phrases:
        words = _FORM_PHRASES.sub(" ", kept).split() or words
    bare, forms = _without_forms(words[:MOST_WORDS])
    return _reading(tuple(map(as_word, bare))), forms | phrases


def _phrases_as_forms(spelling: str) -> tuple[list[str], Set[str]]:
    """The words, legal forms of several words as the one they are read as; and those forms."""
    words = spelling.split()
    if _PHRASE_STARTS.isdisjoint(words):
        return words, frozenset()
    forms = frozenset(lexicon.FORM_PHRASES[phrase] for phrase in _FORM_PHRASES.findall(spelling))
    return _FORM_PHRASES.sub(lambda found: lexicon.FORM_PHRASES[found.group()], spelling).split(), forms


def _parts(text: str) -> list[str]:
    """The name between its commas, spelled; an apart `N, V,` is left whole."""
    return [part for part in map(spelled, text.split(",")) if part]


def _without_address(parts: Sequence[str]) -> str:
    """What follows a legal form behind a comma, and has none itself, is where the company is: `Acme BV, Delft, NL`."""
    if len(parts) < 2:
        return "".join(parts)
    named = next((i for i, part in enumerate(parts) if not _all_form(part)), 0)
    last = max((i for i, part in enumerate(parts) if i >= named and _ends_in_form(part)), default=len(parts))
    return _initials_together(" ".join(parts[: last + 1]).split())


def _all_form(part: str) -> bool:
    return all(word in _ENDING for word in part.split())


def _ends_in_form(part: str) -> bool:
    word = part.rpartition(" ")[2]
    return word in lexicon.FORMS


def _without_forms(words: Sequence[str]) -> tuple[Sequence[str], frozenset[str]]:
    words = [*words[:-1], *map(_form_meant, words[-1:])]
    start, end = 0, len(words)
    while end > start and (words[end - 1] in _ENDING or (words[end - 1] == "and" and end < len(words))):
        end -= 1
    while start < end - 1 and words[start] in lexicon.LEADING_FORMS:
        start += 1
    inside = [word for word in words[start:end] if word not in _ANYWHERE]
    if not inside:
        return list(words[:1]), frozenset()
    gone = [*words[:start], *words[end:], *(word for word in words[start:end] if word in _ANYWHERE)]
    return inside, frozenset(lexicon.FORMS[word] for word in gone if word in lexicon.FORMS)


@lru_cache(maxsize=50_000)
def _form_meant(word: str) -> str:
    """A legal form that is misspelled in one letter, where it is long, or has a letter twice (lttd)."""
    once = _TWICE.sub(r"\1", word)
    if word in _ENDING or (len(once) > 2 and once in _ENDING):
        return word if word in _ENDING else once
    return next((form for form in _LONG_FORMS if OSA.distance(word, form, score_cutoff=1) <= 1), word)


_LONG_FORMS: Final = (
    "limited",
    "company",
    "corporation",
    "incorporated",
    "aktiengesellschaft",
    "kommanditgesellschaft",
)


def _nearly_form(word: str) -> bool:
    word = _in_letters(word).replace("rn", "m")
    return 2 <= len(word) <= 8 and any(OSA.distance(word, form, score_cutoff=1) <= 1 for form in _FORMS_TYPED)


def may_be_form(words: Sequence[Word], form: str) -> bool:
    """Are the words, which no one knows, the legal form but for a letter: `qg` and ag, `s pp a` and spa?"""
    if not all(word.kind in _UNKNOWN for word in words):
        return False
    typed = "".join([word.spelled for word in words])
    return len(typed) <= LONGEST_TYPED and OSA.distance(typed, form, score_cutoff=1) <= 1


def ends_like_a_form(words: Sequence[Word]) -> bool:
    """Could the last word be of a misspelled legal form, whatever the form?"""
    return words[-1].kind in _UNKNOWN and len(words[-1].spelled) <= LONGEST_TYPED


FORM_WORDS: Final = 3
"""words that a misspelled legal form may be"""
LONGEST_TYPED: Final = 6
"""letters; longer forms are read by themselves"""
_UNKNOWN: Final = (Kind.NAME, Kind.INITIAL, Kind.NUMBER)
_FORMS_TYPED: Final = (
    "inc",
    "ltd",
    "llc",
    "plc",
    "corp",
    "gmbh",
    "sarl",
    "spa",
    "srl",
    "ltda",
    "limited",
    "company",
)
"""of three letters and more, so that one that is wrong leaves enough"""
_ENDING: Final = frozenset(lexicon.FORMS) | lexicon.FORMS_AT_THE_ENDS
_ANYWHERE: Final = frozenset(lexicon.FORMS) - lexicon.FORMS_AT_THE_ENDS
_UNUSUAL: Final = (
    _ENDING
    | lexicon.LEADING_FORMS
    | _PHRASE_STARTS
    | {"dba", "fka", "aka", "trading", "doing", "formerly", "also", "previously"}
)
"""words that may be more than a word of the name: a legal form, `trading as`"""
_INSIDE: Final = _ANYWHERE | {"nv", "bv", "ag", "kg", "ab", "oy", "spa", "sa", "se"}
SHORTEST_JOINED: Final = 8
_USUAL_ENDS: Final = frozenset(
    word for words in (lexicon.TRADES, lexicon.FILLERS, lexicon.PLACES) for word in words if len(word) > 3
)


@lru_cache(maxsize=200_000)
def as_word(spelling: str) -> Word:
    """What a word of `spelled` is read as."""
    spelling = _ORDINALS.get(spelling, spelling)
    if spelling in _MEANT:
        return Word(*_MEANT[spelling], spelling)
    if _NUMBER.fullmatch(spelling):
        return Word(spelling.lstrip("0") or "0", Kind.NUMBER, spelling)
    if len(spelling) == 1:
        return Word(spelling, Kind.INITIAL, spelling)
    if len(spelling) > 9 and spelling.endswith(lexicon.TRADE_ENDINGS):
        return Word(spelling, Kind.COMPOUND, spelling)
    return Word(spelling, Kind.NAME, spelling)


_MEANT: Final = {
    spelling: (word, kind)
    for words, kind in (
        ({word: word for word in lexicon.GIVEN_NAMES}, Kind.GIVEN),
        ({word: word for word in lexicon.COMMON} | lexicon.SHORT_FOR, Kind.COMMON),
        (lexicon.PLACES, Kind.PLACE),
        (lexicon.TRADES, Kind.TRADE),
        (lexicon.FILLERS, Kind.FILLER),
    )
    for spelling, word in words.items()
}
"""spelling → (word it is read as, its kind); of two kinds the one that tells less"""


def _reading(words: tuple[Word, ...], said: str = "") -> Reading:
    heard = tuple([word for word in words if word.text not in lexicon.UNHEARD]) or words
    joined = "".join([word.spelled for word in heard])
    written = joined if len(heard) == len(words) else "".join([word.spelled for word in words])
    return Reading(heard, joined, written, "".join([word.spelled[0] for word in heard]), said)


@lru_cache(maxsize=200_000)
def sound(word: str) -> str:
    """Letters that are written for one another as one: filips and philips, mueller and muller."""
    word = _TWICE.sub(r"\1", _in_letters(word))
    for letters, one in _ALIKE:
        word = word.replace(letters, one)
    return _TWICE.sub(r"\1", word)


_KEPT: Final = {letter: 1 << bit for bit, letter in enumerate("abdgilmnorsuvz")}
_KEPT_AS: Final = _KEPT | {"y": _KEPT["i"], "w": _KEPT["v"], "x": _KEPT["s"]}


def kept_letters(word: str) -> int:
    """Bits for those letters of a word that are heard in whatever it is a part of; below 0 where digits may be letters.

    The letters of `sound(a + b)` are those of a and those of b.
    """
    if not word.isalpha():
        return -1
    return reduce(or_, (_KEPT_AS[letter] for letter in set(word) if letter in _KEPT_AS), 0)


def _in_letters(word: str) -> str:
    """A digit among letters as the letter that a scanner takes it for: `5olutions`, `schoo1`."""
    if word.isalpha() or sum(map(str.isdigit, word)) != 1 or len(word) < 3:
        return word
    return word.translate(_TAKEN_FOR)


_TAKEN_FOR: Final = str.maketrans("0158", "olsb")


# --- other names ------------------------------------------------------------------------------------


def _with_other_names(plain: str, forms: frozenset[str], readings: Sequence[Reading]) -> Name:
    lines = _known_names()
    known = [lines[key] for key in (_key(reading.words) for reading in readings) if key in lines]
    if len(readings) == 1 and not known:
        return Name(plain, forms, tuple(readings), _NOT_KNOWN)
    others = [other for company in known for other in _names_of(company)]
    distinct: dict[str, Reading] = {}
    for reading in (*readings, *others):
        distinct.setdefault(" ".join(word.spelled for word in reading.words), reading)
    return Name(plain, forms, tuple(distinct.values())[:MOST_READINGS], frozenset(known))


@lru_cache(maxsize=1)
def _known_names() -> dict[str, str]:
    """Words of a known name → the line of lexicon.OTHER_NAMES in which it stands."""
    lines = lexicon.OTHER_NAMES.strip().splitlines()
    return {_key(name.words): line for line in lines for name in _names_of(line)}


@lru_cache(maxsize=1_000)
def _names_of(line: str) -> tuple[Reading, ...]:
    return tuple(
        _reading(tuple(map(as_word, name.split())), "known by another name") for name in line.split(" = ")
    )


def _key(words: Sequence[Word]) -> str:
    """The words, joined, without what every firm may add: Alphabet Holdings is known as Alphabet is."""
    weighty = [word.text for word in words if word.text not in _ADDED]
    return "".join(weighty or [word.text for word in words])


_NOT_KNOWN: Final[frozenset[str]] = frozenset()
_ADDED: Final = frozenset({"group", "holding", "company"})
NAMELESS: Final = parsed("")
