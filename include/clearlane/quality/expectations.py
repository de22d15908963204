"""The contract as Great Expectations: one suite an object, validated chunk by chunk, with Data Docs.

Great Expectations costs four seconds of CPU to import, so it is imported where a run begins. Its results
and pages name rows by `seq` and hold no value of a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from clearlane.quality import bare_pages
from clearlane.quality.plain import listed
from clearlane.quality.requirements import Requirement

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

_RESULT_FORMAT: Final = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": ["seq"],
    "return_unexpected_index_query": False,
    "exclude_unexpected_values": True,
    "partial_unexpected_count": 0,
}


class ExpectationFailed(RuntimeError):
    """An expectation could not be evaluated: a fault of the contract or of the code, not of the rows."""


class Expectations:
    """The engine of one run. It keeps its context, so that all chunks stand in one set of Data Docs."""

    def __init__(self) -> None:
        self._context = _context()
        self._source = self._context.data_sources.add_pandas("inbox")
        self._definitions: dict[str, Any] = {}

    def violations(self, name: str, frame: pd.DataFrame, requirements: Sequence[Requirement]) -> pd.DataFrame:
        """The (seq, field, rule) of each value of the frame that is not what a requirement asks."""
        if not requirements:
            return listed([])
        definition = self._definition(name, requirements)
        result = definition.run(batch_parameters={"dataframe": frame}, result_format=_RESULT_FORMAT)
        return listed(_offenders(one, requirements) for one in result.results)

    def write_docs(self, folder: Path) -> None:
        """The Data Docs of all that was validated, as a site with an index.html that loads nothing from elsewhere."""
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.absolute())}
        site: Any = {
            "class_name": "SiteBuilder",
            "store_backend": store,
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        self._context.add_data_docs_site("run", site)
        self._context.build_data_docs()
        bare_pages.stand_alone(folder)

    def _definition(self, name: str, requirements: Sequence[Requirement]) -> Any:
        if name not in self._definitions:
            self._definitions[name] = self._new_definition(name, requirements)
        return self._definitions[name]

    def _new_definition(self, name: str, requirements: Sequence[Requirement]) -> Any:
        import great_expectations as gx

        expectations = [_expectation(*numbered) for numbered in enumerate(requirements)]
        suite = self._context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        rows = self._source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("chunk")
        return self._context.validation_definitions.add(
            gx.ValidationDefinition(name=name, data=rows, suite=suite)
        )


def _context() -> EphemeralDataContext:
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
    )
    return gx.get_context(project_config=config, mode="ephemeral")


def _expectation(number: int, requirement: Requirement) -> Any:
    import great_expectations as gx

    kinds: Any = gx.expectations
    argument: Any = requirement.argument
    shared: Any = {
        "column": requirement.column,
        "meta": {"requirement": number},
        "notes": f"{requirement.field}: {requirement.allowed}",
    }
    match requirement.test:
        case "true":
            return kinds.ExpectColumnValuesToBeInSet(value_set=[True], **shared)
        case "present":
            return kinds.ExpectColumnValuesToNotBeNull(**shared)
        case "one_of":
            return kinds.ExpectColumnValuesToBeInSet(value_set=argument, **shared)
        case "matches":
            return kinds.ExpectColumnValuesToMatchRegex(regex=argument, **shared)
        case "max_length":
            return kinds.ExpectColumnValueLengthsToBeBetween(max_value=argument, **shared)
        case "between":
            low, high = argument
            return kinds.ExpectColumnValuesToBeBetween(min_value=low, max_value=high, **shared)


def _offenders(result: Any, requirements: Sequence[Requirement]) -> tuple[Requirement, list[int]]:
    requirement = requirements[result.expectation_config.meta["requirement"]]
    if not result.success and not result.result:
        raise ExpectationFailed(f"{requirement.field}, {requirement.rule}: {_said(result.exception_info)}")
    rows = result.result.get("unexpected_index_list") or []
    return requirement, [int(seq) for row in rows for seq in row["seq"]]


def _said(exception_info: Any) -> str:
    """Great Expectations files what was raised under the metric that raised it, or directly."""
    if "exception_message" in exception_info:
        return str(exception_info["exception_message"])
    return "; ".join(sorted({str(info["exception_message"]) for info in exception_info.values()}))
