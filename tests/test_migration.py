"""Whoever comes from another harness finds each of its options by its name in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
NAMES = {
    "modelrunner.md": """
        PredefinedRequestUser RandomRequestUser PeriodicBurst {{test_imagery_location}}
        {{test_results_location}} {{test_results_bucket}} {{test_results_prefix}} --repeat-period
        --min-concurrency --peak-concurrency --peak-std --peak-mean S3_LOAD_TEST_SOURCE_IMAGE_BUCKET
        S3_SOURCE_IMAGE_BUCKET S3_LOAD_TEST_RESULT_BUCKET S3_RESULT_BUCKET SM_LOAD_TEST_MODEL
        PROCESSING_WINDOW_MIN TASK_DEFINITION_PATTERN ModelRunnerDataplane IMAGE_QUEUE
        SQS_IMAGE_STATUS_QUEUE IMAGE_STATUS_QUEUE ImageRequestQueue ImageStatusQueue
        osml-test-images- mr-bucket-sink- mr-stream-sink- job_status.json job_summary.json
        total_image_sent total_image_in_progress total_image_processed total_image_succeeded
        total_image_failed total_gb_processed total_pixels_processed _stats.csv _failures.csv
        _stats_history.csv 8089
    """,
    "liftwing.md": "MODEL_NAME NAMESPACE MODEL= spawn headless _stats.csv",
    "edge.md": """
        REQUESTS_PER_SECOND --step-size --max-clients TIME_BETWEEN_RAMP x-api-token detector_id
        human_review patience_time cpu_monitoring.png load_test_results.json from_edge
        /status/resources.json
    """,
    "sagemaker.md": """
        SAFETY_FACTOR MAX_RPS SageMakerVariantInvocationsPerInstance min_wait max_wait Target-Variant
        Target-Model Inference-Component Custom-Attributes Session-Id --users --spawn-rate
    """,
    "cost.md": "GetCostAndUsage job_summary.json",
}


@pytest.mark.parametrize("page", NAMES)
def test_every_literal_option_of_a_harness_is_found_by_its_name(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert [name for name in NAMES[page].split() if name not in text] == []
