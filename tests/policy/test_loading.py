"""Six texts become one policy, or one list of everything that is wrong with them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane import policy
from clearlane.policy import shapes
from clearlane.policy.model import BestFit, Destination, Limits, Rate, Rerouting, Span
from clearlane.rules import Type

Texts = dict[str, str]


def errors(**texts: str) -> list[str]:
    with pytest.raises(policy.PolicyErrors) as caught:
        policy.parse(texts)
    return [str(error) for error in caught.value.errors]


def only_error(**texts: str) -> str:
    (error,) = errors(**texts)
    return error


# --- what is read -------------------------------------------------------------------------------


def test_an_empty_policy_is_a_policy() -> None:
    loaded = policy.parse({})
    assert loaded.routing.fallback == (Destination("exceptions"),)
    assert [band.name for band in loaded.scoring.bands] == ["cold"]
    assert loaded.sla.tiers[loaded.sla.hand_raise].first_touch is None


def test_score_needs_only_scoring(folder: Path) -> None:
    loaded = policy.load(folder, names=("scoring",))
    assert loaded.scoring.rules
    assert loaded.teams.reps == {}
    assert set(loaded.hashes) == {"scoring"}


def test_a_rule_is_read_whole(head: str) -> None:
    text = head + (
        "attributes: {employees: number}\n"
        "activity_attributes: {seconds: number}\n"
        "rules:\n"
        "  engagement:\n"
        "    - id: click\n"
        "      because: Clicked\n"
        "      activity: email_click\n"
        "      activity_when: seconds >= 5\n"
        "      when: employees > 10\n"
        "      points: 1.5\n"
        "      half_life: 3 weeks\n"
        "      counting: per_day\n"
        "      at_most: 3 per week\n"
        "      cap: 6\n"
    )
    (rule,) = policy.parse({"scoring": text}).scoring.rules
    assert (rule.id, rule.group, rule.points, rule.cap) == ("click", "engagement", 1.5, 6)
    assert rule.when is not None
    assert rule.when.columns == {"employees"}
    term = rule.activity
    assert term is not None
    assert (term.types, term.half_life_days, term.counting) == (("email_click",), 21, "per_day")
    assert (term.at_most, term.window_days) == (3, 7)
    assert term.when is not None
    assert term.when.columns == {"seconds"}


def test_a_rep_is_read_whole(head: str) -> None:
    text = head + (
        'hours: {office: {mon-thu: ["09:00-12:00", "13:00-17:00"], sat: "22:00-02:00"}}\n'
        "defaults: {hours: office, caps: {day: 15, hour: 4}}\n"
        "reps:\n"
        "  - {id: ana, name: Ana, email: a@b.example, role: sdr, zone: Europe/Lisbon, holidays: PT,\n"
        "     time_off: [{first: '2026-08-01', last: '2026-08-15', because: summer}],\n"
        "     active_from: '2026-01-05', ramp: [0.25, 1], languages: [pt],\n"
        "     suits: {postcode: ['1*']}, known_as: {crm: [U1]},\n"
        "     cover: eva}\n"
        "  - {id: eva, name: Eva, email: e@b.example, role: sdr, zone: UTC}\n"
        "teams: [{id: t, name: T, members: [{rep: ana, weight: 0.5}], manager: ana}]\n"
    )
    teams = policy.parse({"teams": text}).teams
    ana = teams.reps["ana"]
    assert ana.hours[1] == ((time(9), time(12)), (time(13), time(17)))
    assert ana.hours[6] == ((time(22), time(2)),)
    assert 5 not in ana.hours
    assert ana.time_off[0].last == date(2026, 8, 15)
    assert ana.cover == ("eva",)
    assert (ana.caps.day, ana.caps.hour, ana.caps.open, ana.ramp) == (15, 4, None, (0.25, 1))
    assert ana.suits == {"postcode": ("1*",)}
    assert teams.teams["t"].members == (("ana", 0.5),)


def test_a_match_is_read_whole(head: str) -> None:
    texts = {
        "scoring": head + "attributes: {product: text, employees: number, sex: text}\nprotected: [sex]\n",
        "teams": head
        + (
            'hours: {office: {mon: "09:00-12:00"}}\ndefaults: {hours: office}\n'
            "reps: [{id: a, name: A, email: a@b.example, role: sdr, zone: UTC, suits: {product: [Pro]}}]\n"
            "teams: [{id: t, name: T, members: [a]}]\n"
        ),
    }
    rung = "{team: t, match: [language, product, territory], min_tenure: 90 days}"
    rule = "rules: [{id: all, because: b, when: 'true', send_to: [%s]}]\n"
    routing = policy.parse({**texts, "routing": head + rule % rung}).routing
    (read,) = routing.rules[0].ladder
    assert (read.language, read.match, read.min_tenure_days) == (True, ("product", "territory"), 90)
    assert routing.terms == ("product", "territory")
    refused = only_error(**{**texts, "routing": head + rule % "{team: t, match: [sex]}"})
    assert "the protected column sex" in refused
    sex = texts["teams"].replace("{product: [Pro]}", "{sex: [f]}")
    assert "not protected" in only_error(**{**texts, "teams": sex})


def test_a_pick_by_best_fit_is_read_whole(head: str) -> None:
    scoring = head + "attributes: {country: text, industry: text}\n"
    teams = head + STAFF + "teams: [{id: t, name: T, members: [a]}]\n"
    rungs = (
        "{team: t, pick: best_fit}, {team: t, pick: best_fit, segment: [country, industry, band],"
        " explore: 0.25, at_most_ahead: 1.5, window: 180 days}, {team: t}"
    )
    rule = f"rules: [{{id: all, because: b, when: 'true', send_to: [{rungs}]}}]\n"
    routing = policy.parse({"scoring": scoring, "teams": teams, "routing": head + rule}).routing
    assert [rung.fit for rung in routing.rules[0].ladder] == [
        BestFit((), 0.1, 3, 365),
        BestFit(("country", "industry", "band"), 0.25, 1.5, 180),
        None,
    ]
    assert routing.terms == ("band", "country", "industry")


def test_leads_are_no_segment_by_what_is_protected(head: str) -> None:
    texts = {
        "scoring": head + "attributes: {sex: text}\nprotected: [sex]\n",
        "teams": head + STAFF + "teams: [{id: t, name: T, members: [a]}]\n",
        "routing": head + "fallback: [{team: t, pick: best_fit, segment: [sex]}]\n",
    }
    said = only_error(**texts)
    assert said.startswith("routing.yaml:4: fallback[0].segment[0]: found the protected column sex")


STAFF = (
    'hours: {office: {mon: "09:00-12:00"}}\ndefaults: {hours: office}\n'
    "reps: [{id: a, name: A, email: a@b.example, role: sdr, zone: UTC}]\n"
)


def test_members_and_teams_have_dates(head: str) -> None:
    dated = "{rep: a, weight: 2, from: '2026-07-01'}, {rep: a, weight: 0.5, from: '2026-01-01', until: '2026-06-30'}"
    members = f"[{dated}]"
    text = f"{head}{STAFF}teams: [{{id: t, name: T, until: '2026-12-31', members: {members}}}]\n"
    team = policy.parse({"teams": text}).teams.teams["t"]
    assert (team.members, team.first, team.last) == ((("a", 2.0),), None, date(2026, 12, 31))
    days = ("2025-12-31", "2026-01-01", "2026-06-30", "2026-07-01")
    assert [team.weight("a", date.fromisoformat(day)) for day in days] == [None, 0.5, 0.5, 2.0]


def test_on_call_is_read_and_checked(head: str) -> None:
    text = (
        head
        + STAFF
        + "teams: [{id: t, name: T, members: [a]}]\non_call: [{team: %s, rep: %s, from: %s, until: %s}]\n"
    )
    evening, morning = "'2026-03-02T18:00:00+01:00'", "'2026-03-03T06:00:00Z'"
    (duty,) = policy.parse({"teams": text % ("t", "a", evening, morning)}).teams.on_call
    assert duty.first == datetime(2026, 3, 2, 17, tzinfo=UTC)
    assert (duty.team, duty.rep, duty.last) == ("t", "a", datetime(2026, 3, 3, 6, tzinfo=UTC))
    assert "on_call[0].team" in only_error(teams=text % ("x", "a", evening, morning))
    assert "on_call[0].rep" in only_error(teams=text % ("t", "x", evening, morning))
    assert "on_call[0].until" in only_error(teams=text % ("t", "a", morning, evening))


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ("[a, a]", "a a second time"),
        ("[{rep: a, until: '2026-06-30'}, {rep: a, from: '2026-06-30'}]", "each rep once at a time"),
        ("[{rep: a, from: '2026-06-30', until: '2026-06-29'}]", "not before 2026-06-30"),
        ("[{rep: a, form: '2026-06-30'}]", "did you mean from?"),
    ],
)
def test_dates_of_members_that_make_no_sense(head: str, members: str, said: str) -> None:
    text = f"{head}{STAFF}teams: [{{id: t, name: T, members: {members}}}]\n"
    assert said in only_error(teams=text)


def test_rules_hold_on_their_dates_only(head: str) -> None:
    rule = "{id: fair, because: b, when: hand_raise or 1 = 1, send_to: [hold], %s}"
    text = head + "rules: [" + rule % "from: '2026-06-01', until: '2026-06-30'" + "]\n"
    (read,) = policy.parse({"routing": text}).routing.rules
    assert read.when.text == "(hand_raise or 1 = 1) and as_of >= '2026-06-01' and as_of < '2026-07-01'"
    wrong = head + "rules: [" + rule % "from: '2026-06-01', until: '2026-05-30'" + "]\n"
    assert "rules[0].until" in only_error(routing=wrong)


@pytest.mark.parametrize(
    ("territories", "said"),
    [
        ("[{name: A, when: 'true', within: B}, {name: Bb, when: 'true'}]", "a territory of this file"),
        ("[{name: EMEA, when: 'true'}, {name: DACH, when: 'true', within: EMAE}]", "did you mean EMEA?"),
        ("[{name: A, when: 'true', within: A}]", "A within itself"),
        ("[{name: A/B, when: 'true'}]", "a name without /"),
    ],
)
def test_territories_that_are_no_tree(head: str, territories: str, said: str) -> None:
    assert said in only_error(routing=f"{head}territories: {territories}\n")


def test_a_circle_of_territories_is_named_at_each_of_its_members(head: str) -> None:
    circle = "[{name: A, when: 'true', within: B}, {name: B, when: 'true', within: A}]"
    said = errors(routing=f"{head}territories: {circle}\n")
    assert [error.partition(";")[0].rpartition(" found ")[2] for error in said] == [
        "A within itself",
        "B within itself",
    ]


def test_what_happens_to_leads_that_come_back(head: str) -> None:
    written = f"""{head}rerouting:
  declines: {{returned: [spam], spent: [busy]}}
  declines_at_most: 3
  hops: 1
  protect: 2 days
  promotions_a_day: 5
