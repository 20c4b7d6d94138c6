"""Does the steps of orders. karin gives it steps of one customer at a time, in order; what it has
done stands in ledger.txt, one step a line."""

import json
from pathlib import Path

STEPS = ["placed", "paid", "shipped"]
LEDGER = Path("ledger.txt")
DECLINED = Path("declined.txt")


def done(customer):
    lines = LEDGER.read_text().splitlines() if LEDGER.exists() else []
    return [line.split()[1] for line in lines if line.split()[0] == customer]


def do(customer, step):
    before = done(customer)
    if step in before:
        return  # it came twice, which at-least-once allows
    if before != STEPS[: STEPS.index(step)]:
        raise ValueError(f"{customer}: {step} is not next after {before}")
    if customer in DECLINED.read_text().split():
        raise ValueError(f"{customer}: the card is declined")
    with LEDGER.open("a") as ledger:
        ledger.write(f"{customer} {step}\n")
    print(f"{customer}: {step}", flush=True)


def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["body"])
        do(order["customer"], order["step"])
