"""The node's log: one line an event on stderr, for people or as JSON."""

import logging
import sys
from typing import Any

import structlog
from structlog.stdlib import BoundLogger

from chainnode.node.config import LogConfig


def node_logger(config: LogConfig) -> BoundLogger:
    """Set the level and form up, for the whole process."""
    level = logging.getLevelNamesMapping()[config.level.upper()]
    renderer: Any = (
        structlog.processors.JSONRenderer() if config.format == "json" else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    logger: BoundLogger = structlog.get_logger("node")
    return logger
