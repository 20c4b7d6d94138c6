"""Sends the tasks of one order: `python3 order.py NUMBER`."""

import sys

from shop import payment, receipt, reminder

order = int(sys.argv[1])
receipt.delay(order)
reminder.apply_async((order,), countdown=1)
payment.delay(order)
