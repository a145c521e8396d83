"""Tasks of the composition."""

from celery import shared_task

from siteadmin.demo.service import DemoResult, draw_due_pictures


@shared_task(name="siteadmin.draw_demo")
def draw_demo() -> DemoResult:
    """Let the demo's cameras send what they see."""
    return draw_due_pictures()
