"""Takes orders out of the stock. One that cannot be filled is reported, the others are done."""

import json

STOCK = {"apple": 10, "pear": 5}


def fill(order):
    item, count = order["item"], order["count"]
    if STOCK.get(item, 0) < count:
        raise ValueError(f"{item}: there are none")
    STOCK[item] -= count
    print(f"{count} x {item}: {STOCK[item]} left", flush=True)


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            fill(json.loads(record["body"]))
        except (KeyError, TypeError, ValueError) as error:
            print(f"{record['messageId']} failed: {error}", flush=True)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
