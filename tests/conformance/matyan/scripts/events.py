"""Write logs as TensorBoard has them."""

from __future__ import annotations

from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter


def main(argument: dict[str, Any]) -> None:
    writer = EventFileWriter(argument["directory"])
    for step, value in enumerate((1.0, 0.5, 0.25)):
        histogram = summary_pb2.HistogramProto(
            min=0, max=2, num=3, sum=3, sum_squares=5, bucket_limit=[1.0, 2.0], bucket=[1.0, 2.0]
        )
        values = [
            summary_pb2.Summary.Value(tag="loss", simple_value=value),
            summary_pb2.Summary.Value(tag="weights", histo=histogram),
        ]
        summary = summary_pb2.Summary(value=values)
        writer.add_event(event_pb2.Event(wall_time=1.7e9 + step, step=step, summary=summary))
    writer.close()
