"""Tiny ONNX models that find one white rectangle on a dark picture, in the layouts that detectors come in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
SIZE = 320


class Graph:
    """A graph in the making."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: object, kind: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    def add(self, op: str, *inputs: str, **attributes: object) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name


def find_rectangle(graph: Graph, *, width: int, height: int) -> tuple[str, str, str, str]:
    """Give left, top, right and bottom of what is white, in pixels of the input."""
    grey = graph.add("ReduceMin", "images", graph.constant([1], np.int64), keepdims=0)
    white = graph.add("Cast", graph.add("Greater", grey, graph.constant(0.75)), to=FLOAT)
    edges = []
    for axis, length in ((1, width), (2, height)):
        line = graph.add("ReduceMax", white, graph.constant([axis], np.int64), keepdims=0)
        places = graph.constant(np.arange(length))
        far = graph.add("ReduceMax", graph.add("Mul", line, graph.add("Add", places, graph.constant(1))), keepdims=0)
        back = graph.add("Mul", line, graph.add("Sub", graph.constant(length), places))
        near = graph.add("Sub", graph.constant(length), graph.add("ReduceMax", back, keepdims=0))
        edges.append((near, far))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom


def row_of(graph: Graph, values: Sequence[str]) -> str:
    """Give these numbers as one row."""
    shape = graph.constant([1], np.int64)
    return graph.add("Concat", *(graph.add("Reshape", value, shape) for value in values), axis=0)


def centred(graph: Graph, corners: Sequence[str], *, by: tuple[float, float] = (1, 1)) -> list[str]:
    """Give centre and size of corners, divided by the width and height given."""
    left, top, right, bottom = corners
    half = graph.constant(0.5)
    parts = [
        graph.add("Mul", graph.add("Add", left, right), half),
        graph.add("Mul", graph.add("Add", top, bottom), half),
        graph.add("Sub", right, left),
        graph.add("Sub", bottom, top),
    ]
    return [graph.add("Div", part, graph.constant(by[i % 2])) for i, part in enumerate(parts)]


def finish(
    path: Path,
    graph: Graph,
    outputs: dict[str, Sequence[int]],
    *,
    size: tuple[int, int] = (SIZE, SIZE),
    metadata: dict[str, str] | None = None,
    inputs: Sequence[onnx.ValueInfoProto] = (),
) -> Path:
    """Write the model; `outputs` give the shape of the values of that name."""
    image = helper.make_tensor_value_info("images", FLOAT, [1, 3, size[1], size[0]])
    made = helper.make_graph(
        graph.nodes,
        "tiny",
        [image, *inputs],
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs.items()],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def rename(graph: Graph, value: str, name: str) -> None:
    """Give a value the name of an output."""
    graph.nodes.append(helper.make_node("Identity", [value], [name]))


def table(graph: Graph, row: str, *, rows: int, attributes: int, columns: bool = False) -> str:
    """Give a table whose first row is this one, the others zeros."""
    rest = graph.constant(np.zeros((rows - 1, attributes)))
    first = graph.add("Reshape", row, graph.constant([1, attributes], np.int64))
    whole = graph.add("Concat", first, rest, axis=0)
    if columns:
        whole = graph.add("Transpose", whole, perm=[1, 0])
    return graph.add("Unsqueeze", whole, graph.constant([0], np.int64))


def yolo_v8(path: Path, *, classes: int = 80, number: int = 2, score: float = 0.9, **more: Any) -> Path:
    """(1, 4+classes, N)."""
    size: tuple[int, int] = more.pop("size", (SIZE, SIZE))
    graph = Graph()
    scores = np.zeros(classes)
    scores[number] = score
    row = centred(graph, find_rectangle(graph, width=size[0], height=size[1]))
    whole = graph.add("Concat", row_of(graph, row), graph.constant(scores), axis=0)
    rename(graph, table(graph, whole, rows=400, attributes=4 + classes, columns=True), "output0")
    return finish(path, graph, {"output0": [1, 4 + classes, 400]}, size=size, **more)


def yolo_v5(path: Path, *, rows: int = 500) -> Path:
    """(1, N, 85): confidence is objectness times class."""
    graph = Graph()
    scores = np.zeros(81)
    scores[0], scores[1 + 2] = 0.9, 0.8
    row = centred(graph, find_rectangle(graph, width=SIZE, height=SIZE))
    whole = graph.add("Concat", row_of(graph, row), graph.constant(scores), axis=0)
    rename(graph, table(graph, whole, rows=rows, attributes=85), "output0")
    return finish(path, graph, {"output0": [1, rows, 85]})


