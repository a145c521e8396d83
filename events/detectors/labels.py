"""Names of the classes that a model knows by number."""

import ast
import json
from collections.abc import Sequence
from pathlib import Path

from events.exceptions import ModelNotUsableError
from siteadmin.core.clean import clean_text

LONGEST_LABEL = 64
_COCO = """
person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign parking_meter bench
bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase frisbee skis snowboard
sports_ball kite baseball_bat baseball_glove skateboard surfboard tennis_racket bottle wine_glass cup fork knife spoon
bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch potted_plant bed dining_table
toilet tv laptop mouse remote keyboard cell_phone microwave oven toaster sink refrigerator book clock vase scissors
teddy_bear hair_drier toothbrush
"""
COCO = tuple(name.replace("_", " ") for name in _COCO.split())
"""The 80 classes of COCO in the order in which detectors number them."""


def clean_label(label: object) -> str:
    """Give a label as an object type: in lower case; empty where nothing is left of it."""
    return " ".join(clean_text(str(label)).lower().split())[:LONGEST_LABEL]


def read_labels(path: Path) -> list[str]:
    """Read one label a line, or a JSON list or object by number; ModelNotUsableError where that is not there."""
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
        if text.startswith(("[", "{")):
            return labels_of(json.loads(text))
    except (OSError, ValueError) as error:
        raise ModelNotUsableError(f"ONNX_LABELS: {path} cannot be read: {error}") from error
    return labels_of(text.splitlines())


def parse_names(text: str) -> list[str]:
    """Read what Ultralytics writes into a model's metadata: `{0: 'person', 1: 'bicycle'}`; empty where it is not."""
    try:
        return labels_of(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, ModelNotUsableError):
        return []


def labels_of(names: object) -> list[str]:
    """Give the labels of a list, or of a mapping from number to name; ModelNotUsableError where a number lacks."""
    if isinstance(names, dict):
        by_number = {int(number): name for number, name in names.items()}
        if sorted(by_number) != list(range(len(by_number))):
            raise ModelNotUsableError("The labels' numbers are not 0, 1, 2, ...")
        names = [by_number[number] for number in range(len(by_number))]
    if not isinstance(names, Sequence) or isinstance(names, str):
        raise ModelNotUsableError("The labels are neither a list nor a mapping from number to name")
    return [clean_label(name) or f"class_{number}" for number, name in enumerate(names)]
