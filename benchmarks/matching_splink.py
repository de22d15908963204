"""splink on a folder's leads.csv and accounts.csv: the best account of each lead with its probability.

Run by benchmarks.matching with a Python that has splink; it is trained on the two files alone, as it is meant to be.
"""

import json
import re
import sys
import time
from pathlib import Path

import pandas as pd
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

SUFFIX = re.compile(
    r"\b(inc|corp|corporation|incorporated|co|company|ltd|limited|llc|plc|gmbh|ag|sa|nv|bv|ab|as|spa|srl|kk|se)\b"
)


def cleaned(name: str) -> str:
    words = re.sub(r"[^\w]+", " ", re.sub(r"\.", "", str(name).lower()))
    return " ".join(SUFFIX.sub(" ", words).split()) or words.strip()


def read(path: Path, key: str, name: str) -> pd.DataFrame:
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    keys = frame[name].map(cleaned)
    return pd.DataFrame(
        {
            "unique_id": [f"{one} {i}" for i, one in enumerate(frame[key])],
            "name": keys,
            "first_word": keys.str.split().str[0],
            "last_word": keys.str.split().str[-1],
            "start": keys.str.replace(" ", "").str[:4],
        }
    )


def main(folder: Path) -> None:
    leads = read(folder / "leads.csv", "lead_id", "company")
    accounts = read(folder / "accounts.csv", "account_id", "name")
    start = time.process_time()
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=[
            cl.JaroWinklerAtThresholds("name", [0.97, 0.92, 0.88, 0.8]).configure(
                term_frequency_adjustments=True
            ),
            cl.JaroWinklerAtThresholds("first_word", [0.9]).configure(term_frequency_adjustments=True),
            cl.JaroWinklerAtThresholds("last_word", [0.9]).configure(term_frequency_adjustments=True),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("first_word"),
            block_on("last_word"),
            block_on("start"),
        ],
    )
    engine = DuckDBAPI()
    linker = Linker([engine.register(leads), engine.register(accounts)], settings, log_level=None)
    linker.training.estimate_probability_two_random_records_match([block_on("name")], recall=0.5)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for rule in ("first_word", "last_word"):
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(rule))
    pairs = linker.inference.predict().as_pandas_dataframe()
    seconds = time.process_time() - start
    turned = pairs["unique_id_l"].isin(set(accounts["unique_id"])) & pairs["unique_id_r"].isin(
        set(leads["unique_id"])
    )
    pairs.loc[turned, ["unique_id_l", "unique_id_r"]] = pairs.loc[
        turned, ["unique_id_r", "unique_id_l"]
    ].to_numpy()
    best = pairs.sort_values(["match_weight", "unique_id_r"], ascending=False).drop_duplicates("unique_id_l")
    told = [
        (row.unique_id_l.rpartition(" ")[0], row.unique_id_r.rpartition(" ")[0], row.match_weight)
        for row in best.itertuples()
    ]
    (folder / "splink.json").write_text(json.dumps({"best": told, "seconds": seconds}))


main(Path(sys.argv[1]))
