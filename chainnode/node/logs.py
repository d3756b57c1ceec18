"""The node's log: one line an event on stderr, for people or as JSON."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.stdlib import BoundLogger

from chainnode.node.config import LogConfig
from genesis.display import visible


def escaped(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What peers and users say, made visible: structlog shows a text without blanks as it is. A traceback
    keeps its lines. JSON escapes by itself."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = "\n".join(map(visible, value.split("\n") if name == "exception" else [value]))
    return event


def node_logger(config: LogConfig) -> BoundLogger:
    """Set the level and form up, for the whole process."""
    level = logging.getLevelNamesMapping()[config.level.upper()]
    for_people: list[Any] = [escaped, structlog.dev.ConsoleRenderer()]
    rendering = [structlog.processors.JSONRenderer()] if config.format == "json" else for_people
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    logger: BoundLogger = structlog.get_logger("node")
    return logger
