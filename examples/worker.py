#!/usr/bin/env python3
"""A worker for an `exec:` receiver: it writes an invoice for each order.

    redrive consume -t orders -g shop --from earliest --receiver 'billing=exec:python3 examples/worker.py billing.db'

Each delivery is one JSON line on stdin, and each is answered by one JSON line on stdout, so print nothing else there. What goes to
stderr is free: the last lines are kept with a failure that is not answered. The process ends when stdin ends.
"""
import json
import sqlite3
import sys
import traceback


class Permanent(Exception):
    """This event fails every time, with this code: it goes to the journal at once."""


def bill(event, database):
    if event["type"] != "order.placed":
        return  # nothing to pay for
    order = event["data"]
    if not order["total_cents"] and not MENDED:
        raise Permanent("empty_order", f"order {order['id']} has no total")
    database.execute("INSERT INTO invoice VALUES (?, ?)", (order["id"], order["total_cents"]))


def handle(delivery, database):
    """Deliveries come at least once: that this one was done is written in the same transaction as what it did."""
    with database:
        done = database.execute("INSERT OR IGNORE INTO done VALUES (?)", (delivery["deliveryid"],))
        if done.rowcount:
            bill(delivery["event"], database)


def answer(delivery, database):
    try:
        handle(delivery, database)
        return {"ok": True}
    except Permanent as error:
        code, message = error.args
        return {"ok": False, "class": "permanent", "code": code, "message": message}
    except sqlite3.OperationalError as error:  # locked, or the disk is full: another try may help
        return {"ok": False, "class": "transient", "code": "database_busy", "message": str(error)}
    except Exception as error:  # nobody knows whether it would help
        return {"ok": False, "message": repr(error), "detail": traceback.format_exc()}


# Without --mended it has a bug: an order may well be free.
MENDED = "--mended" in sys.argv
names = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
database = sqlite3.connect(names[0] if names else "billing.db", timeout=1)
database.execute("CREATE TABLE IF NOT EXISTS done (deliveryid TEXT PRIMARY KEY)")
database.execute("CREATE TABLE IF NOT EXISTS invoice (order_id TEXT, total_cents INTEGER)")
for line in sys.stdin:
    delivery = json.loads(line)
    print(json.dumps({"sendid": delivery["sendid"], **answer(delivery, database)}), flush=True)