def yolo_end_to_end(path: Path) -> Path:
    """(1, 300, 6): corners, confidence, class."""
    graph = Graph()
    corners = find_rectangle(graph, width=SIZE, height=SIZE)
    whole = graph.add("Concat", row_of(graph, corners), graph.constant([0.9, 2]), axis=0)
    rename(graph, table(graph, whole, rows=300, attributes=6), "output0")
    return finish(path, graph, {"output0": [1, 300, 6]})


def rt_detr(path: Path, *, names: tuple[str, str] = ("logits", "pred_boxes")) -> Path:
    """Two outputs: logits (1, 300, 80) and boxes (1, 300, 4), centre and size from 0 to 1."""
    graph = Graph()
    logits = np.full((1, 300, 80), -9.0)
    logits[0, 0, 2] = 2.2  # sigmoid 0.9
    row = row_of(graph, centred(graph, find_rectangle(graph, width=SIZE, height=SIZE), by=(SIZE, SIZE)))
    rename(graph, graph.add("Identity", graph.constant(logits)), names[0])
    rename(graph, table(graph, row, rows=300, attributes=4), names[1])
    return finish(path, graph, {names[0]: [1, 300, 80], names[1]: [1, 300, 4]})


def rt_detr_of_ultralytics(path: Path) -> Path:
    """(1, 300, 84): centre and size from 0 to 1, then confidences."""
    graph = Graph()
    scores = np.zeros(80)
    scores[2] = 0.9
    row = centred(graph, find_rectangle(graph, width=SIZE, height=SIZE), by=(SIZE, SIZE))
    whole = graph.add("Concat", row_of(graph, row), graph.constant(scores), axis=0)
    rename(graph, table(graph, whole, rows=300, attributes=84), "output0")
    return finish(path, graph, {"output0": [1, 300, 84]})


def rt_detr_of_paddle(path: Path) -> Path:
    """Rows of class, score and corners in pixels of the frame, which `scale_factor` gives."""
    graph = Graph()
    corners = find_rectangle(graph, width=SIZE, height=SIZE)
    factor = graph.add("Reshape", "scale_factor", graph.constant([2], np.int64))
    down, across = (graph.add("Gather", factor, graph.constant(i, np.int64), axis=0) for i in (0, 1))
    scaled = [graph.add("Div", corner, across if i % 2 == 0 else down) for i, corner in enumerate(corners)]
    whole = graph.add("Concat", graph.constant([2, 0.9]), row_of(graph, scaled), axis=0)
    rename(graph, graph.add("Reshape", whole, graph.constant([1, 6], np.int64)), "boxes")
    factors = helper.make_tensor_value_info("scale_factor", FLOAT, [1, 2])
    shape = helper.make_tensor_value_info("im_shape", FLOAT, [1, 2])
    return finish(path, graph, {"boxes": [1, 6]}, inputs=[factors, shape])


def rt_detr_original(path: Path) -> Path:
    """Labels, boxes and scores; boxes are corners in pixels of the frame whose size is given."""
    graph = Graph()
    corners = find_rectangle(graph, width=SIZE, height=SIZE)
    frame = graph.add("Cast", graph.add("Reshape", "orig_target_sizes", graph.constant([2], np.int64)), to=FLOAT)
    wide, high = (graph.add("Gather", frame, graph.constant(i, np.int64), axis=0) for i in (0, 1))
    side = graph.constant(SIZE)
    scaled = [graph.add("Div", graph.add("Mul", c, (wide, high)[i % 2]), side) for i, c in enumerate(corners)]
    rename(graph, graph.add("Identity", graph.constant([[2]])), "labels")
    rename(graph, graph.add("Identity", graph.constant([[0.9]])), "scores")
    rename(graph, graph.add("Reshape", row_of(graph, scaled), graph.constant([1, 1, 4], np.int64)), "boxes")
    size = helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [1, 2])
    return finish(path, graph, {"labels": [1, 1], "boxes": [1, 1, 4], "scores": [1, 1]}, inputs=[size])


def constant_answer(path: Path, answers: dict[str, object], *, metadata: dict[str, str] | None = None) -> Path:
    """A model that answers the same to every picture."""
    graph = Graph()
    for name, value in answers.items():
        rename(graph, graph.add("Identity", graph.constant(value)), name)
    shapes = {name: np.asarray(value).shape for name, value in answers.items()}
    return finish(path, graph, shapes, metadata=metadata)