"""
    read = policy.parse({"routing": written}).routing.rerouting
    assert read == Rerouting(("spam",), ("busy",), 3, 1, Span(2, "days"), 5)
    assert policy.parse({"routing": head}).routing.rerouting == Rerouting()
    both = f"{head}rerouting: {{declines: {{returned: [spam], spent: [busy, spam]}}}}\n"
    said = only_error(routing=both)
    assert "found spam" in said
    assert "each reason once" in said
    assert "rerouting.hops" in only_error(routing=f"{head}rerouting: {{hops: -1}}\n")


def test_later_folders_replace_whole_files(folder: Path, tmp_path: Path, head: str) -> None:
    (tmp_path / "routing.yaml").write_text(
        head + "rules: [{id: all, because: b, when: 'true', send_to: [hold]}]\n"
    )
    loaded = policy.load(folder, tmp_path)
    assert [rule.id for rule in loaded.routing.rules] == ["all"]
    assert loaded.scoring == policy.load(folder).scoring


def test_a_version_is_the_hash_of_the_content(texts: Texts) -> None:
    before = policy.hashes(texts)
    after = policy.hashes({**texts, "sla": texts["sla"] + "# a remark\n"})
    assert {name for name in before if before[name] != after[name]} == {"sla"}


# --- what is refused ------------------------------------------------------------------------------


def test_all_errors_come_at_once_with_file_and_line(head: str) -> None:
    found = errors(
        scoring=head + "ruels: {}\nrange: [100, 0]\nattributes: {employees: nummer}\n",
        teams=head + "reps: [{id: a}]\n",
        sla="schema: 2\n",
    )
    assert "scoring.yaml:4: ruels: found the name ruels" in found[0]
    assert found[0].endswith("did you mean rules?")
    assert found[1].startswith("scoring.yaml:6: attributes.employees: found 'nummer'")
    assert found[1].endswith("did you mean number?")
    assert any(
        error.startswith("teams.yaml:4: reps[0].zone: found nothing; zone is required") for error in found
    )
    assert any(error.startswith("sla.yaml:1: schema: found 2") for error in found)
    assert any("owner is required" in error and error.startswith("sla.yaml") for error in found)


def test_a_condition_names_the_nearest_column(head: str) -> None:
    rule = "rules: {fit: [{id: size, because: b, points: 1, when: employes > 3}]}\n"
    said = only_error(scoring=head + "attributes: {employees: number}\n" + rule)
    assert said.startswith("scoring.yaml:5: rules.fit[0].when:")
    assert "employees" in said


@pytest.mark.parametrize(
    "written",
    [
        "rules: {fit: [{id: a, because: b, points: 1, when: age > 30}]}",
        "kinds: [{id: a, kind: job, because: b, when: age > 30}]",
        "disqualifiers: [{id: a, because: b, when: age > 30}]",
        "stages: [{name: mql, because: b, when: age > 30 and score > 1}]",
        "activity_attributes: {age: number}\n"
        "rules: {fit: [{id: a, because: b, points: 1, activity: x, activity_when: age > 3}]}",
    ],
)
@pytest.mark.parametrize("declared", ["attributes: {age: number}\n", ""])
def test_protected_columns_are_refused_everywhere(head: str, written: str, declared: str) -> None:
    written = written if declared else written.replace("age > 30", "age = '30'")
    said = " ".join(errors(scoring=head + "protected: [age]\n" + declared + written + "\n"))
    assert "the protected column age" in said
    assert "may not decide over people" in said


def test_protected_columns_are_refused_in_routing(head: str) -> None:
    routing = head + "rules: [{id: r, because: b, when: sex = 'f', send_to: [hold]}]\n"
    said = only_error(scoring=head + "protected: [sex]\n", routing=routing)
    assert said.startswith("routing.yaml:4: rules[0].when: found the protected column sex")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("rules: {fit: [{id: a, because: b, points: 1}]}", "neither `when` nor `activity`"),
        ("rules: {fit: [{id: a, because: b, points: ten, when: 'true'}]}", "found 'ten'"),
        ("rules: {fit: [{id: a, because: b, points: 1, when: 'true', cap: -1}]}", "found -1"),
        ("rules: {fit: [{id: a, because: b, points: 1, when: 'true', half_life: 7 days}]}", "half_life without"),
        ("rules: {fit: [{id: a, because: b, points: 1, activity: x, half_life: 7}]}", "a length of time such as"),
        ("rules: {fit: [{id: a, because: b, points: 1, activity: x, at_most: 3}]}", "a limit such as"),
        ("range: [5, 5]", "the lower end first"),
        ("groups: {fit: [50, 0]}", "the lower bound first"),
        ("bands: [{name: hot, enter: 75, exit: 80}, {name: cold, enter: 0}]", "at most `enter`, 75"),
        ("bands: [{name: warm, enter: 50}, {name: hot, enter: 75}, {name: cold, enter: 0}]", "hottest first"),
        ("bands: [{name: hot, enter: 75}]", "the last band enters at 0"),
        ("grades: {fit: [10, 20, 30]}", "the highest threshold first"),
        ("attributes: {score: number}", "built in"),
        ("expect: [{because: b, better: {lead: {x: 1}}, never: [mql]}]", "declared under attributes"),
        ("expect: [{because: b, better: {}}]", "neither `worse` nor `never`"),
        ("stages: [{name: mql, because: b, when: 'true'}]\n"
         "expect: [{because: b, better: {}, never: [mqll]}]", "mean mql"),
        ("attributes: {n: number}\nexpect: [{because: b, better: {lead: {n: x}}, worse: {}}]", "a number, as declared"),
        ("kinds: [{id: k, kind: spamm, because: b, when: 'true'}]", "did you mean spam?"),
        ("kinds: [{id: k, kind: job, because: b, when: score > 3}]", "kinds[0].when"),
    ],
)  # fmt: skip
def test_scoring_that_makes_no_sense(head: str, body: str, said: str) -> None:
    assert said in " ".join(errors(scoring=f"{head}{body}\n"))


def test_an_id_stands_once_over_all_groups(head: str) -> None:
    rule = "[{id: a, because: b, points: 1, when: 'true'}]"
    said = only_error(scoring=f"{head}rules:\n  fit: {rule}\n  engagement: {rule}\n")
    assert said.startswith("scoring.yaml:6: rules.engagement[0].id: found a a second time")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("zone: Europe/Lisboa", "perhaps Europe/Lisbon"),
        ("holidays: PTT", "an ISO country"),
        ("holidays: DE-XX", "a subdivision of DE"),
        ("hours: offise", "did you mean office?"),
        ("time_off: [{first: '2026-02-02', last: '2026-02-01', because: b}]", "the first day first"),
        ("time_off: [{first: '2026-02-31', last: '2026-03-01', because: b}]", "a day such as"),
        ("ramp: [0.5]", "a ramp without active_from"),
        ("active_from: '2026-02-01', active_until: '2026-01-01'", "not before active_from"),
        ("caps: {dey: 3}", "did you mean day?"),
        ("suits: {product: []}", "an empty list"),
        ("cover: a", "nobody covers for oneself"),
        ("cover: [aa]", "did you mean a?"),
    ],
)
def test_reps_that_make_no_sense(head: str, body: str, said: str) -> None:
    zone = "" if body.startswith("zone") else "zone: UTC, "
    rep = f"reps: [{{id: a, name: A, email: a@b.example, role: sdr, {zone}{body}}}]\n"
    hours = 'hours: {office: {mon-fri: "09:00-17:00"}}\ndefaults: {hours: office}\n'
    assert said in " ".join(errors(teams=head + hours + rep))


@pytest.mark.parametrize("week", ["{mo-fri: '09:00-17:00'}", "{fri-mon: '09:00-17:00'}", "{mon: '9-17'}",
                                  "{mon: '09:00-09:00'}", "{mon: ['09:00-12:00', '11:00-17:00']}", "[mon]",
                                  "{mon: '22:00-02:00', tue: ['22:00-02:00', '23:00-23:30']}"])  # fmt: skip
def test_hours_that_make_no_sense(head: str, week: str) -> None:
    assert only_error(teams=f"{head}hours: {{office: {week}}}\n").startswith("teams.yaml:4: hours.office")


def test_one_name_of_a_source_is_one_rep(texts: Texts) -> None:
    changed = texts["teams"].replace("known_as: {crm: [U102]}", "known_as: {crm: [U101]}")
    assert "U101, who is maya_brooks already" in only_error(**{**texts, "teams": changed})


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("teams", "manager: tom_averill", "manager: tom_averil", "did you mean tom_averill?"),
        ("teams", "members: [owen_hart,", "members: [owen_heart,", "did you mean owen_hart?"),
        ("teams", "known_as: {crm: [U101]}", "known_as: {crmm: [U101]}", "did you mean crm?"),
        ("routing", "{team: channel}", "{team: chanel}", "did you mean channel?"),
        ("routing", "{pool: account_managers}", "{pool: accounts}", "the id of a team of teams.yaml"),
        ("routing", "tier: none", "tier: nonne", "did you mean none?"),
        ("routing", "send_to: [close]", "send_to: [closed]", "did you mean close?"),
        ("routing", "{redirect: support}", "{redirect: support, team: channel}", "exactly one of"),
        ("routing", "{team: channel}", "{team: channel, match: [industri]}", "did you mean industry?"),
        (
            "routing",
            "{team: channel}",
            "{team: channel, match: [employees]}",
            "a text attribute of scoring.yaml",
        ),
        (
            "routing",
            "{team: channel}",
            "{team: channel, pick: best_fit, segment: [industri]}",
            "did you mean industry?",
        ),
        (
            "routing",
            "{team: channel}",
            "{team: channel, pick: best_fit, segment: [territory]}",
            "or source, kind, band, grade, stage",
        ),
        (
            "routing",
            "{team: channel}",
            "{team: channel, pick: best_fit, segment: [country, country]}",
            "each attribute once",
        ),
        (
            "routing",
            "{team: channel}",
            "{team: channel, segment: [country]}",
            "`segment` with `pick: best_fit`",
        ),
        (
            "routing",
            "{team: channel}",
            "{team: channel, pick: least_open, explore: 0.2}",
            "`explore` with `pick: best_fit`",
        ),
        (
            "routing",
            "{team: channel}",
            "{team: channel, pick: best_fit, explore: 0}",
            "greater than or equal to 0.01",
        ),
        (
            "routing",
            "{team: channel}",
            "{team: channel, pick: best_fit, explore: 2}",
            "less than or equal to 1",
        ),
        (
            "routing",
            "{team: channel}",
            "{team: channel, pick: best_fit, at_most_ahead: 0}",
            "greater than 0",
        ),
        (
            "routing",
            "{team: channel}",
            "{team: channel, pick: best_fit, window: soon}",
            "a number of whole days",
        ),
        (
            "routing",
            "{team: channel}",
            "{team: channel, pick: bestfit}",
            "did you mean best_fit?",
        ),
        (
            "routing",
            "{team: channel}",
            "{pool: channel, pick: best_fit}",
            "with the `team` to pick from",
        ),
        ("routing", "{team: channel}", "{team: channel, until: working_hours}", "`until` with `to: hold`"),
        (
            "routing",
            "{team: channel}",
            "{to: hold, team: chanel, until: working_hours}",
            "did you mean channel?",
        ),
        ("routing", "{team: channel}", "{to: hold, team: channel}", "exactly one of"),
        ("routing", "{team: channel}", "{team: channel, min_tenure: soon}", "a number of whole days"),
        (
            "teams",
            "    languages: [de, en]\n",
            "    languages: [de, en]\n    suits: {industri: [x]}\n",
            "mean industry?",
        ),
        ("routing", "fallback: [{pool: sdr_all}", "fallback: [{pool: sdr_al}", "fallback[0].pool"),
        ("routing", "[US, CA, MX", "[US, CA, [MX]", "lists.amer[2]"),
        ("sla", "by_band: {hot: hot", "by_band: {hott: hot", "did you mean hot?"),
        ("sla", "hand_raise: hot", "hand_raise: hotter", "did you mean hot?"),
        ("sla", "first_touch: 5 minutes", "first_touch: 5 min", "a span such as '5 minutes'"),
        ("contract", "any_of: [[email, phone]]", "any_of: [[mail, phone]]", "a field of this object"),
        ("contract", "checks: [email]", "checks: [e-mail]", "did you mean email?"),
        ("contract", "{between: [0, 14]}", "{between: [14, 0]}", "the lower bound first"),
        ("contract", '{matches: "^[a-z]', '{matches: "^([a-z]', "a regular expression"),
        ("contract", "opt_out: boolean", "opt_out: {type: boolean, checks: [email]}", "email checks a text"),
        ("sources", "zone: UTC", "zone: utc+1", "an IANA time zone"),
        ("sources", "existing_owner: keep", "existing_owner: kept", "did you mean keep?"),
        ("sources", 'live_from: "2026-01-01T00:00:00Z"', "live_from: yesterday", "a moment such as"),
        ("sources", "  product:   #", "  product:\n    master_of: [owner]\n   #", "sources.yaml"),
    ],
)
def test_a_slip_of_the_pen_is_named(texts: Texts, name: str, old: str, new: str, said: str) -> None:
    assert old in texts[name]
    changed = texts[name].replace(old, new, 1)
    found = errors(**{**texts, name: changed})
    line = next(number for number, text in enumerate(changed.splitlines(), 1) if new.splitlines()[0] in text)
    assert any(said in error for error in found), found
    assert any(
        error.startswith(f"{name}.yaml:") and abs(int(error.split(":")[1]) - line) <= 12 for error in found
    )


def test_two_masters_of_one_field(texts: Texts) -> None:
    changed = texts["sources"].replace(
        "address: data/sample/web", "address: data/sample/web\n    master_of: [owner]"
    )
    assert "owner, whose master is crm" in only_error(**{**texts, "sources": changed})


def test_folders_that_hold_no_policy(tmp_path: Path) -> None:
    for folder, said in ((tmp_path / "none", "no folder"), (tmp_path, "no policy file")):
        with pytest.raises(policy.PolicyErrors, match=said):
            policy.load(folder)
    (tmp_path / "scorring.yaml").write_text("schema: 1\n")
    with pytest.raises(policy.PolicyErrors, match=r"did you mean scoring\.yaml\?"):
        policy.load(tmp_path)
    (tmp_path / "scorring.yaml").unlink()
    (tmp_path / "scoring.yaml").write_bytes(b"owner: \xff\xfe\n")
    with pytest.raises(policy.PolicyErrors, match="UTF-8"):
        policy.load(tmp_path)


# --- warnings -------------------------------------------------------------------------------------


def test_rules_that_are_never_reached(head: str) -> None:
    conditions = ["kind = 'x'", "KIND  =  'x'", "true", "fit > 1"]
    rules = "".join(
        f'  - {{id: {id}, because: b, when: "{when}", send_to: [hold]}}\n'
        for id, when in zip("abcd", conditions, strict=True)
    )
    warnings = policy.parse({"routing": f"{head}rules:\n{rules}"}).warnings
    assert [warning.partition(": ")[2] for warning in warnings] == [
        "b is never reached: a takes its leads",
        "d is never reached: c takes its leads",
    ]


def test_scoring_that_is_only_odd_is_warned_of(head: str) -> None:
    fit = ", ".join(
        f"{{id: r{n}, because: b, points: 1, when: as_of > timestamp '20{n + 10}-01-01'}}" for n in range(26)
    )
    odd = (
        "{id: zero, because: b, points: 0, activity: x}, {id: wrong, because: b, points: 1, activity: y},"
        " {id: never, because: b, points: -1, when: 'false'}, {id: twin, because: b, points: -2, activity: x}"
    )
    warnings = " ".join(
        policy.parse({"scoring": f"{head}rules:\n  fit: [{fit}]\n  negative: [{odd}]\n"}).warnings
    )
    for said in ("30 scoring rules", "zero never adds", "wrong has points of the wrong sign", "never never fires",
                 "twin overlaps zero"):  # fmt: skip
        assert said in warnings


# --- notations ------------------------------------------------------------------------------------


@given(st.integers(0, 9999), st.sampled_from(["minutes", "hours", "days", "weeks"]))
def test_lengths_of_time(amount: int, unit: str) -> None:
    assert shapes.duration(f"{amount} {unit}") == timedelta(**{unit: amount})
    if unit != "weeks":
        assert shapes.span(f"{amount} {unit}") == Span(amount, unit)  # type: ignore[arg-type]


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_are_utc(moment: datetime) -> None:
    assert shapes.moment(moment.isoformat()) == moment
    assert shapes.moment(moment.replace(tzinfo=None).isoformat()) == moment


@given(st.text(max_size=20))
def test_notations_refuse_in_words(text: str) -> None:
    notations = (
        shapes.duration,
        shapes.span,
        shapes.limit,
        shapes.rate,
        shapes.hours,
        shapes.moment,
        shapes.day,
    )
    for read in notations:
        try:
            read(text)
        except ValueError as error:
            refused = str(error)
        else:
            refused = "read"
        assert refused


@given(st.integers(1, 9999), st.integers(1, 60), st.sampled_from(["second", "minute", "hour", "day"]))
def test_rates(requests: int, spans: int, unit: str) -> None:
    rate = shapes.rate(f"{requests} per {spans} {unit}s")
    assert (rate.requests, timedelta(seconds=rate.seconds)) == (requests, timedelta(**{f"{unit}s": spans}))
    assert shapes.rate(f"{requests} per {unit}").seconds * spans == rate.seconds


def test_limits_of_a_source(head: str) -> None:
    text = head + "sources:\n  crm:\n    connector: files\n    address: a\n    objects: {}\n"
    assert policy.parse({"sources": text}).sources.sources["crm"].limits == Limits()
    told = "    limits: {rate: 100 per 10 seconds, concurrent: 2, batch: 100, failures: 3, rest: 1 minute}\n"
    crm = policy.parse({"sources": text + told + "    score_step: 2.5\n"}).sources.sources["crm"]
    assert crm.limits == Limits(Rate(100, 10), 2, 100, 3, timedelta(minutes=1))
    assert (crm.limits.rate.spacing, crm.score_step) == (timedelta(milliseconds=100), 2.5)
    assert "sources.yaml:9" in only_error(sources=text + "    limits: {batch: 0}\n")
    assert "a rate such as" in only_error(sources=text + "    limits: {rate: 5 a second}\n")


# --- any slip ---------------------------------------------------------------------------------------


@given(st.data())
def test_any_change_loads_or_is_refused_with_a_line(data: st.DataObject) -> None:
    """Cut, doubled or swapped pieces of the default policy: PolicyErrors or a policy, nothing else."""
    texts = policy.texts(Path(__file__).resolve().parents[2] / "include" / "policy")
    name = data.draw(st.sampled_from(sorted(texts)))
    lines = texts[name].splitlines()
    where = data.draw(st.integers(0, len(lines) - 1))
    length = data.draw(st.integers(1, 3))
    instead = data.draw(
        st.sampled_from([[], ["x"], ["  - x: 1"], [": ["], lines[where - 1 : where], ["a: {b: [1]}"]])
    )
    changed = [*lines[:where], *instead, *lines[where + length :]]
    report = policy.check({**texts, name: "\n".join(changed)}, run_expectations=False)
    assert all(error.line >= 1 and error.found and error.allowed for error in report.errors)


def test_types_are_those_of_the_rule_language(texts: Texts) -> None:
    scoring = policy.parse(texts).scoring
    assert scoring.attributes["employees"] is Type.NUMBER
    assert scoring.attributes["created_at"] is Type.TIME


def test_what_is_written_back_has_known_names(texts: Texts) -> None:
    push = "    push: assignments\n"
    wrong = texts["sources"].replace(push, push + "    push_fields: {owner: OwnerId, scor: Score__c}\n")
    assert "scor" in (found := only_error(**{**texts, "sources": wrong}))
    assert "perhaps score" in found or "score?" in found
    idle = texts["sources"].replace(push, "    push_fields: {owner: OwnerId}\n")
    assert "a `push` beside it" in only_error(**{**texts, "sources": idle})


@pytest.mark.parametrize(
    ("link", "fine"),
    [
        ("https://crm.example/leads/{external_id}", True),
        ("https://crm.example/leads", False),
        ("javascript:alert({external_id})", False),
        ("https://crm.example/{external_id}?{token}", False),
        ('https://crm.example/{external_id}"x', False),
    ],
)
def test_the_link_of_a_record_is_a_web_address_with_its_id(head: str, link: str, fine: bool) -> None:
    text = (
        f"{head}sources:\n  crm:\n    connector: files\n    address: a\n    objects:\n"
        f"      leads: {{read: a.csv, fields: {{id: Id}}, link: '{link}'}}\n"
    )
    if fine:
        assert policy.parse({"sources": text}).sources.sources["crm"].objects["leads"].link == link
    else:
        assert "{external_id}" in only_error(sources=text)
