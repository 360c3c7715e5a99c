"""Request bodies of about 450 bytes. Nothing is imported: peers use this file too."""

from __future__ import annotations

from typing import Any


def prediction(user: int, number: int) -> dict[str, Any]:
    """Body of an HTTP prediction, different for each user and number."""
    return {
        "request_id": f"{user:08x}-{number:012x}",
        "lang": "en",
        "rev_id": number,
        "model": "articlequality",
        "extended_output": True,
        "features": [0.125, 0.25, 0.5, 0.75, 1.0, 2.0, 4.0, 8.0],
        "event": {
            "meta": {"domain": "en.wikipedia.org", "stream": "mediawiki.page_change.v1"},
            "page": {"page_id": number, "page_title": "Load testing", "namespace_id": 0},
            "performer": {"user_text": "Benchmark", "is_bot": False, "edit_count": 12345},
            "comment": "the quick brown fox jumps over the lazy dog",
        },
    }


def job(job_id: str) -> dict[str, Any]:
    """Body of a ModelRunner job, as the replaced harness makes it for each send."""
    return {
        "jobName": f"load-{job_id}",
        "jobId": job_id,
        "imageUrls": ["s3://osml-test-images-123456789012/scene-0.ntf"],
        "outputs": [{"type": "S3", "bucket": "results", "prefix": "load"}],
        "imageProcessor": {"name": "centerpoint", "type": "SM_ENDPOINT"},
        "imageProcessorTileSize": 512,
        "imageProcessorTileOverlap": 128,
        "imageProcessorTileFormat": "GTIFF",
        "imageProcessorTileCompression": "NONE",
        "regionOfInterest": None,
        "featureProperties": [],
    }
