"""Codes of `make localnet` and `make demo`. The README lists them: the reference is the product's alone."""

from genesis.errors import EXIT_ENVIRONMENT, EXIT_IN_USE, EXIT_INPUT, ErrorCode

LOCALNET_FOLDER = ErrorCode("LOCALNET-01", EXIT_IN_USE, "the folder was not made by this command")
LOCALNET_RUNNING = ErrorCode("LOCALNET-02", EXIT_IN_USE, "nodes of an earlier run still run in the folder")
LOCALNET_NODE = ErrorCode("LOCALNET-03", EXIT_ENVIRONMENT, "a node ended, or was not ready or down in time")
DEMO_DATA = ErrorCode("DEMO-01", EXIT_INPUT, "DATA is not a folder with enough *.json files")
DEMO_BUNDLE = ErrorCode("DEMO-02", EXIT_INPUT, "a file of DATA is no bundle of one patient")
DEMO_PATIENT = ErrorCode("DEMO-03", EXIT_INPUT, "two files of DATA are of one patient")
DEMO_PATIENTS = ErrorCode("DEMO-04", EXIT_INPUT, "--patients is too small for all steps")

CODES = (
    LOCALNET_FOLDER,
    LOCALNET_RUNNING,
    LOCALNET_NODE,
    DEMO_DATA,
    DEMO_BUNDLE,
    DEMO_PATIENT,
    DEMO_PATIENTS,
)
